"""What is concluded from the masks of two systems."""

import sys

import jax
import numpy as np
import pytest

from benchmarks import mask_agreement, neurosurgeon
from benchmarks.frozen_networks import layer_names, perceptron

_NUM = 5


def _masks(rng, centre, flips):
  """Masks that differ from a centre in random places."""
  noise = rng.random((_NUM, *centre.shape)) < flips
  return {"kernel": centre ^ noise}


def test_overlaps_are_intersections_over_unions():
  first = {"a": np.array([[True, True]]), "b": np.array([[[False], [True]]])}
  second = {"a": np.array([[False, True]]), "b": np.array([[[True], [True]]])}
  overlaps = mask_agreement.overlaps(first, second)
  np.testing.assert_allclose(overlaps, [[1, 2 / 4], [2 / 4, 1]])


def _agreement(*pair):
  return mask_agreement.agreement(mask_agreement.overlaps(*pair))


def test_masks_of_one_kind_are_not_told_apart():
  rng = np.random.default_rng(0)
  centre = rng.random((30, 40)) < 0.3
  found = [
    _agreement(_masks(rng, centre, 0.1), _masks(rng, centre, 0.1))["p"]
    for _ in range(200)
  ]
  # 16 ways to swap: p is a multiple of 1/16, each as likely.
  assert 0.03 < np.mean(np.array(found) <= 2 / 16) < 0.22


def test_masks_of_two_kinds_are_told_apart():
  rng = np.random.default_rng(0)
  first, second = (rng.random((30, 40)) < 0.3 for _ in range(2))
  found = _agreement(_masks(rng, first, 0.1), _masks(rng, second, 0.1))
  assert found["p"] == 1 / 2 ** (_NUM - 1)
  assert found["across"] < min(found["first"], found["second"])


def test_the_same_seed_counts_apart():
  rng = np.random.default_rng(0)
  centre = rng.random((30, 40)) < 0.3
  both = _masks(rng, centre, 0.1)
  found = _agreement(both, both)
  assert found["same"] == 1
  assert found["first"] == found["second"] < 1
  assert found["across"] == pytest.approx(found["first"])


def test_random_masks_agree_by_chance():
  rng = np.random.default_rng(0)
  kept = 0.3
  centre = rng.random((100, 100)) < kept
  both = _masks(rng, centre, 0.0)
  chance = mask_agreement.by_chance(both, both)
  assert chance == pytest.approx(kept**2 / (2 * kept - kept**2), abs=0.01)


def test_tables_have_a_line_for_each_system_and_relaxation():
  rng = np.random.default_rng(0)
  centre = rng.random((30, 40)) < 0.3
  values = {"task": {"accuracy": np.linspace(0, 1, _NUM)}}
  one = {
    "masks": {name: _masks(rng, centre, 0.0) for name in ("a", "b")},
    "tests": {
      (name, half): values
      for name in ("a", "b")
      for half in ("kept", "removed")
    },
    "loss_gap": 1e-7,
  }
  found = {("net", "soft"): one, ("other", "soft"): one}
  lines = mask_agreement.accuracy_lines("net", found)
  kept = f"{100 * centre.mean():.2f} ± 0.00"
  assert lines[1:] == [
    ("soft", name, kept, "0.50 ± 0.40", "0.50 ± 0.40") for name in ("a", "b")
  ]
  head, *rest = mask_agreement.agreement_lines(found)
  assert head[2:4] == ("two seeds of a", "two seeds of b")
  assert [line[:6] for line in rest] == [
    (name, "soft", *["1.000"] * 4) for name in ("net", "other")
  ]


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
