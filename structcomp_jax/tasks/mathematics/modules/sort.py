"""Lists of numbers to be sorted (comparison__sort)."""

import math

from structcomp_jax.tasks.mathematics import numbers
from structcomp_jax.tasks.mathematics.draws import Draws

_FEWEST = 3
_KINDS = (numbers.whole_number, numbers.decimal, numbers.ratio)
# How often each one is, in lists of several kinds and in others.
_SEVERAL, _INTEGERS = (0.45, 0.275, 0.275), (1.0, 0.0, 0.0)
# The first one is drawn as often as two others.
_ASCENDING = (
  "Sort {values}.",
  "Sort {values}.",
  "Sort {values} in increasing order.",
  "Sort {values} in ascending order.",
  "Put {values} in increasing order.",
  "Put {values} in ascending order.",
)
_DESCENDING = (
  "Sort {values} in decreasing order.",
  "Sort {values} in descending order.",
  "Put {values} in decreasing order.",
  "Put {values} in descending order.",
)


def draw(draws: Draws, entropy: float) -> tuple[str, str]:
  """Returns a question and its answer."""
  most = _FEWEST + math.floor(entropy / 2)
  count = draws.whole(_FEWEST, most)
  # One half of the public lists have integers alone.
  weights = draws.choice((_SEVERAL, _INTEGERS))
  shares = draws.shares(entropy, count)
  while True:
    listed = [_KINDS[draws.place(weights)](draws, share) for share in shares]
    if len({number.value for number in listed}) == count:
      break
  is_ascending = draws.chance(0.5)
  template = draws.choice(_ASCENDING if is_ascending else _DESCENDING)
  ordered = sorted(
    listed, key=lambda number: number.value, reverse=not is_ascending
  )
  question = template.format(values=_written(listed))
  return question, _written(ordered)


def _written(listed: list[numbers.Number]) -> str:
  return ", ".join(number.text for number in listed)
