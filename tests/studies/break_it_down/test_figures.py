"""Figures show the numbers they are given."""

import numpy as np
import pandas as pd
import pytest

from structcomp_jax.report import style, workdir
from structcomp_jax.studies.break_it_down.columns import SCHEMAS
from structcomp_jax.studies.break_it_down.findings import task_difference
from structcomp_jax.studies.break_it_down.page import figures, overview
from structcomp_jax.studies.break_it_down.regimes import LABELS
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


def test_overview_prints_the_accuracies(differences):
  rows = differences[differences["regime"] == "scratch"]
  figure = overview.overview_figure(rows, "subject")
  texts = [text.get_text() for axis in figure.axes for text in axis.texts]
  rows = rows[rows["subroutine"] == "subject"]
  assert f"{rows['subnetwork_target'].mean():.2f}" in texts
  assert f"{rows['ablated_other'].mean():.2f}" in texts


def test_svg_is_the_same_every_time_and_self_contained(differences):
  first = style.svg(figures.task_difference_figure(differences))
  second = style.svg(figures.task_difference_figure(differences))
  assert first == second
  assert first.startswith("<svg")
  assert "<script" not in first


def test_every_regime_has_words_and_a_colour_of_its_own():
  regimes = ("scratch", "lm_pretrained", "simclr", "pruned", "random_init")
  assert len({LABELS.colours[regime] for regime in regimes}) == len(regimes)
  assert len({LABELS.name(regime) for regime in regimes} - {*regimes}) == 5


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
