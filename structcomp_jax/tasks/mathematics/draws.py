"""Random draws that are the same on every machine and with every Python.

Of `random.Random` only `random` and `getrandbits` are used: what these yield
for a seed never changes.
"""

import itertools
import random
from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")


class Draws:
  """A stream of random numbers that is named by what it is drawn for."""

  def __init__(self, *name: Any) -> None:
    """Starts the stream of a name, e.g. of a module, a level and a split."""
    self._stream = random.Random("/".join(map(str, name)))

  def uniform(self, low: float, high: float) -> float:
    """Returns a number between two others."""
    return low + (high - low) * self._stream.random()

  def chance(self, probability: float) -> bool:
    """Returns true with some probability."""
    return self._stream.random() < probability

  def whole(self, low: int, high: int) -> int:
    """Returns an integer from low to high, both allowed and of any size."""
    count = high - low + 1
    bits = count.bit_length()
    while True:
      number = self._stream.getrandbits(bits)
      if number < count:
        return low + number

  def choice(self, values: Sequence[T]) -> T:
    """Returns one of some values."""
    return values[self.whole(0, len(values) - 1)]

  def place(self, weights: Sequence[float]) -> int:
    """Returns a place in a list of weights, as often as its weight says."""
    number = self.uniform(0, sum(weights))
    for place, weight in enumerate(weights):
      number -= weight
      if number < 0:
        return place
    return len(weights) - 1

  def shuffled(self, values: Sequence[T]) -> list[T]:
    """Returns the values in random order."""
    order = list(values)
    for last in range(len(order) - 1, 0, -1):
      other = self.whole(0, last)
      order[last], order[other] = order[other], order[last]
    return order

  def shares(self, total: float, count: int) -> list[float]:
    """Returns parts of a total, all divisions equally likely."""
    cuts = sorted(self.uniform(0, total) for _ in range(count - 1))
    ends = [0.0, *cuts, total]
    return [high - low for low, high in itertools.pairwise(ends)]
