"""Problems obey their definitions, and nonsense is neither A nor B."""

import itertools

import numpy as np
import pytest

from structcomp_jax.studies.planted import problems
from structcomp_jax.studies.planted.problems import Pair

PAIR = Pair((0, 1, 2), (0, 1, 3))


def holds(task, pair=PAIR):
  """Returns bool[problems, items, 2], counted by hand, of many problems."""
  drawn = problems.draw(pair, task, 400, np.random.default_rng(0))
  bits = drawn["bits"]
  assert bits.shape == (400, 4, 10) and bits.dtype == np.float32
  assert set(np.unique(bits)) == {-1, 1}
  minus = [(bits[..., list(one)] < 0).sum(-1) for one in (pair.a, pair.b)]
  return np.stack([count % 2 == 0 for count in minus], axis=-1)


def shares(odd):
  """Returns how often the odd item is each of the combinations."""
  return {
    both: (odd == both).all(-1).mean()
    for both in itertools.product((False, True), repeat=2)
  }


def test_base_problems_break_one_property_or_both():
  found = holds("base")
  assert found[:, :3].all()
  odd = shares(found[:, 3])
  assert odd.pop((True, True)) == 0
  assert all(abs(share - 1 / 3) < 0.1 for share in odd.values())


@pytest.mark.parametrize(("task", "place"), [("A", 0), ("B", 1)])
def test_a_subroutine_sees_its_own_property_alone(task, place):
  found = holds(task)
  assert found[:, :3, place].all() and not found[:, 3, place].any()
  other = found[..., 1 - place]
  assert (abs(other.mean(axis=0) - 0.5) < 0.1).all()
  # Items are drawn one by one.
  assert abs((other[:, 0] == other[:, 1]).mean() - 0.5) < 0.1


@pytest.mark.parametrize(("task", "place"), [("odd_A", 0), ("odd_B", 1)])
def test_the_odd_one_lacks_one_property_alone(task, place):
  found = holds(task)
  assert found[:, :3].all()
  assert not found[:, 3, place].any() and found[:, 3, 1 - place].all()


def test_items_are_drawn_from_all_that_there_are():
  drawn = problems.draw(Pair(), "odd_A", 4000, np.random.default_rng(0))
  # A quarter of the 1024 items have both properties.
  assert len(np.unique(drawn["bits"][:, :3].reshape(-1, 10), axis=0)) == 256


def test_splits_and_tasks_are_drawn_apart():
  found = problems.sets(Pair(), {"train": 30, "test": 20}, seed=1)
  assert set(found["test"]) == set(problems.TASKS)
  assert found["train"]["A"]["bits"].shape == (30, 4, 10)
  assert (found["train"]["A"]["bits"][:20] != found["test"]["A"]["bits"]).any()


def test_nonsense_is_of_other_bits():
  # As many as there are: 118 free triples of 120.
  found = problems.nonsense(PAIR, 59, seed=3)
  bits = [set(one) for pair in found for one in (pair.a, pair.b)]
  assert len({frozenset(one) for one in bits}) == 118
  assert set(PAIR.a) not in bits and set(PAIR.b) not in bits
  assert problems.nonsense(PAIR, 1, 4) != problems.nonsense(PAIR, 1, 5)
