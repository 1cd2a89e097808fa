"""Sums and products: the published numbers, and problems kept apart."""

import itertools

import numpy as np
import pytest

from structcomp_jax.tasks.arithmetic import add_mul, two_digit

_SPLITS = tuple(two_digit.SPLIT_SIZES)


@pytest.fixture(scope="module")
def published():
  return {split: add_mul.published(split) for split in _SPLITS}


@pytest.fixture(scope="module")
def disjoint():
  return {split: add_mul.disjoint(split) for split in _SPLITS}


def _codes(problems):
  return problems.astype(int) @ [200, 2, 1]


def test_first_training_problems_are_the_published_ones(published):
  train = published["train"]
  assert train.dtype == np.uint8
  assert train[:3, :2].tolist() == [[67, 36], [0, 59], [91, 25]]
  assert train[:8, 2].tolist() == [1, 1, 1, 0, 0, 1, 1, 0]


@pytest.mark.parametrize(
  ("split", "add", "mul"),
  [("train", 499_448, 500_552), ("validation", 4951, 5049)],
)
def test_numbers_of_sums_and_products_are_the_published_ones(
  published, split, add, mul
):
  assert np.bincount(published[split][:, 2]).tolist() == [add, mul]


def test_all_20000_inputs_are_in_training(published):
  codes = np.unique(_codes(published["train"]))
  assert codes.tolist() == list(range(20_000))


@pytest.mark.parametrize("policy", ["published", "disjoint"])
def test_shapes_and_ranges(policy, request):
  for split, problems in request.getfixturevalue(policy).items():
    assert problems.shape == (two_digit.SPLIT_SIZES[split], add_mul.LENGTH)
    assert problems.dtype == np.uint8
    assert problems.max(axis=0).tolist() == [99, 99, 1]


def test_published_splits_are_drawn_apart(published):
  test, validation = published["test"], published["validation"]
  assert (test != validation).any(axis=1).mean() > 0.99
  # Test comes before validation in the order of the seeds.
  stream = np.random.RandomState(0x12345679)
  assert (test[:, :2] == stream.randint(0, 100, (10_000, 2))).all()


def test_no_disjoint_problem_is_in_two_splits(disjoint):
  sets = {split: set(_codes(rows).tolist()) for split, rows in disjoint.items()}
  for first, second in itertools.combinations(sets, 2):
    assert sets[first].isdisjoint(sets[second]), (first, second)
  assert len(sets["train"]) == 16_000
  assert len(sets["test"]) <= 2000


def test_disjoint_splits_hold_both_operations(disjoint):
  for problems in disjoint.values():
    assert 0.45 < problems[:, 2].mean() < 0.55


def test_targets_are_sums_and_products_modulo_100():
  numbers = np.array(
    [[67, 36, 0], [67, 36, 1], [99, 99, 0], [99, 99, 1], [0, 0, 1], [50, 2, 1]],
    np.uint8,
  )
  targets = add_mul.targets(numbers)
  assert targets.dtype == np.int64
  assert targets.tolist() == [3, 12, 98, 1, 0, 0]


def test_40_pairs_have_equal_sum_and_product():
  pairs = np.array(list(itertools.product(range(100), repeat=2)), np.uint8)
  both = [
    add_mul.targets(np.insert(pairs, 2, operation, axis=1))
    for operation in (0, 1)
  ]
  assert (both[0] == both[1]).sum() == 40


def test_inputs_by_part_tell_pairs_of_one_operation_apart():
  numbers = np.array([[1, 2, 0], [2, 1, 0], [1, 2, 1], [1, 2, 0]], np.uint8)
  parts = add_mul.inputs_by_part(numbers)
  assert {part: len(codes) for part, codes in parts.items()} == {
    "add": 3,
    "mul": 1,
  }
  first, second, third = parts["add"]
  assert first == third != second
