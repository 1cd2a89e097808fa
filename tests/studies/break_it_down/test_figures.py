"""Figures show the numbers they are given."""

import numpy as np
import pandas as pd
import pytest

from structcomp_jax.report import curves as profiles
from structcomp_jax.report import workdir
from structcomp_jax.studies.break_it_down.columns import SCHEMAS
from structcomp_jax.studies.break_it_down.findings import task_difference
from structcomp_jax.studies.break_it_down.page import figures, overview
from tests.studies.break_it_down import synthetic


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  return workdir.read(
    synthetic.write_workdir(tmp_path_factory.mktemp("work") / "run"), SCHEMAS
  )


@pytest.fixture(scope="module")
def differences(run):
  return task_difference.task_differences(run.results)


def _heights(axis):
  points = [np.asarray(one.get_offsets()) for one in axis.collections[:]]
  points = [one[:, 1] for one in points if one.size and one.shape[1] == 2]
  return np.concatenate(points) if points else np.array([])


def test_task_difference_has_a_point_per_search(differences):
  figure = figures.task_difference_figure(differences)
  for axis, name in zip(figure.axes, ("subject", "verb"), strict=True):
    rows = differences[differences["subroutine"] == name]
    expected = np.concatenate([rows["d_sub"], rows["d_abl"]])
    drawn = _heights(axis)
    for value in expected:
      assert np.isclose(drawn, value).any()
    assert name in axis.get_title(loc="left")


def test_accuracy_axes_name_the_tests(differences):
  figure = figures.accuracy_figure(differences)
  labels = [text.get_text() for text in figure.axes[1].get_xticklabels()]
  assert labels == ["verb test", "subject test"]
  assert len(figure.axes) == 4


def test_failed_networks_are_hollow(differences):
  failed = differences.assign(base_failed=differences["base_seed"] == 0)
  figure = figures.task_difference_figure(failed)
  colours = [len(one.get_facecolor()) for one in figure.axes[0].collections]
  assert 0 in colours


def test_density_shows_the_mean_fraction(run):
  figure = profiles.density_figure(run.tables["densities"])
  drawn = [line.get_xydata()[:, 0] for line in figure.axes[0].get_lines()]
  np.testing.assert_allclose(drawn[0], [0.1, 0.2])


def test_learning_curves_have_a_line_per_network(run):
  figure = profiles.training_figure(run.training)
  curves = [
    line for line in figure.axes[0].get_lines() if len(line.get_xdata()) == 5
  ]
  assert len(curves) == run.training.groupby(["regime", "base_seed"]).ngroups
  figure = profiles.search_figure(run.searches)
  soft = figure.axes[0].get_lines()[0].get_ydata()
  np.testing.assert_allclose(soft, 1 - 0.5 / np.arange(1, 6))


def test_overview_prints_the_accuracies(differences):
  rows = differences[differences["regime"] == "scratch"]
  figure = overview.overview_figure(rows, "subject")
  texts = [text.get_text() for axis in figure.axes for text in axis.texts]
  rows = rows[rows["subroutine"] == "subject"]
  assert f"{rows['subnetwork_target'].mean():.2f}" in texts
  assert f"{rows['ablated_other'].mean():.2f}" in texts


def test_svg_is_the_same_every_time_and_self_contained(differences):
  first = figures.svg(figures.task_difference_figure(differences))
  second = figures.svg(figures.task_difference_figure(differences))
  assert first == second
  assert first.startswith("<svg")
  assert "<script" not in first


def test_regimes_look_different():
  regimes = list(figures.REGIME_COLOURS)
  colours = {figures.regime_colour(regime) for regime in regimes}
  assert len(colours) == len(regimes)
  assert figures.regime_colour("frozen") not in colours


def test_one_regime_and_one_search_is_enough():
  results = synthetic.results_rows(num_bases=1, num_masks=1)
  results = results[results["subroutine"] != "verb"]
  table = task_difference.task_differences(results)
  assert len(figures.task_difference_figure(table).axes) == 1
  assert len(figures.accuracy_figure(table).axes) == 2
  assert overview.overview_figure(table, "subject").axes
  assert pd.api.types.is_float_dtype(table["d_sub"])


@pytest.mark.parametrize(
  ("name", "other"), [("subject", "verb"), ("verb", "subject")]
)
def test_overview_bars_are_means_of_working_networks(differences, name, other):
  rows = differences[differences["regime"] == "scratch"].copy()
  numbers = np.linspace(0.3, 0.9, 5 * len(rows)).reshape(5, -1)
  columns = [
    "subnetwork_target",
    "subnetwork_other",
    "ablated_target",
    "ablated_other",
    "density",
  ]
  rows[columns] = numbers.T**2
  rows["base_failed"] = rows["base_seed"] == 0
  figure = overview.overview_figure(rows, name)
  shown = rows[~rows["base_failed"] & (rows["subroutine"] == name)]
  bars = [axis for axis in figure.axes if axis.patches]
  for axis, condition in zip(bars, ("subnetwork", "ablated"), strict=True):
    labels = [text.get_text() for text in axis.get_yticklabels()]
    assert labels == [f"{name} test", f"{other} test"]
    (errors,) = axis.collections
    for place, test in enumerate(("target", "other")):
      column = shown[f"{condition}_{test}"]
      np.testing.assert_allclose(axis.patches[place].get_width(), column.mean())
      assert axis.texts[place].get_text() == f"{column.mean():.2f}"
      reach = column.mean() + column.std() * np.array([-1, 1])
      drawn = errors.get_segments()[place][:, 0]
      np.testing.assert_allclose(drawn, reach)
  assert f"keeps {shown['density'].mean():.0%}" in figure.texts[0].get_text()
  kept, removed = (axis.get_title() for axis in figure.axes[1:3])
  assert "kept" in kept
  assert "removed" in removed


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
  figure = profiles.density_figure(densities)
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
  figure = profiles.training_figure(table)
  for axis, words in zip(figure.axes, ("accuracy", "loss"), strict=True):
    assert axis.get_ylabel() == f"validation {words}"
    curves = [line.get_ydata() for line in axis.get_lines()[:2]]
    expected = table[f"validation/{words}"].to_numpy().reshape(2, 2)
    np.testing.assert_allclose(curves, expected)


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
  figure = profiles.search_figure(searches)
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
