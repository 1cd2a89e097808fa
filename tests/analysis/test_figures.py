"""Figures show the numbers they are given."""

import numpy as np
import pandas as pd
import pytest

from structcomp_jax.analysis import (
  figures,
  overview,
  profiles,
  task_difference,
  workdir,
)
from tests.analysis import synthetic


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  return workdir.read(
    synthetic.write_workdir(tmp_path_factory.mktemp("work") / "run")
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
  figure = profiles.density_figure(run.densities)
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
