"""Curves and profiles show the numbers they are given."""

import numpy as np
import pandas as pd
import pytest

from structcomp_jax.report import curves, style, workdir
from structcomp_jax.studies.break_it_down.columns import SCHEMAS
from tests.studies.break_it_down import synthetic


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  return workdir.read(
    synthetic.write_workdir(tmp_path_factory.mktemp("work") / "run"), SCHEMAS
  )


def test_density_shows_the_mean_fraction(run):
  figure = curves.density_figure(run.tables["densities"])
  drawn = [line.get_xydata()[:, 0] for line in figure.axes[0].get_lines()]
  np.testing.assert_allclose(drawn[0], [0.1, 0.2])


def test_learning_curves_have_a_line_per_network(run):
  figure = curves.training_figure(run.training)
  drawn = [
    line for line in figure.axes[0].get_lines() if len(line.get_xdata()) == 5
  ]
  assert len(drawn) == run.training.groupby(["regime", "base_seed"]).ngroups
  figure = curves.search_figure(run.searches)
  soft = figure.axes[0].get_lines()[0].get_ydata()
  np.testing.assert_allclose(soft, 1 - 0.5 / np.arange(1, 6))


def test_densities_stand_under_their_regime_and_subroutine():
  keys = [(regime, name) for regime in "ab" for name in ("verb", "subject")]
  densities = pd.DataFrame(
    [
      {"regime": regime, "subroutine": name, "leaf": leaf, "size": size}
      | {"kept": 10 * place + 4 * mask}
      for place, (regime, name) in enumerate(keys)
      for leaf, size in (("x/kernel", 100), ("y/z/weight", 200))
      for mask in range(3)
    ]
  )
  figure = curves.density_figure(densities)
  labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
  assert labels == ["x", "y z"]
  for axis, regime in zip(figure.axes, "ab", strict=True):
    assert axis.get_title(loc="left") == regime
    for bars, name in zip(axis.containers, ("subject", "verb"), strict=True):
      assert bars.get_label() == name
      kept = 10 * keys.index((regime, name)) + 4
      places = bars.lines[0].get_xydata()[:, 0]
      np.testing.assert_allclose(places, [kept / 100, kept / 200])
      (spread,) = bars.lines[2]
      reach = [segment[:, 0] for segment in spread.get_segments()]
      expected = [[kept - 4, kept + 4], [kept / 2 - 2, kept / 2 + 2]]
      np.testing.assert_allclose(reach, np.array(expected) / 100)


def test_learning_curves_show_their_own_column():
  table = pd.DataFrame(
    {
      "regime": "scratch",
      "base_seed": [0, 0, 1, 1],
      "epoch": [1, 2, 1, 2],
      "validation/accuracy": [0.1, 0.2, 0.3, 0.4],
      "validation/loss": [4.0, 3.0, 2.0, 1.0],
    }
  )
  figure = curves.training_figure(table)
  for axis, words in zip(figure.axes, ("accuracy", "loss"), strict=True):
    assert axis.get_ylabel() == f"validation {words}"
    drawn = [line.get_ydata() for line in axis.get_lines()[:2]]
    expected = table[f"validation/{words}"].to_numpy().reshape(2, 2)
    np.testing.assert_allclose(drawn, expected)


def test_search_curves_stand_in_their_own_panel():
  keys = [(regime, name) for regime in "ab" for name in ("verb", "subject")]
  searches = pd.DataFrame(
    [
      {"regime": regime, "subroutine": name, "epoch": epoch}
      | {
        "validation/soft/accuracy": level,
        "validation/hard/accuracy": level + 0.1,
        "density": level + 0.2,
      }
      for place, (regime, name) in enumerate(keys)
      for epoch in (1, 2)
      for level in place / 10 + epoch / 50 + np.arange(11) / 200
    ]
  )
  figure = curves.search_figure(searches)
  axes = np.reshape(figure.axes, (2, 4))
  for line, regime in enumerate("ab"):
    for column, name in enumerate(("subject", "verb")):
      accuracy, density = axes[line, 2 * column : 2 * column + 2]
      assert f"“{name}”" in accuracy.get_title(loc="left")
      mean = keys.index((regime, name)) / 10 + np.array([1, 2]) / 50 + 0.025
      soft, hard = accuracy.get_lines()[:2]
      (kept,) = density.get_lines()
      for curve, shift in ((soft, 0.0), (hard, 0.1), (kept, 0.2)):
        np.testing.assert_allclose(curve.get_ydata(), mean + shift)
      assert [soft.get_label(), hard.get_label()] == ["soft", "hard"]
      band = density.collections[0].get_paths()[0].vertices[:, 1]
      low, high = band.min(), band.max()
      np.testing.assert_allclose(low, mean[0] + 0.2 - 0.02)
      np.testing.assert_allclose(high, mean[1] + 0.2 + 0.02)


@pytest.mark.parametrize("chance", [None, 0.5])
def test_chance_is_a_line_where_it_is_given(run, chance):
  for figure in (
    curves.training_figure(run.training, chance=chance),
    curves.search_figure(run.searches, chance=chance),
  ):
    lines = figure.axes[0].get_lines()
    levels = [line.get_ydata() for line in lines if line.get_linestyle() == ":"]
    assert levels == ([] if chance is None else [[chance, chance]])


def test_regimes_have_the_words_and_colours_of_the_caller(run):
  labels = style.Labels({"scratch": "learned"}, {"scratch": "#123456"})
  figure = curves.training_figure(run.training, labels=labels)
  texts = [text.get_text() for text in figure.legends[0].get_texts()]
  assert texts[:2] == ["learned", "random_init"]
  assert "#123456" in {line.get_color() for line in figure.axes[0].get_lines()}
  figure = curves.density_figure(run.tables["densities"], labels=labels)
  assert figure.axes[0].get_title(loc="left") == "learned"


def test_three_subroutines_stand_apart():
  densities = pd.DataFrame(
    [
      {"regime": "a", "subroutine": name, "leaf": "x", "kept": 1, "size": 4}
      for name in ("add", "control", "mul")
    ]
  )
  (axis,) = curves.density_figure(densities).axes
  places = [bars.lines[0].get_xydata()[0, 1] for bars in axis.containers]
  colours = {bars.lines[0].get_color() for bars in axis.containers}
  assert len(set(places)) == len(colours) == 3
