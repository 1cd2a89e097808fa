"""Two sums at once: the published numbers, and pairs kept apart."""

import itertools

import numpy as np
import pytest

from structcomp_jax.tasks.arithmetic import double_addition, two_digit

_SPLITS = tuple(two_digit.SPLIT_SIZES)


@pytest.fixture(scope="module")
def published():
  return {split: double_addition.published(split) for split in _SPLITS}


@pytest.fixture(scope="module")
def disjoint():
  return {split: double_addition.disjoint(split) for split in _SPLITS}


def _pair_codes(problems):
  """Returns the codes of pair 1 and those of pair 2."""
  return problems.astype(int).reshape(-1, 2, 2) @ [100, 1]


def test_pair_1_is_drawn_before_pair_2(published):
  for split, seed in (("train", 0), ("test", 1), ("validation", 2)):
    count = two_digit.SPLIT_SIZES[split]
    stream = np.random.RandomState(0x12345678 + seed)
    for columns in (slice(0, 2), slice(2, 4)):
      drawn = stream.randint(0, 100, (count, 1, 2))[:, 0]
      assert (published[split][:, columns] == drawn).all()
  assert published["train"][:3, :2].tolist() == [[67, 36], [0, 59], [91, 25]]


def test_all_inputs_of_each_pair_are_in_published_training(published):
  for codes in _pair_codes(published["train"]).T:
    assert len(np.unique(codes)) == 10_000


def test_a_hundredth_of_published_validation_is_in_training(published):
  train = _pair_codes(published["train"]) @ [10_000, 1]
  seen = np.isin(_pair_codes(published["validation"]) @ [10_000, 1], train)
  assert 0.008 < seen.mean() < 0.012


@pytest.mark.parametrize("policy", ["published", "disjoint"])
def test_shapes_and_ranges(policy, request):
  for split, problems in request.getfixturevalue(policy).items():
    count = two_digit.SPLIT_SIZES[split]
    assert problems.shape == (count, double_addition.LENGTH)
    assert problems.dtype == np.uint8
    assert problems.max(axis=0).tolist() == [99] * 4


@pytest.mark.parametrize("pair", [0, 1])
def test_no_disjoint_input_of_a_pair_is_in_two_splits(disjoint, pair):
  sets = {
    split: set(_pair_codes(problems)[:, pair].tolist())
    for split, problems in disjoint.items()
  }
  for first, second in itertools.combinations(sets, 2):
    assert sets[first].isdisjoint(sets[second]), (first, second)
  assert len(sets["train"]) == 8000
  assert len(sets["test"]) <= 1000


def test_the_pairs_have_divisions_and_draws_of_their_own(disjoint):
  first, second = _pair_codes(disjoint["test"]).T
  assert len(np.intersect1d(first, second)) < 200
  # Each of 1,000 inputs stands beside about ten of 1,000.
  assert len(np.unique(first * 10_000 + second)) > 9900


def test_targets_are_both_sums_modulo_100():
  numbers = np.array([[67, 36, 0, 59], [99, 99, 200 - 150, 50]], np.uint8)
  targets = double_addition.targets(numbers)
  assert targets.dtype == np.int64
  assert targets.tolist() == [[3, 59], [98, 0]]


def test_inputs_by_part_tell_pairs_apart_by_their_order():
  numbers = np.array([[1, 2, 3, 4], [2, 1, 3, 4], [1, 2, 4, 3]], np.uint8)
  parts = double_addition.inputs_by_part(numbers)
  equal = {
    part: (codes[0] == codes[1], codes[0] == codes[2])
    for part, codes in parts.items()
  }
  assert equal == {
    "pair_1": (False, True),
    "pair_2": (True, False),
    "both pairs together": (False, False),
  }
