"""What is concluded from the masks of two systems."""

import sys

import jax
import numpy as np
import pytest

from benchmarks import neurosurgeon
from benchmarks.frozen_networks import layer_names, perceptron

_NUM = 5


def _masks(rng, centre, flips):
  """Masks that differ from a centre in random places."""
  noise = rng.random((_NUM, *centre.shape)) < flips
  return {"kernel": centre ^ noise}


def test_overlaps_are_intersections_over_unions():
  first = {"a": np.array([[True, True]]), "b": np.array([[[False], [True]]])}
  second = {"a": np.array([[False, True]]), "b": np.array([[[True], [True]]])}
  overlaps = neurosurgeon._overlaps(first, second)
  np.testing.assert_allclose(overlaps, [[1, 2 / 4], [2 / 4, 1]])


def test_masks_of_one_kind_are_not_told_apart():
  rng = np.random.default_rng(0)
  centre = rng.random((30, 40)) < 0.3
  found = [
    neurosurgeon.agreement(
      neurosurgeon._overlaps(_masks(rng, centre, 0.1), _masks(rng, centre, 0.1))
    )["p"]
    for _ in range(200)
  ]
  # 16 ways to swap: p is a multiple of 1/16, each as likely.
  assert 0.03 < np.mean(np.array(found) <= 2 / 16) < 0.22


def test_masks_of_two_kinds_are_told_apart():
  rng = np.random.default_rng(0)
  first, second = (rng.random((30, 40)) < 0.3 for _ in range(2))
  found = neurosurgeon.agreement(
    neurosurgeon._overlaps(_masks(rng, first, 0.1), _masks(rng, second, 0.1))
  )
  assert found["p"] == 1 / 2 ** (_NUM - 1)
  assert found["across"] < min(found["first"], found["second"])


def test_the_same_seed_counts_apart():
  rng = np.random.default_rng(0)
  centre = rng.random((30, 40)) < 0.3
  both = _masks(rng, centre, 0.1)
  found = neurosurgeon.agreement(neurosurgeon._overlaps(both, both))
  assert found["same"] == 1
  assert found["first"] == found["second"] < 1
  assert found["across"] == pytest.approx(found["first"])


def test_a_missing_package_is_one_line(monkeypatch, tmp_path):
  page = tmp_path / neurosurgeon.PAGE
  page.parent.mkdir(parents=True)
  page.write_text("<!-- measured --><!-- /measured -->")
  for name in ("NeuroSurgeon", "NeuroSurgeon.Models"):
    monkeypatch.setitem(sys.modules, name, None)
  # It may have been imported by another test.
  monkeypatch.delitem(sys.modules, "benchmarks.pytorch.circuits", raising=False)
  monkeypatch.delattr("benchmarks.pytorch.circuits", raising=False)
  with pytest.raises(neurosurgeon.types.UserError, match="pip install Neuro"):
    neurosurgeon.update(tmp_path, ["perceptron"], 2, 1)


def test_the_perceptron_has_learned_to_count():
  case = perceptron()
  count = {**case.train, "y": sum(one["y"] for one in case.tests.values())}
  assert case.metrics_fn(case.params, count)["accuracy"].mean() > 0.99
  assert layer_names(case) == {
    f"{name}/kernel": name for name in ("hidden_0", "hidden_1", "output")
  }
  assert jax.tree.all(jax.tree.map(lambda x: x.dtype == "f4", case.params))
