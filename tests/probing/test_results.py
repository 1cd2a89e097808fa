"""Means and spreads over seeds, worked out by hand."""

import math

import pytest

from structcomp_jax import probing
from structcomp_jax.probing import results


def row(kind, task, seed, accuracy, **more):
  return {
    "site": kind,
    "task": task,
    "seed": seed,
    "accuracy": accuracy,
    **more,
  }


ROWS = [
  row("a", "labels", 0, 0.9, kept=4, density=0.4),
  row("a", "labels", 1, 0.7, kept=2, density=0.2),
  row("b", "labels", 0, 0.5, kept=1, density=0.1),
  # In another order than the task.
  row("a", "control", 1, 0.6, kept=9, density=0.9),
  row("a", "control", 0, 0.5, kept=7, density=0.7),
]


def test_selectivity_is_of_equal_seeds():
  first, second = probing.summarise(ROWS, ("site",))
  assert first["site"] == "a"
  assert first["accuracy"] == pytest.approx(0.8)
  assert first["control"] == pytest.approx(0.55)
  # 0.9 - 0.5 and 0.7 - 0.6.
  assert first["selectivity"] == pytest.approx(0.25)
  assert first["selectivity_spread"] == pytest.approx(0.3 / math.sqrt(2))
  assert first["kept"] == 3
  assert first["control_kept"] == 8
  assert second["seeds"] == 1
  assert math.isnan(second["accuracy_spread"])
  assert "control" not in second


def test_probes_that_are_not_finite_are_left_out():
  rows = [*ROWS, row("a", "labels", 2, 0.0, finite=False)]
  # As texts, because NaN does not equal itself.
  assert str(probing.summarise(rows, ("site",))) == str(
    probing.summarise(ROWS, ("site",))
  )


def test_the_table_has_a_line_for_each_kind():
  lines = probing.summarise(ROWS, ("site",))
  table = results.describe(lines, ("site",)).splitlines()
  assert table[0].split() == [
    "site", "accuracy", "control", "selectivity", "kept", "control_kept",
    "density",
  ]  # fmt: skip
  assert table[1].split()[:4] == ["a", "0.80", "±", "0.14"]
  assert table[2].split() == ["b", "0.50", "-", "-", "1", "-", "0.10"]
