"""Polynomials with integer coefficients, and how questions write them."""

from collections.abc import Iterable, Mapping

# The exponent of every variable, in the order of their names.
Exponents = tuple[int, ...]
Term = tuple[int, Exponents]
# {exponents: coefficient}
Polynomial = Mapping[Exponents, int]

# "e" would be read as a number.
LETTERS = "abcdfghijklmnopqrstuvwxyz"


def written(polynomial: Polynomial, variables: str) -> str:
  """Writes a polynomial, the largest exponents first.

  >>> written({(2,): -3, (1,): 1}, "x"), written({(1,): -3, (0,): 2}, "x")
  ('-3*x**2 + x', '2 - 3*x')

  Two terms in one variable, a negative one and a positive number, are written
  in the other order, as the public generator does.
  """
  terms = [
    (polynomial[exponents], exponents)
    for exponents in sorted(polynomial, reverse=True)
    if polynomial[exponents]
  ]
  if len(terms) == 2 and len(variables) == 1:
    (first, _), (second, exponents) = terms
    if first < 0 < second and not any(exponents):
      terms.reverse()
  return joined(terms, variables) or "0"


def joined(terms: Iterable[Term], variables: str) -> str:
  """Writes terms in the order given, also those that are zero.

  >>> joined([(2, (1,)), (-1, (0,)), (0, (1,))], "x")
  '2*x - 1 + 0*x'
  """
  text = ""
  for coefficient, exponents in terms:
    if not text:
      text = "-" if coefficient < 0 else ""
    else:
      text += " - " if coefficient < 0 else " + "
    text += _term(abs(coefficient), exponents, variables)
  return text


def derivative(polynomial: Polynomial, variable: int) -> dict[Exponents, int]:
  """Returns the derivative with respect to the variable of some number."""
  found = {}
  for exponents, coefficient in polynomial.items():
    power = exponents[variable]
    if power:
      lower = list(exponents)
      lower[variable] -= 1
      found[tuple(lower)] = power * coefficient
  return found


def _term(size: int, exponents: Exponents, variables: str) -> str:
  factors = [
    variable if power == 1 else f"{variable}**{power}"
    for variable, power in zip(variables, exponents, strict=True)
    if power
  ]
  if size != 1 or not factors:
    factors.insert(0, str(size))
  return "*".join(factors)
