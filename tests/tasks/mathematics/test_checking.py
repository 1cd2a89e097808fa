"""The independent check of answers: it must tell right from wrong."""

from fractions import Fraction

import pytest

from structcomp_jax.tasks.mathematics import expressions
from structcomp_jax.tasks.mathematics.checking import is_right

# {module: (question, right answer, wrong answers)}
CASES = [
  ("add_or_sub", "-2-0.5", "-2.5", ("-1.5", "2.5")),
  ("add_or_sub", "1.5 + -2", "-0.5", ("3.5", "0.5")),
  ("add_or_sub", "What is 3 - -4?", "7", ("-1",)),
  ("add_or_sub", "Add together 0.1 and 0.2.", "0.3", ("0.30001", "-0.1")),
  ("add_or_sub", "Subtract 5 from -1.", "-6", ("6", "4")),
  ("add_or_sub", "What is 0.5 less than -2?", "-2.5", ("2.5", "-1.5")),
  ("add_or_sub", "What is 4 take away -1?", "5", ("3", "-5")),
  ("add_or_sub", "What is 4 minus 1.5?", "2.5", ("-2.5", "5.5")),
  ("add_or_sub", "What is the difference between 3 and -54.2?", "57.2",
   ("-57.2", "51.2")),
  ("linear_1d", "Solve -3*p = -18*p + 75 for p.", "5", ("-5", "4")),
  ("linear_1d", "Solve 0 = 0*h + 3*h for h.", "0", ("1",)),
  ("linear_1d", "Solve h = h for h.", "", ()),
  ("sort", "Sort -2/633, 3/5, -0.2 in descending order.",
   "3/5, -2/633, -0.2",
   ("-0.2, -2/633, 3/5", "3/5, -2/633", "0.6, -2/633, -0.2")),
  ("sort", "Put 1, -2, 0 in increasing order.", "-2, 0, 1", ("1, 0, -2",)),
  ("sort", "Sort 3, 2/7.", "2/7, 3", ("3, 2/7",)),
  ("collect", "Collect the terms in -2 + 3*x**2 + 5*x - 2*x**2 + 2.",
   "x**2 + 5*x", ("x**2", "x**2 + 4*x + x", "x**2 + 5*x + 0")),
  ("differentiate", "Differentiate 4*q**3*w**2 - w + 3 with respect to w.",
   "8*q**3*w - 1", ("12*q**2*w**2", "8*q**3*w", "9*q**3*w - q**3*w - 1")),
  ("differentiate", "What is the third derivative of -2*x**4 + x?", "-48*x",
   ("-48*x + 1", "-24*x**2", "-8*x**3 + 1")),
  ("differentiate", "Find the second derivative of a*b - 2*b**2 wrt b.", "-4",
   ("a - 4*b",)),
]  # fmt: skip


@pytest.mark.parametrize(("module", "question", "answer", "wrong"), CASES)
def test_answers(module, question, answer, wrong):
  if answer:
    assert is_right(module, question, answer)
  for one in wrong:
    assert not is_right(module, question, one)


def test_an_equation_without_one_solution_has_no_right_answer():
  assert not is_right("linear_1d", "Solve h + 2 = h + 2 for h.", "1")


@pytest.mark.parametrize(
  ("module", "question"),
  [
    ("add_or_sub", "What is 3 times 4?"),
    ("add_or_sub", "What is 3?"),
    ("linear_1d", "Solve 3*x = 4."),
    ("collect", "Collect 3."),
    ("differentiate", "Differentiate a*b."),
    ("collect", "Collect the terms in f(x)."),
  ],
)
def test_other_questions_are_refused(module, question):
  with pytest.raises(ValueError, match=r"no |which variable"):
    is_right(module, question, "1")


def test_values_are_exact():
  assert expressions.value("0.1 + 0.2") == Fraction(3, 10)
  assert expressions.value("-x**2*y - -1/3", {"x": 2, "y": 5}) == (
    Fraction(-59, 3)
  )


@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_are_those_of_differences(order):
  """The n-th difference of a polynomial, with an error that is known."""
  text, step = "x**4*y - 3*x**3 + x*y**2 - 7", Fraction(1, 10**6)

  def difference(x, left):
    if left == 0:
      return x**4 * 2 - 3 * x**3 + x * 4 - 7
    return (difference(x + step, left - 1) - difference(x, left - 1)) / step

  found = expressions.derivative(text, "x", order, {"x": 3, "y": 2})
  assert abs(found - difference(Fraction(3), order)) < Fraction(1, 1000)


@pytest.mark.parametrize("text", ["x +", "z", "1/0", "x**x", "[1]", "f(x)"])
def test_what_is_no_expression_is_refused(text):
  with pytest.raises(ValueError, match="is no expression"):
    expressions.derivative(text, "x", 1, {"x": 1, "y": 2})
