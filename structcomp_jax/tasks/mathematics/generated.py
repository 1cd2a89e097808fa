"""Data sets of questions that are drawn here.

As in the published division of the archive there are 666,666 questions of every
level, 10,000 of which are for testing. 1,000 of the others are for validation,
so that what is chosen by it has not seen the test. No question occurs twice,
whatever its level and split.
"""

import functools
from collections.abc import Iterator, Sequence

import numpy as np

from structcomp_jax.tasks.mathematics.draws import Draws
from structcomp_jax.tasks.mathematics.levels import MODULES

_PER_LEVEL = {"train": 655_666, "validation": 1000, "test": 10_000}
_HELD_OUT = ("test", "validation")


def sizes(levels: Sequence[str]) -> dict[str, int]:
  """Returns {split: number of problems} of some levels together."""
  return {split: count * len(levels) for split, count in _PER_LEVEL.items()}


def problems(
  module: str, levels: Sequence[str], split: str, count: int
) -> Iterator[np.ndarray]:
  """Yields the first problems of a split, the levels by turns.

  Args:
    module: a name in `MODULES`.
    levels: some of `levels.LEVELS`.
    split: train, validation or test.
    count: how many problems; at most that of `sizes`.

  Yields:
    object[3] of str: question, answer, level.
  """
  if split in _HELD_OUT:
    rows: Iterator[tuple[str, str, str]] = (
      row for row in _held_out(module)[split] if row[2] in levels
    )
  else:
    rows = _training(module, levels)
  for row, _ in zip(rows, range(count), strict=False):
    yield np.array(row, dtype=object)


def _training(
  module: str, levels: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
  """Yields questions without end that are not held out."""
  seen = {
    question for rows in _held_out(module).values() for question, *_ in rows
  }
  streams = {level: Draws(module, level, "train") for level in levels}
  while True:
    for level, draws in streams.items():
      yield _new(module, level, draws, seen)


@functools.cache
def _held_out(module: str) -> dict[str, list[tuple[str, str, str]]]:
  """Returns the problems of all levels for validation and testing."""
  levels = ("easy", "medium", "hard")
  seen: set[str] = set()
  found = {}
  for split in _HELD_OUT:
    streams = {level: Draws(module, level, split) for level in levels}
    found[split] = [
      _new(module, level, draws, seen)
      for _ in range(_PER_LEVEL[split])
      for level, draws in streams.items()
    ]
  return found


def _new(
  module: str, level: str, draws: Draws, seen: set[str]
) -> tuple[str, str, str]:
  """Draws a question that was not seen, and remembers it."""
  while True:
    question, answer = MODULES[module].question(draws, level)
    if question not in seen:
      seen.add(question)
      return question, answer, level
