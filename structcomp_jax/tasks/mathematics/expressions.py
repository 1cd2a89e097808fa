"""Exact values of written expressions, with their derivatives.

Nothing here knows how questions are drawn: it reads texts as Python does, and
computes with fractions.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from fractions import Fraction

# Coefficients of a Taylor series: value, first derivative, half of the second.
Series = tuple[Fraction, ...]


def value(text: str, at: Mapping[str, int] | None = None) -> Fraction:
  """Returns the exact value of an expression.

  >>> value("0.1*x**2 - -1/4", {"x": 10})
  Fraction(41, 4)

  Args:
    text: numbers, variables, + - * / ** and parentheses.
    at: values of the variables.

  Raises:
    ValueError: the text is no such expression.
  """
  points = {name: (Fraction(point),) for name, point in (at or {}).items()}
  return _evaluated(text, points, 1)[0]


def derivative(
  text: str, variable: str, order: int, at: Mapping[str, int]
) -> Fraction:
  """Returns the exact value of a derivative of an expression.

  >>> derivative("x**3*y", "x", 2, {"x": 5, "y": 2})
  Fraction(60, 1)

  Raises:
    ValueError: the text is no expression in these variables.
  """
  nothing = (Fraction(0),) * order
  points = {name: (Fraction(point), *nothing) for name, point in at.items()}
  # The series of the variable itself: where it is, and that it moves.
  points[variable] = (points[variable][0], Fraction(1), *nothing[1:])
  found = _evaluated(text, points, order + 1)[order]
  for factor in range(2, order + 1):
    found *= factor
  return found


def _evaluated(text: str, at: Mapping[str, Series], length: int) -> Series:
  try:
    tree = ast.parse(text.strip(), mode="eval").body
    return _Evaluator(text.strip(), at, length).of(tree)
  except (SyntaxError, KeyError, ZeroDivisionError, TypeError) as error:
    raise ValueError(f"{text!r} is no expression ({error})") from error


class _Evaluator:
  """Walks the syntax tree of one expression."""

  def __init__(self, text: str, at: Mapping[str, Series], length: int) -> None:
    self._text, self._at, self._length = text, at, length

  def of(self, node: ast.expr) -> Series:
    """Returns the series of a part of the expression."""
    if isinstance(node, ast.Constant):
      # The text, because Python has rounded decimals to binary fractions.
      text = self._text[node.col_offset : node.end_col_offset]
      return self._constant(Fraction(text))
    if isinstance(node, ast.Name):
      return self._at[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
      return tuple(-one for one in self.of(node.operand))
    if isinstance(node, ast.BinOp):
      return self._operation(node)
    raise TypeError(type(node).__name__)

  def _operation(self, node: ast.BinOp) -> Series:
    left, right = self.of(node.left), self.of(node.right)
    if type(node.op) in _TERMWISE:
      combine = _TERMWISE[type(node.op)]
      return tuple(map(combine, left, right))
    if isinstance(node.op, ast.Mult):
      return self._product(left, right)
    if isinstance(node.op, ast.Div) and not any(right[1:]):
      return tuple(one / right[0] for one in left)
    if isinstance(node.op, ast.Pow) and not any(right[1:]):
      power = self._constant(Fraction(1))
      for _ in range(int(right[0])):
        power = self._product(power, left)
      return power
    raise TypeError(type(node.op).__name__)

  def _product(self, left: Series, right: Series) -> Series:
    return tuple(
      sum(
        (left[part] * right[order - part] for part in range(order + 1)),
        Fraction(0),
      )
      for order in range(self._length)
    )

  def _constant(self, number: Fraction) -> Series:
    return (number, *(Fraction(0),) * (self._length - 1))


_TERMWISE: Mapping[type, Callable[[Fraction, Fraction], Fraction]] = {
  ast.Add: operator.add,
  ast.Sub: operator.sub,
}
