"""Odd-one-out problems about two parities of ten bits.

An item is ten bits, each -1 or 1. It has property A if the product of some of
them is 1, and property B if that of some others is. A problem has four items,
the odd one last:

  base:  three have A and B; the odd one lacks A, or B, or both
  A:     three have A, the odd one does not; B is random in all of them
  B:     the same with A and B exchanged
  odd_A: all have B; the odd one alone lacks A
  odd_B: all have A; the odd one alone lacks B
"""

import dataclasses
import itertools

import numpy as np

NUM_BITS = 10
NUM_ITEMS = 4
CHANCE = 1 / NUM_ITEMS
SUBROUTINES = ("A", "B")
# Task -> (has A, has B) of three items, and of the odd one: one of several,
# equally often. None is random.
_Wanted = tuple[bool | None, bool | None]
_TASKS: dict[str, tuple[_Wanted, tuple[_Wanted, ...]]] = {
  "base": ((True, True), ((False, True), (True, False), (False, False))),
  "A": ((True, None), ((False, None),)),
  "B": ((None, True), ((None, False),)),
  "odd_A": ((True, True), ((False, True),)),
  "odd_B": ((True, True), ((True, False),)),
}
TASKS = tuple(_TASKS)
ITEMS = np.array(
  list(itertools.product((-1, 1), repeat=NUM_BITS)), dtype=np.float32
)


@dataclasses.dataclass(frozen=True)
class Pair:
  """Two properties: the bits whose product tells each of them.

  Attributes:
    a: places of the bits of property A.
    b: places of the bits of property B.
  """

  a: tuple[int, ...] = (0, 1, 2)
  b: tuple[int, ...] = (3, 4, 5)

  def holds(self, items: np.ndarray) -> np.ndarray:
    """Returns which properties items have.

    >>> Pair().holds(np.array([[1, 1, -1, 1, 1, 1]])).tolist()
    [[False, True]]

    Args:
      items: float[..., bits] of -1 and 1.

    Returns:
      bool[..., 2], A and B.
    """
    return np.stack(
      [items[..., list(bits)].prod(axis=-1) > 0 for bits in (self.a, self.b)],
      axis=-1,
    )


def draw(
  pair: Pair, task: str, num_problems: int, random: np.random.Generator
) -> dict[str, np.ndarray]:
  """Draws problems.

  Args:
    pair: properties A and B.
    task: one of `TASKS`.
    num_problems: how many.
    random: of the draws.

  Returns:
    {"bits": f32[problems, 4, bits]}, the odd one last.
  """
  rule, odd = _TASKS[task]
  chosen = random.integers(len(odd), size=num_problems)
  wanted = np.array(
    [[rule] * (NUM_ITEMS - 1) + [odd[choice]] for choice in chosen], object
  )
  free = wanted == None  # noqa: E711 (of every entry)
  wanted[free] = random.integers(2, size=free.sum())
  return {"bits": _items(pair, wanted.astype(bool), random)}


def sets(
  pair: Pair, num_problems: dict[str, int], seed: int
) -> dict[str, dict[str, dict[str, np.ndarray]]]:
  """Returns {split: {task: problems}} of all tasks.

  Args:
    pair: properties A and B.
    num_problems: {split: problems of every task}.
    seed: of the draws.
  """
  random = np.random.default_rng(seed)
  return {
    split: {task: draw(pair, task, count, random) for task in TASKS}
    for split, count in num_problems.items()
  }


def nonsense(pair: Pair, num_pairs: int, seed: int) -> list[Pair]:
  """Returns pairs of properties that no network was made for.

  They are parities of as many bits as A, drawn at random; no two of them, and
  none of them and A or B, are of the same bits.

  Args:
    pair: properties A and B.
    num_pairs: how many.
    seed: of the draw.
  """
  triples = list(itertools.combinations(range(NUM_BITS), len(pair.a)))
  free = [
    bits for bits in triples if set(bits) not in (set(pair.a), set(pair.b))
  ]
  order = np.random.default_rng(seed).permutation(len(free))
  chosen = [free[place] for place in order[: 2 * num_pairs]]
  return [
    Pair(first, second)
    for first, second in zip(chosen[::2], chosen[1::2], strict=True)
  ]


def _items(pair, wanted, random):
  """Draws an item for every wanted combination of properties."""
  has = pair.holds(ITEMS)
  items = np.empty((*wanted.shape[:-1], NUM_BITS), np.float32)
  for combination in itertools.product((False, True), repeat=2):
    pool = ITEMS[(has == combination).all(axis=-1)]
    here = (wanted == combination).all(axis=-1)
    items[here] = pool[random.integers(len(pool), size=here.sum())]
  return items
