"""Generated questions: right answers, and the sizes of every level."""

import collections
import re
import statistics

import pytest

from structcomp_jax.tasks.mathematics import LEVELS, MODULES
from structcomp_jax.tasks.mathematics.checking import is_right
from structcomp_jax.tasks.mathematics.draws import Draws

NUM = 600
# Mean number of digits in questions of the public generator, at every level;
# measured with 10,000 questions (differentiate: 500).
DIGITS = {
  "add_or_sub": (5.7, 9.6, 13.5),
  "linear_1d": (5.9, 10.0, 15.2),
  "differentiate": (7.5, 11.8, 16.4),
  "sort": (5.5, 7.6, 9.7),
  "collect": (7.0, 11.3, 15.8),
}
CASES = [(module, level) for module in MODULES for level in LEVELS]


@pytest.fixture(scope="module")
def drawn():
  """{(module, level): questions and answers}."""
  return {
    (module, level): [
      MODULES[module].question(draws, level) for _ in range(NUM)
    ]
    for module, level in CASES
    for draws in [Draws(module, level, "test of modules")]
  }


@pytest.mark.parametrize(("module", "level"), CASES)
def test_answers_are_right(drawn, module, level):
  wrong = [one for one in drawn[module, level] if not is_right(module, *one)]
  assert not wrong


@pytest.mark.parametrize(("module", "level"), CASES)
def test_questions_are_short_and_differ(drawn, module, level):
  longest = MODULES[module].longest
  for question, answer in drawn[module, level]:
    assert len(question) <= longest[0] <= 160
    assert len(answer) <= longest[1] <= 30
  questions = {question for question, _ in drawn[module, level]}
  assert len(questions) > 0.98 * NUM


def num_digits(module, text):
  text = re.sub(r"\*\*\d+", "", text)  # Exponents are none.
  count = 0
  for number in re.findall(r"\d[\d./]*", text):
    digits = re.sub(r"\D", "", number).lstrip("0") or "0"
    count += len(digits)
  # The coefficients 1 and -1 are not written.
  if module in ("linear_1d", "collect", "differentiate"):
    count += len(re.findall(r"(?<![\w*])[a-z](?![a-z])", text.split(" for ")[0]
                            .split(" wrt ")[0].split(" with ")[0]))  # fmt: skip
  return count


@pytest.mark.parametrize(("module", "level"), CASES)
def test_levels_have_the_digits_of_public_ones(drawn, module, level):
  found = statistics.mean(
    num_digits(module, question) for question, _ in drawn[module, level]
  )
  wanted = DIGITS[module][LEVELS.index(level)]
  assert abs(found - wanted) < 1


def test_every_wording_is_drawn(drawn):
  """As often as in public questions: 21 of them, sums being one half."""
  rows = [one for level in LEVELS for one in drawn["add_or_sub", level]]
  number = r"(?<![\d.])-?\d+(?:\.\d+)?(?![\d.]\d)"
  counts = collections.Counter(
    re.sub(number, "#", question.replace("+", " + ")) for question, _ in rows
  )
  sums = sum("+" in one or "and" in one for one in counts.elements())
  between = sum("between" in one for one in counts.elements())
  assert 0.44 < (sums - between) / len(rows) < 0.56
  assert 0.06 < between / len(rows) < 0.14


def test_one_half_of_lists_are_integers_alone(drawn):
  rows = drawn["sort", "easy"]
  integers = [one for one, _ in rows if not re.search(r"[./]\d", one)]
  assert 0.45 < len(integers) / len(rows) < 0.62
  lengths = {question.count(",") + 1 for question, _ in rows}
  assert lengths == {3, 4, 5}


def test_equations_have_the_terms_of_public_ones(drawn):
  """Three at most; of medium ones four, of hard ones five."""
  for level, most in (("easy", 3), ("medium", 4), ("hard", 5)):
    counts = {
      len(re.findall(r" [-+=] ", question)) + 1
      for question, _ in drawn["linear_1d", level]
    }
    # An empty side is written as 0.
    assert max(counts) <= most + 1
    assert max(counts) > most - 1


def test_derivatives_of_every_order_and_number_of_variables(drawn):
  questions = [question for question, _ in drawn["differentiate", "easy"]]
  orders = collections.Counter(
    order
    for question in questions
    for order in ("second", "third")
    if order in question
  )
  for count in orders.values():
    assert 0.26 < count / NUM < 0.41
  bodies = [re.findall(r"(?<![\w])[a-z](?!\w)", one) for one in questions]
  assert {len(set(body)) for body in bodies} == {1, 2, 3, 4}


def test_collected_terms_leave_the_degree(drawn):
  for question, answer in drawn["collect", "easy"]:
    assert re.search("[a-z]", answer), question
    assert 3 <= len(re.findall(r" [-+] ", question)) + 1 <= 6
