"""Polynomials: how they are written, and their derivatives."""

import pytest

from structcomp_jax.tasks.mathematics.polynomials import (
  LETTERS,
  derivative,
  joined,
  written,
)


@pytest.mark.parametrize(
  ("polynomial", "variables", "text"),
  [
    ({(2, 0): 1, (1, 3): -1, (0, 1): 2, (0, 0): 5}, "bx",
     "b**2 - b*x**3 + 2*x + 5"),
    ({(1,): -1}, "y", "-y"),
    ({(0,): 0}, "y", "0"),
    ({(3,): 0, (1,): 4}, "y", "4*y"),
    # A positive number comes before a single negative term ...
    ({(2,): -501, (0,): 1871}, "m", "1871 - 501*m**2"),
    # ... but before nothing else.
    ({(2,): -229, (1,): 316}, "z", "-229*z**2 + 316*z"),
    ({(2,): -1, (0,): -2}, "z", "-z**2 - 2"),
    ({(2, 1): -3, (0, 0): 2}, "bz", "-3*b**2*z + 2"),
    ({(2,): -3, (1,): 1, (0,): 2}, "z", "-3*z**2 + z + 2"),
  ],
)  # fmt: skip
def test_written(polynomial, variables, text):
  assert written(polynomial, variables) == text


def test_joined_keeps_order_and_zeros():
  terms = [(0, (1,)), (-2, (0,)), (-1, (2,)), (1, (0,))]
  assert joined(terms, "a") == "0*a - 2 - a**2 + 1"
  assert joined([(-3, (0,))], "a") == "-3"
  assert joined([], "a") == ""


def test_derivative():
  polynomial = {(3, 1): 2, (1, 2): -5, (0, 4): 7}
  assert derivative(polynomial, 0) == {(2, 1): 6, (0, 2): -5}
  assert derivative(polynomial, 1) == {(3, 0): 2, (1, 1): -10, (0, 3): 28}


def test_no_variable_is_read_as_a_number():
  assert len(LETTERS) == 25
  assert "e" not in LETTERS
