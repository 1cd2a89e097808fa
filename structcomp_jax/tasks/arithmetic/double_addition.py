"""Problems that ask for two sums of two numbers each.

A problem is four numbers a, b, c, d: what are a + b and c + d modulo 100? Each
pair has 10,000 distinct inputs, all of which are in the published training
split. The inputs of both pairs together are mostly new in the published test.
"""

import numpy as np

from structcomp_jax.tasks.arithmetic import two_digit

PAIRS = ("pair_1", "pair_2")
# Numbers of a stored problem: both of pair 1, both of pair 2.
LENGTH = 4
# `problem[OTHER_ORDER]` asks the same of b, a, d, c.
OTHER_ORDER = [1, 0, 3, 2]

_SHAPE = (two_digit.NUM_NUMBERS, two_digit.NUM_NUMBERS)
_NUM_INPUTS = two_digit.NUM_NUMBERS**2
# `add_mul` has number 0.
_PARTS = {"pair_1": 1, "pair_2": 2}


def published(split: str) -> np.ndarray:
  """Returns the problems of Csordás et al. 2021, uint8[problems, 4].

  All inputs of pair 1 are drawn before the first of pair 2, so a shorter draw
  would have another pair 2.
  """
  stream = two_digit.published_stream(split)
  shape = (two_digit.SPLIT_SIZES[split], 2)
  pairs = [stream.randint(0, two_digit.NUM_NUMBERS, shape) for _ in PAIRS]
  return np.concatenate(pairs, axis=1).astype(np.uint8)


def disjoint(split: str) -> np.ndarray:
  """Returns problems whose pairs are in no other split, uint8[problems, 4].

  What is in no other split is an input (a, b) of pair 1, and an input (c, d) of
  pair 2. The same two numbers may be there in the place of the other pair, or
  in the other order.
  """
  pairs = [
    np.unravel_index(
      two_digit.draw_disjoint(_NUM_INPUTS, _PARTS[pair], split), _SHAPE
    )
    for pair in PAIRS
  ]
  return np.stack([*pairs[0], *pairs[1]], axis=1).astype(np.uint8)


def targets(numbers: np.ndarray) -> np.ndarray:
  """Returns both sums modulo 100.

  >>> targets(np.array([[67, 36, 0, 59]], np.uint8)).tolist()
  [[3, 59]]

  Args:
    numbers: uint8[problems, 4].

  Returns:
    int64[problems, 2]: pair 1, pair 2.
  """
  pairs = numbers.astype(np.int64).reshape(-1, len(PAIRS), 2)
  return pairs.sum(axis=2) % two_digit.NUM_NUMBERS


def inputs_by_part(numbers: np.ndarray) -> dict[str, np.ndarray]:
  """Returns {part: one integer per problem, equal if inputs are}.

  Args:
    numbers: uint8[problems, 4].

  Returns:
    An array for each pair, and one for both pairs together.
  """
  pairs = numbers.astype(np.int64).reshape(-1, len(PAIRS), 2)
  first, second = (pairs @ np.array([two_digit.NUM_NUMBERS, 1])).T
  together = first * _NUM_INPUTS + second
  return dict(zip(PAIRS, (first, second), strict=True)) | {
    "both pairs together": together
  }
