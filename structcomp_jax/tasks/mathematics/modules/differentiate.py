"""Derivatives of polynomials in up to four variables (calculus__differentiate).

Terms that survive and terms that vanish are drawn, then their coefficients.
Both kinds of terms share the same entropy among themselves.
"""

import itertools
from collections.abc import Sequence

from structcomp_jax.tasks.mathematics import numbers
from structcomp_jax.tasks.mathematics.draws import Draws
from structcomp_jax.tasks.mathematics.polynomials import (
  LETTERS,
  Exponents,
  derivative,
  written,
)

_ORDERS = ("first", "second", "third")
# Weights of 1, 2, 3 and 4 variables before long answers are rejected, and of 1,
# 2, ... terms that survive, with one variable and with several.
_NUM_VARIABLES = (0.38, 0.36, 0.20, 0.06)
_NUM_SURVIVING = (0.57, 0.34, 0.09)
_NUM_SURVIVING_OF_SEVERAL = (0.15, 0.52, 0.27, 0.06)
_MAX_OTHER_DEGREE, _MAX_DEGREE_LEFT = 3, 3


def draw(draws: Draws, entropy: float) -> tuple[str, str]:
  """Returns a question and its answer."""
  count = 1 + draws.place(_NUM_VARIABLES)
  variables = "".join(sorted(draws.shuffled(LETTERS)[:count]))
  about = draws.whole(0, count - 1)
  order = draws.whole(1, len(_ORDERS))
  polynomial: dict[Exponents, int] = {}
  for exponents in _exponents(draws, count, about, order):
    shares = draws.shares(entropy, len(exponents))
    for one, share in zip(exponents, shares, strict=True):
      polynomial[one] = numbers.integer(draws, share, least=1)
  result: dict[Exponents, int] = dict(polynomial)
  for _ in range(order):
    result = derivative(result, about)
  question = _question(
    draws, written(polynomial, variables), variables, about, order
  )
  return question, written(result, variables)


def _exponents(
  draws: Draws, count: int, about: int, order: int
) -> tuple[list[Exponents], list[Exponents]]:
  """Draws terms that survive and that vanish; every variable occurs."""
  is_one = count == 1
  weights: Sequence[float] = (
    _NUM_SURVIVING if is_one else _NUM_SURVIVING_OF_SEVERAL
  )
  fewest, most = (1, order) if is_one else (count - 1, count + 2)
  vanishing = draws.whole(fewest, most)
  degrees = [draws.whole(1, _MAX_OTHER_DEGREE) for _ in range(count)]
  degrees[about] = order + draws.whole(0, _MAX_DEGREE_LEFT)
  every = list(itertools.product(*(range(degree + 1) for degree in degrees)))
  survives = [one for one in every if one[about] >= order]
  vanishes = [one for one in every if one[about] < order]
  top = [one for one in survives if one[about] == degrees[about]]
  while True:
    first = draws.choice(top)
    others = draws.shuffled([one for one in survives if one != first])
    kept = [first, *others[: draws.place(weights)]]
    lost = draws.shuffled(vanishes)[:vanishing]
    if all(max(powers) for powers in zip(*kept, *lost, strict=True)):
      return kept, lost


def _question(
  draws: Draws, polynomial: str, variables: str, about: int, order: int
) -> str:
  """Asks; with one variable, one half of all questions do not name it."""
  name = variables[about]
  is_named = len(variables) > 1 or draws.chance(0.5)
  wrt = f" wrt {name}" if is_named else ""
  which = _ORDERS[order - 1]
  asked = [
    f"What is the {which} derivative of {polynomial}{wrt}?",
    f"Find the {which} derivative of {polynomial}{wrt}.",
  ]
  if order == 1:
    asked.append(f"What is the derivative of {polynomial}{wrt}?")
    asked.append(f"Differentiate {polynomial}{wrt}.")
    if is_named:
      asked.append(f"Differentiate {polynomial} with respect to {name}.")
  return draws.choice(asked)
