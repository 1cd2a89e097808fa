"""Linear equations in one variable (algebra__linear_1d).

The solution is an integer. The coefficient of the variable and the constant are
sums of several terms, which stand on either side of the equation.
"""

import math
from collections.abc import Sequence

from structcomp_jax.tasks.mathematics import numbers
from structcomp_jax.tasks.mathematics.draws import Draws
from structcomp_jax.tasks.mathematics.polynomials import (
  LETTERS,
  Term,
  joined,
)

# Shares of the entropy that the solution has, and the coefficient (from, to).
_OF_SOLUTION, _OF_COEFFICIENT = 0.25, (0.25, 0.5)
# Entropy for which there may be one more term.
_PER_TERM = 2.667
_VARIABLE, _CONSTANT = (1,), (0,)
_TEMPLATE = "Solve {left} = {right} for {variable}."


def draw(draws: Draws, entropy: float) -> tuple[str, str]:
  """Returns a question and its answer."""
  solution = numbers.integer(draws, _OF_SOLUTION * entropy)
  share = draws.uniform(*_OF_COEFFICIENT)
  coefficient = numbers.integer(draws, share * entropy, least=1)
  # From 3 to 5 terms, as public questions have.
  num_terms = draws.whole(3, 2 + math.floor(entropy / _PER_TERM))
  num_variable = draws.whole(1, num_terms - 1)
  rest = entropy * (1 - _OF_SOLUTION - share)
  shares = draws.shares(rest, num_terms - 2)
  parts = _parts(draws, coefficient, shares[: num_variable - 1])
  constants = _parts(draws, -coefficient * solution, shares[num_variable - 1 :])
  # Left minus right is 0. True: on the left side; false: on the right one.
  sides = [
    (draws.chance(0.5), (part, power))
    for some, power in ((parts, _VARIABLE), (constants, _CONSTANT))
    for part in some
  ]
  variable = draws.choice(LETTERS)
  question = _TEMPLATE.format(
    left=_side(sides, True, variable),
    right=_side(sides, False, variable),
    variable=variable,
  )
  return question, str(solution)


def _parts(draws: Draws, total: int, shares: list[float]) -> list[int]:
  """Returns numbers with a sum, one more than there are shares of entropy."""
  parts = [total]
  for share in shares:
    parts.append(numbers.part(draws, parts[0], share))
    parts[0] -= parts[-1]
  return parts


def _side(
  terms: Sequence[tuple[bool, Term]], is_left: bool, variable: str
) -> str:
  """Writes one side of the equation; constants that are 0 are left out."""
  shown = [
    (coefficient if is_left else -coefficient, power)
    for side, (coefficient, power) in terms
    if side == is_left and (coefficient or power == _VARIABLE)
  ]
  return joined(shown, variable) or "0"
