"""Drawing two-digit numbers and writing them as digits."""

import numpy as np
import pytest

from structcomp_jax.tasks.arithmetic import two_digit

_SPLITS = tuple(two_digit.SPLIT_SIZES)


def test_digits_are_units_then_tens():
  values = np.array([[0, 7], [70, 99]], np.int64)
  digits = two_digit.digits(values)
  assert digits.dtype == np.int32
  assert digits.tolist() == [[[0, 0], [7, 0]], [[0, 7], [9, 9]]]


def test_digits_give_every_number_back():
  values = np.arange(two_digit.NUM_NUMBERS, dtype=np.uint8)
  assert (two_digit.digits(values) @ [1, 10] == values).all()


@pytest.mark.parametrize("num_inputs", [10, 10_000, 20_000])
def test_shares_of_the_splits_are_disjoint_and_of_the_stated_sizes(num_inputs):
  drawn = [
    set(two_digit.draw_disjoint(num_inputs, 0, split).tolist())
    for split in _SPLITS
  ]
  assert sum(map(len, drawn)) == len(set.union(*drawn))
  assert set.union(*drawn) <= set(range(num_inputs))
  # A million draws leave no input of the share out, ten thousand a few.
  assert len(drawn[0]) == 0.8 * num_inputs
  for held_out in drawn[1:]:
    assert 0.95 * 0.1 * num_inputs <= len(held_out) <= 0.1 * num_inputs


@pytest.mark.parametrize("split", _SPLITS)
def test_draws_are_fixed_and_differ_between_parts_and_splits(split):
  first = two_digit.draw_disjoint(10_000, 1, split)
  assert len(first) == two_digit.SPLIT_SIZES[split]
  assert (first == two_digit.draw_disjoint(10_000, 1, split)).all()
  other = two_digit.draw_disjoint(10_000, 2, split)
  assert (first == other).mean() < 0.01


def test_held_out_splits_do_not_have_the_same_order():
  """One stream for both would give them the same places in their shares."""
  share = {
    split: np.unique(two_digit.draw_disjoint(100, 0, split), return_inverse=1)
    for split in ("validation", "test")
  }
  validation, test = share["validation"][1], share["test"][1]
  assert 0.05 < (validation == test).mean() < 0.15


def test_training_inputs_are_drawn_uniformly():
  drawn = two_digit.draw_disjoint(10, 0, "train")
  counts = np.unique(drawn, return_counts=True)[1]
  assert (abs(counts - 125_000) < 2000).all()


def test_division_is_random():
  """A share is no range of the inputs: its mean is that of all of them."""
  drawn = two_digit.draw_disjoint(10_000, 1, "test")
  assert abs(drawn.mean() - 5000) < 500
  assert len(np.unique(drawn // 1000)) == 10
