"""Random numbers of a given size, and how questions write them.

The size of a number is its *entropy*: the decimal digits that are drawn for it.
A question has an entropy in all, which decides its difficulty, and divides it
among its numbers (Saxton et al. 2019, arXiv 1904.01557).
"""

import dataclasses
import math
from fractions import Fraction

from structcomp_jax.tasks.mathematics.draws import Draws

_SMALLEST = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class Number:
  """A number and how it is written.

  Attributes:
    value: exact.
    text: an integer, a decimal such as -0.25, or a ratio such as -1/4.
  """

  value: Fraction
  text: str


def integer(
  draws: Draws, entropy: float, *, signed: bool = True, least: int = 0
) -> int:
  """Draws an integer.

  Args:
    draws: where from.
    entropy: about the logarithm of how many integers are possible, base 10.
    signed: negative ones are among them.
    least: the smallest absolute value.
  """
  most = _most(entropy, signed)
  if signed:
    while True:
      number = draws.whole(-most, most)
      if abs(number) >= least:
        return number
  return draws.whole(least, max(most, least))


def decimal(draws: Draws, entropy: float) -> Number:
  """Draws a number with decimal places, the last of which is not 0."""
  digits = 0
  while digits % 10 == 0:
    digits = integer(draws, entropy, least=1)
  places = draws.whole(1, math.ceil(max(entropy, _SMALLEST)))
  value = Fraction(digits, 10**places)
  return Number(value, decimal_text(value))


def ratio(draws: Draws, entropy: float) -> Number:
  """Draws a ratio of integers that is no integer, in lowest terms."""
  above, below = draws.shares(max(entropy, _SMALLEST), 2)
  # Numerators may be smaller than all other numbers.
  largest = math.ceil(10**above / 2)
  while True:
    numerator = draws.whole(1, largest) * draws.choice((-1, 1))
    denominator = integer(draws, below, signed=False, least=2)
    value = Fraction(numerator, denominator)
    if value.denominator > 1:
      return Number(value, f"{value.numerator}/{value.denominator}")


def whole_number(draws: Draws, entropy: float) -> Number:
  """Draws an integer, written as one."""
  value = integer(draws, entropy)
  return Number(Fraction(value), str(value))


def integer_or_decimal(draws: Draws, entropy: float) -> Number:
  """Draws one or the other, equally often."""
  return (whole_number if draws.chance(0.5) else decimal)(draws, entropy)


def decimal_text(value: Fraction) -> str:
  """Writes a number whose decimals end.

  >>> decimal_text(Fraction(-5, 4)), decimal_text(Fraction(1200))
  ('-1.25', '1200')
  """
  places = 0
  while value.denominator != 1:
    value, places = value * 10, places + 1
  sign = "-" if value < 0 else ""
  digits = str(abs(value.numerator)).zfill(places + 1)
  whole = digits[: len(digits) - places]
  return f"{sign}{whole}" + (f".{digits[-places:]}" if places else "")


def part(draws: Draws, total: int, entropy: float) -> int:
  """Draws one of two numbers with a sum; both are up to twice as large as it.

  Args:
    draws: where from.
    total: the sum.
    entropy: of what the parts have beyond it.
  """
  most = 2 * abs(total) + _most(entropy, signed=True)
  return draws.whole(-most, most)


def _most(entropy: float, signed: bool) -> int:
  """Returns the largest absolute value at an entropy."""
  # At least a digit, as the smallest questions have.
  count = 10 ** max(entropy, _SMALLEST)
  return math.ceil(count / 2) if signed else math.ceil(count)
