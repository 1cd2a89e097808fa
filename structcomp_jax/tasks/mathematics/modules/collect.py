"""Polynomials in one variable, to be simplified (polynomials__collect).

Every power that occurs has several terms. They add up to its coefficient, or
cancel.
"""

from structcomp_jax.tasks.mathematics import numbers
from structcomp_jax.tasks.mathematics.draws import Draws
from structcomp_jax.tasks.mathematics.polynomials import (
  LETTERS,
  Exponents,
  Term,
  joined,
  written,
)

_MAX_DEGREE = 3
_FEWEST = 3
_TEMPLATE = "Collect the terms in {terms}."
# {number of terms: weights of 1, 2, ... powers}, as in the public questions.
_NUM_POWERS = {
  3: (0.60, 0.40),
  4: (0.28, 0.67, 0.05),
  5: (0.13, 0.64, 0.23),
  6: (0.06, 0.50, 0.42, 0.02),
  7: (0.04, 0.42, 0.46, 0.08),
}
# Entropy -> weights of 3, 4, ... terms, at the middle of every level.
_NUM_TERMS = (
  (4.3, (0.38, 0.45, 0.17, 0.00, 0.00)),
  (7.0, (0.23, 0.34, 0.30, 0.13, 0.00)),
  (9.7, (0.15, 0.27, 0.27, 0.21, 0.10)),
)


def draw(draws: Draws, entropy: float) -> tuple[str, str]:
  """Returns a question and its answer."""
  num_terms = _FEWEST + draws.place(_weights(entropy))
  degree = draws.whole(1, _MAX_DEGREE)
  num_powers = min(1 + draws.place(_NUM_POWERS[num_terms]), degree + 1)
  others = draws.shuffled(range(degree))[: num_powers - 1]
  cancelled = _cancelled(draws, others, num_terms, chance=1 - 0.045 * entropy)
  counts = {degree: 1} | {
    power: 2 if power in cancelled else 1 for power in others
  }
  for _ in range(num_terms - sum(counts.values())):
    counts[draws.choice(list(counts))] += 1
  drawn = num_terms - len(cancelled)
  shares = iter(draws.shares(entropy, drawn))
  terms: list[Term] = []
  result: dict[Exponents, int] = {}
  for power, count in counts.items():
    total = 0
    if power not in cancelled:
      total = numbers.integer(draws, next(shares), least=1)
    parts = [total]
    while len(parts) < count:
      _split(draws, parts, next(shares))
    terms += [(part, (power,)) for part in parts]
    result[(power,)] = total
  variable = draws.choice(LETTERS)
  question = _TEMPLATE.format(terms=joined(draws.shuffled(terms), variable))
  return question, written(result, variable)


def _split(draws: Draws, parts: list[int], entropy: float) -> None:
  """Replaces one of some numbers by two with the same sum."""
  place = draws.whole(0, len(parts) - 1)
  part = numbers.part(draws, parts[place], entropy)
  parts[place] -= part
  parts.append(part)


def _cancelled(
  draws: Draws, others: list[int], num_terms: int, chance: float
) -> set[int]:
  """Returns the powers whose terms cancel, of those below the degree.

  They have two terms at least, the others one.
  """
  most = num_terms - len(others) - 1
  return {power for power in others[:most] if draws.chance(chance)}


def _weights(entropy: float) -> list[float]:
  """Returns the weights of numbers of terms, between those of two levels."""
  (low, first), (middle, second), (high, third) = _NUM_TERMS
  if entropy > middle:
    low, first, middle, second = middle, second, high, third
  share = min(max((entropy - low) / (middle - low), 0.0), 1.0)
  return [
    (1 - share) * one + share * other
    for one, other in zip(first, second, strict=True)
  ]
