"""Problems about properties that mean nothing: a control.

A property is nonsense if it is a random bit of something that items do have,
such as the subject noun of a sentence or the place of an object in a picture.
It can be read off an item as a property of a task can, and no training has
asked for it. What a search finds for such properties, it has made and not
found.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

import numpy as np

_NUM_RULES = 3

# What items have: words, or numbers of bins.
Value = TypeVar("Value", str, int)


def random_bits(values: Iterable[Value], seed: int) -> dict[Value, bool]:
  """Returns a random bit for every value, True for half of them.

  >>> bits = random_bits(["dog", "cat", "dog", "cow", "pig"], seed=0)
  >>> sorted(bits), sum(bits.values())
  (['cat', 'cow', 'dog', 'pig'], 2)

  Args:
    values: all that there are; repetitions do not count.
    seed: of the bits.
  """
  distinct = sorted(set(values))
  bits = np.arange(len(distinct)) % 2 == 1
  np.random.default_rng(seed).shuffle(bits)
  return dict(zip(distinct, bits.tolist(), strict=True))


def deal(
  values: Iterable[Value], bits: Mapping[Value, bool], *, seed: int
) -> np.ndarray:
  """Deals items into odd-one-out problems about a property.

  >>> items = np.array(["a1", "a2", "b1", "a3", "b2"])
  >>> initials = [item[0] for item in items]
  >>> places = deal(initials, {"a": True, "b": False}, seed=0)
  >>> items[places][0, -1][0]
  'b'

  Args:
    values: of all items, in their order.
    bits: whether an item of a value has the property.
    seed: of the order; the same items are dealt the same way at every call.

  Returns:
    int64[problems, 4], places of items: three with the property, then one
    without it. There are a quarter as many problems as items; items are drawn
    with replacement, since few may have the property.
  """
  has = np.array([bits[value] for value in values], bool)
  random = np.random.default_rng(seed)
  num_problems = len(has) // (_NUM_RULES + 1)
  rules = random.choice(np.flatnonzero(has), (num_problems, _NUM_RULES))
  odds = random.choice(np.flatnonzero(~has), (num_problems, 1))
  return np.concatenate([rules, odds], axis=1)
