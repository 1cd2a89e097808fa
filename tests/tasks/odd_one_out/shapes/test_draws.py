"""Random numbers from keys."""

import chex
import numpy as np
import pytest
from scipy import stats

from structcomp_jax.tasks.odd_one_out.shapes import draws


def _keys(count, seed=0):
  return draws.fold_in(np.full(1, seed, np.uint64), np.arange(count))


def test_mix_is_splitmix64():
  # The first outputs of the published program (Vigna) with seed 0.
  states = draws.GOLDEN * np.arange(1, 4, dtype=np.uint64)
  expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
  assert draws.mix(states).tolist() == expected


@pytest.mark.parametrize(
  "sample",
  [
    lambda keys: draws.uniform(keys),
    lambda keys: (draws.uniform(keys, 2.0, 5.0) - 2) / 3,
    lambda keys: draws.points(keys)[:, 0],
    lambda keys: draws.points(keys)[:, 1],
    lambda keys: draws.uniform(draws.fold_in(keys, "label")),
    lambda keys: np.arctan2(*draws.direction(keys).T) / (2 * np.pi) + 0.5,
  ],
)
def test_uniform(sample):
  assert stats.kstest(sample(_keys(20_000)), "uniform").pvalue > 1e-4


def test_labels_and_neighbours_are_uncorrelated():
  keys = _keys(20_000)
  columns = [
    draws.uniform(keys),
    np.roll(draws.uniform(keys), 1),
    draws.uniform(draws.fold_in(keys, "a")),
    draws.uniform(draws.fold_in(keys, "b")),
    draws.uniform(draws.fold_in(keys, 0)),
    draws.uniform(draws.fold_in(keys, 1)),
    *draws.points(draws.fold_in(keys, "c")).T,
  ]
  correlation = np.corrcoef(columns) - np.eye(len(columns))
  assert np.abs(correlation).max() < 5 / np.sqrt(len(keys))


def test_choices_are_fair():
  counts = np.bincount(draws.choice(_keys(30_000), 3))
  assert stats.chisquare(counts).pvalue > 1e-4


@pytest.mark.parametrize("at_once", [1, 3, 50])
def test_first_accepted_does_not_depend_on_the_batch(at_once):
  def draw(keys, rows):
    values = draws.uniform(keys)
    return values < 0.1, (values, rows)

  keys = _keys(300)
  rows, (values, row_values) = draws.first_accepted(keys, draw, at_once=at_once)
  chex.assert_trees_all_equal(rows, np.arange(300))
  chex.assert_trees_all_equal(row_values, rows)
  alone = [
    draws.first_accepted(keys[i : i + 1], draw)[1][0] for i in range(0, 300, 60)
  ]
  chex.assert_trees_all_equal(values[::60], np.concatenate(alone))


def test_first_accepted_gives_up():
  def draw(keys, rows):
    return draws.uniform(keys) < 0.1, (rows,)

  rows, (values,) = draws.first_accepted(_keys(2000), draw, limit=5)
  chex.assert_trees_all_equal(rows, values)
  expected = 1 - 0.9**5
  error = np.sqrt(expected * (1 - expected) / 2000)
  assert abs(len(rows) / 2000 - expected) < 4 * error
