"""Problems about properties that mean nothing: a control.

A property is nonsense if it is a random bit of something that items do have,
such as their subject noun. It is as easy to read off an item as a property of a
task, and no training has asked for it. What a search finds for such properties,
it has made and not found.
"""

from collections.abc import Callable, Iterable

import numpy as np

_NUM_RULES = 3


def random_bits(values: Iterable[str], seed: int) -> dict[str, bool]:
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
  items: np.ndarray, bit_of: Callable[[str], bool], *, seed: int
) -> np.ndarray:
  """Deals items into odd-one-out problems about a property.

  >>> items = np.array(["a1", "a2", "b1", "a3", "b2"], object)
  >>> deal(items, lambda item: item.startswith("a"), seed=0)[0, -1][0]
  'b'

  Args:
    items: object[...], of any shape.
    bit_of: item -> whether it has the property.
    seed: of the order; the same items are dealt the same way at every call.

  Returns:
    object[problems, 4]: three items with the property, then one without it.
    There are a quarter as many problems as items; items are drawn with
    replacement, since few may have the property.
  """
  items = items.ravel()
  has = np.array([bit_of(item) for item in items], bool)
  random = np.random.default_rng(seed)
  num_problems = len(items) // (_NUM_RULES + 1)
  rules = random.choice(np.flatnonzero(has), (num_problems, _NUM_RULES))
  odds = random.choice(np.flatnonzero(~has), (num_problems, 1))
  return items[np.concatenate([rules, odds], axis=1)]
