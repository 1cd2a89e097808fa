"""Whether an answer is right, by evaluation of the question.

Questions of the own generator, of the public one and of the archive are read in
the same way. The templates of the generator are not used: what is asked for is
told by a few words.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from structcomp_jax.tasks.mathematics.expressions import derivative, value

_NUMBER = r"-?\d+(?:\.\d+)?"
# A letter that stands alone.
_VARIABLE = r"(?<![a-zA-Z])[a-z](?![a-zA-Z])"
_ORDERS = {"first": 1, "second": 2, "third": 3}
# Polynomials that differ agree at such a point with a chance below 1e-9.
_POINTS = (10**12, 10**13)


def is_right(module: str, question: str, answer: str) -> bool:
  """Returns whether a question has this answer.

  >>> is_right("add_or_sub", "What is 0.5 less than -2?", "-2.5")
  True

  Args:
    module: a name in `levels.MODULES`.
    question, answer: as written.

  Raises:
    ValueError: the question is none of the module's.
  """
  return _CHECKS[module](question, answer)


def _add_or_sub(question: str, answer: str) -> bool:
  expression = re.fullmatch(
    rf"(?:What is |Work out |Calculate )?({_NUMBER} ?[-+] ?{_NUMBER})[.?]?",
    question,
  )
  if expression:
    return value(answer) == value(expression[1])
  found = re.findall(_NUMBER, question)
  if len(found) != 2:
    raise ValueError(f"{question!r} is no sum or difference")
  first, second = map(Fraction, found)
  if "distance" in question or "difference" in question:
    wanted = abs(first - second)
  elif "minus" in question or "take away" in question:
    wanted = first - second
  elif "less than" in question or "Subtract" in question:
    wanted = second - first
  elif re.search("plus|[Aa]dd|[Tt]ogether|Sum|Total", question):
    wanted = first + second
  else:
    raise ValueError(f"{question!r} is no sum or difference")
  return Fraction(answer) == wanted


def _linear_1d(question: str, answer: str) -> bool:
  parts = _parts(r"Solve (.*) = (.*) for ([a-z])\.", question)
  left, right, variable = parts
  at = {variable: int(answer)}
  # Another point must be no solution: the equation has one alone.
  beside = {variable: int(answer) + 1}
  return value(left, at) == value(right, at) and (
    value(left, beside) != value(right, beside)
  )


def _sort(question: str, answer: str) -> bool:
  (text, order) = _parts(r"(?:Sort|Put) (.*?)(?: in (\w+) order)?\.", question)
  listed, answered = text.split(", "), answer.split(", ")
  values = [value(one) for one in answered]
  is_falling = order in ("descending", "decreasing")
  return sorted(listed) == sorted(answered) and values == sorted(
    values, reverse=is_falling
  )


def _collect(question: str, answer: str) -> bool:
  (text,) = _parts(r"Collect the terms in (.*)\.", question)
  at = _point(text)
  return value(text, at) == value(answer, at) and _is_collected(answer)


def _differentiate(question: str, answer: str) -> bool:
  which, text, named = _parts(
    r"(?:What is the|Find the|Differentiate)"
    r"(?: (first|second|third))?(?: derivative of)? (.*?)"
    r"(?: (?:wrt|with respect to) ([a-z]))?[.?]",
    question,
  )
  at = _point(text)
  variable = named or "".join(at)
  if len(variable) != 1:
    raise ValueError(f"{question!r} does not say which variable")
  wanted = derivative(text, variable, _ORDERS.get(which, 1), at)
  return value(answer, at) == wanted and _is_collected(answer)


def _is_collected(polynomial: str) -> bool:
  """Returns whether no two terms have the same powers, and none is zero."""
  terms = re.split(r" [-+] ", polynomial.removeprefix("-"))
  powers = [re.sub(r"^\d+\*?(?!\*)", "", term) for term in terms]
  is_zero = any(re.match(r"0(\*|$)", term) for term in terms)
  return len(set(powers)) == len(terms) and (not is_zero or polynomial == "0")


def _parts(pattern: str, question: str) -> Sequence[str]:
  found = re.fullmatch(pattern, question)
  if not found:
    raise ValueError(f"{question!r} is no question of this module")
  return found.groups()


def _point(text: str) -> dict[str, int]:
  """Returns where to evaluate a polynomial: depends on its text alone."""
  stream = random.Random(text)
  names = sorted(set(re.findall(_VARIABLE, text)))
  return {name: stream.randint(*_POINTS) for name in names}


_CHECKS: Mapping[str, Callable[[str, str], bool]] = {
  "add_or_sub": _add_or_sub,
  "linear_1d": _linear_1d,
  "differentiate": _differentiate,
  "sort": _sort,
  "collect": _collect,
}
