"""Problems that ask for the sum or the product of two numbers.

A problem is three numbers a, b, operation: what is a + b, or a * b, modulo 100?
There are 20,000 of them. The published training split holds every one, so the
published test measures no generalisation.
"""

import numpy as np

from structcomp_jax.tasks.arithmetic import two_digit

# The operation of a problem is an index of these.
OPERATIONS = ("add", "mul")
# Numbers of a stored problem: a, b, operation.
LENGTH = 3
# `problem[OTHER_ORDER]` asks the same of b, a.
OTHER_ORDER = [1, 0, 2]

_SHAPE = (two_digit.NUM_NUMBERS, two_digit.NUM_NUMBERS, len(OPERATIONS))
_NUM_INPUTS = two_digit.NUM_NUMBERS**2 * len(OPERATIONS)


def published(split: str) -> np.ndarray:
  """Returns the problems of Csordás et al. 2021, uint8[problems, 3].

  All pairs of numbers are drawn before the first operation, so a shorter draw
  would have other operations.
  """
  stream = two_digit.published_stream(split)
  count = two_digit.SPLIT_SIZES[split]
  arguments = stream.randint(0, two_digit.NUM_NUMBERS, (count, 2))
  operations = stream.randint(0, len(OPERATIONS), (count, 1))
  return np.concatenate([arguments, operations], axis=1).astype(np.uint8)


def disjoint(split: str) -> np.ndarray:
  """Returns problems none of which is in another split, uint8[problems, 3].

  A problem with the same two numbers in the other order is another problem, as
  is one with the other operation.
  """
  inputs = two_digit.draw_disjoint(_NUM_INPUTS, 0, split)
  return np.stack(np.unravel_index(inputs, _SHAPE), axis=1).astype(np.uint8)


def targets(numbers: np.ndarray) -> np.ndarray:
  """Returns the results modulo 100.

  >>> targets(np.array([[67, 36, 0], [67, 36, 1]], np.uint8)).tolist()
  [3, 12]

  Args:
    numbers: uint8[problems, 3]: a, b, operation.

  Returns:
    int64[problems].
  """
  first, second, operation = numbers.astype(np.int64).T
  results = np.where(operation == 0, first + second, first * second)
  return results % two_digit.NUM_NUMBERS


def inputs_by_part(numbers: np.ndarray) -> dict[str, np.ndarray]:
  """Returns {operation: one integer per problem with it, equal if inputs are}.

  Args:
    numbers: uint8[problems, 3].
  """
  codes = numbers[:, :2].astype(np.int64) @ np.array([two_digit.NUM_NUMBERS, 1])
  return {
    name: codes[numbers[:, 2] == index] for index, name in enumerate(OPERATIONS)
  }
