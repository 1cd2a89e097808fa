"""Numbers of a given size, and how they are written."""

from fractions import Fraction

import pytest

from structcomp_jax.tasks.mathematics import numbers
from structcomp_jax.tasks.mathematics.draws import Draws


def test_integers_fill_their_range():
  draws = Draws("integer")
  found = {numbers.integer(draws, 1.0) for _ in range(999)}
  assert found == set(range(-5, 6))
  # Never fewer than a digit has.
  assert {numbers.integer(draws, 0.1) for _ in range(999)} == found
  found = {numbers.integer(draws, 1.2, least=1) for _ in range(999)}
  assert found == {*range(-8, 0), *range(1, 9)}
  found = {
    numbers.integer(draws, 1.0, signed=False, least=2) for _ in range(999)
  }
  assert found == set(range(2, 11))


def test_decimals_have_places_and_do_not_end_with_zero():
  draws = Draws("decimal")
  found = [numbers.decimal(draws, 2.4) for _ in range(2000)]
  for number in found:
    assert Fraction(number.text) == number.value
    whole, _, places = number.text.partition(".")
    assert 1 <= len(places) <= 3
    assert places[-1] != "0"
    assert whole.lstrip("-")
  assert {len(number.text.partition(".")[2]) for number in found} == {1, 2, 3}
  largest = max(abs(number.value.numerator) for number in found)
  assert 100 < largest <= 126


def test_ratios_are_in_lowest_terms_and_no_integers():
  draws = Draws("ratio")
  for _ in range(999):
    number = numbers.ratio(draws, 3.0)
    numerator, denominator = map(int, number.text.split("/"))
    assert number.value == Fraction(numerator, denominator)
    assert (numerator, denominator) == (
      number.value.numerator,
      number.value.denominator,
    )
    assert denominator > 1
  # The numerator may be smaller than other numbers: one digit in all.
  found = {numbers.ratio(draws, 1.0).value.numerator for _ in range(999)}
  assert {-1, 1} < found <= set(range(-5, 6))


@pytest.mark.parametrize(
  ("value", "text"),
  [
    (Fraction(0), "0"),
    (Fraction(-7), "-7"),
    (Fraction(1, 8), "0.125"),
    (Fraction(-1, 1000), "-0.001"),
    (Fraction(2001, 100), "20.01"),
  ],
)
def test_decimal_text(value, text):
  assert numbers.decimal_text(value) == text


def test_parts_are_up_to_twice_as_large_as_their_sum():
  draws = Draws("part")
  found = [numbers.part(draws, -1000, 1.0) for _ in range(2000)]
  assert -2005 <= min(found) < -1900
  assert 1900 < max(found) <= 2005
