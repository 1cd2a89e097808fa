"""Which problems the judge accepts, for every experiment and role."""

import itertools

import numpy as np
import pytest

from structcomp_jax.tasks.odd_one_out import names as names_lib
from structcomp_jax.tasks.odd_one_out.shapes.pixels.judge import judge
from structcomp_jax.types import UserError
from tests.tasks.odd_one_out.shapes.pixels import drawings

DRAWINGS = drawings.by_name()
SIZE = 60


def picture(name):
  """Returns a drawing on paper of one size, uint8 [SIZE, SIZE, 3]."""
  return drawings.on_paper(DRAWINGS[name].image, SIZE, SIZE)


def problem(*names):
  return np.stack([picture(name) for name in names])[None]


def verdict(judgement):
  """Returns the verdict on the only problem."""
  verdicts = {"sound", "wrong", "ambiguous"}
  (found,) = {name for name in verdicts if getattr(judgement, name)[0]}
  return found


# Drawings with (first property, second property), with N = 2 where it counts.
TYPES = {
  "inside_contact": {
    (True, True): "beside the line",
    (True, False): "in the middle",
    (False, True): "outside, beside the line",
    (False, False): "outside, apart",
  },
  "inside_count": {
    (True, True): "two pairs",
    (True, False): "three pairs",
    (False, True): "pair, a large one and a small one",
    (False, False): "pair and a lone large one",
  },
  "contact_count": {
    (True, True): "side by side",
    (True, False): "chain of three",
    (False, True): "far apart",
    (False, False): "two and one",
  },
}
# Data set, with properties P and Q: (P, Q) of rule pictures, of the odd one.
BOTH, FIRST, SECOND, NEITHER = (
  (True, True),
  (True, False),
  (False, True),
  (False, False),
)
ROLES = {
  "base": ({BOTH}, {FIRST, SECOND, NEITHER}),
  "P": ({BOTH, FIRST}, {SECOND, NEITHER}),
  "Q": ({BOTH, SECOND}, {FIRST, NEITHER}),
  "odd_P": ({BOTH}, {SECOND}),
  "odd_Q": ({BOTH}, {FIRST}),
  "odd_both": ({BOTH}, {NEITHER}),
}


class TestJudge:
  @pytest.mark.parametrize("role", ROLES)
  @pytest.mark.parametrize("experiment", TYPES)
  def test_accepts_exactly_the_types_of_a_data_set(self, experiment, role):
    first, second = names_lib.SHAPES.experiments[experiment].subroutines
    name = role.replace("P", first).replace("Q", second)
    rules, odds = ROLES[role]
    types = TYPES[experiment]
    for rule, odd in itertools.product(types, types):
      # Two pictures with both properties settle the number of objects.
      images = problem(types[BOTH], types[rule], types[BOTH], types[odd])
      expected = "sound" if rule in rules and odd in odds else "wrong"
      judgement = judge(images, experiment, name)
      assert verdict(judgement) == expected, (rule, odd)
      assert (judgement.reason(0) == "") == (expected == "sound")

  @pytest.mark.parametrize(
    ("experiment", "role", "names", "expected"),
    [
      # What is in doubt matters only where it is asked for.
      ("inside_contact", "contact", ("one pixel off the line",), "ambiguous"),
      ("inside_contact", "inside", ("one pixel off the line",), "sound"),
      ("inside_contact", "base", ("half out",), "ambiguous"),
      ("inside_contact", "contact", ("half out",), "sound"),
      # Neither inside nor apart: whatever it is, it breaks the rule.
      ("inside_contact", "base", (None, "outside, one pixel off"), "sound"),
      ("inside_contact", "odd_both", (None, "outside, one pixel off"), "amb"),
      ("inside_contact", "odd_inside", (None, "outside, one pixel off"), "amb"),
      # What is certainly wrong is not excused by a doubt elsewhere.
      (
        "inside_contact",
        "base",
        ("one pixel off the line", "beside the line"),
        "wrong",
      ),
      # Pictures that cannot be read.
      ("inside_contact", "contact", ("cut off, the other closes it",), "amb"),
      ("inside_contact", "inside", (None, "an open outline around"), "amb"),
      ("inside_contact", "base", ("one colour, nested",), "amb"),
      (
        "inside_contact",
        "base",
        ("one colour in two places, touching",),
        "amb",
      ),
      ("inside_contact", "base", ("one object",), "wrong"),
      ("inside_contact", "base", (None, "nothing"), "wrong"),
      ("inside_contact", "inside", (None, "chain of three"), "wrong"),
      ("contact_count", "base", ("one colour in two places, touching",), "amb"),
      ("contact_count", "contact", (None, "one object"), "wrong"),
      ("contact_count", "count", (None, "far apart"), "wrong"),
      ("contact_count", "base", ("far apart",), "wrong"),
      ("contact_count", "base", ("sharing a side",), "sound"),
      (
        "contact_count",
        "odd_contact",
        (None, "one pixel between sides"),
        "amb",
      ),
      (
        "inside_count",
        "count",
        ("pair, a large one and a small one",),
        "sound",
      ),
      ("inside_count", "base", ("two pairs, one inner one half out",), "amb"),
      ("inside_count", "base", (None, "in the room between three"), "sound"),
    ],
  )
  def test_weighs_doubts(self, experiment, role, names, expected):
    rule, odd = (*names, None)[:2]
    types = TYPES[experiment]
    first, second = names_lib.SHAPES.experiments[experiment].subroutines
    breaks_one = {f"odd_{first}": SECOND, f"odd_{second}": FIRST}
    good_odd = types[breaks_one.get(role, NEITHER)]
    images = problem(
      types[BOTH], rule or types[BOTH], types[BOTH], odd or good_odd
    )
    found = verdict(judge(images, experiment, role))
    assert found == {"amb": "ambiguous"}.get(expected, expected)

  @pytest.mark.parametrize(
    ("experiment", "number", "name"),
    [
      ("inside_count", 3, "three pairs"),
      ("contact_count", 3, "chain of three"),
    ],
  )
  def test_takes_the_number_from_the_rule_pictures(
    self, experiment, number, name
  ):
    two = TYPES[experiment][BOTH]
    assert verdict(
      judge(problem(name, name, name, two), experiment, "base")
    ) == ("sound")
    assert verdict(
      judge(problem(name, two, name, two), experiment, "base")
    ) == ("wrong")

  def test_accepts_only_numbers_of_the_task(self):
    images = problem(*["clump of four"] * 3, "chain of three")
    assert verdict(judge(images, "contact_count", "base")) == "wrong"

  def test_gives_the_reason_in_one_line(self):
    images = problem("half out", *["on the line"] * 2, "an open outline around")
    judgement = judge(images, "inside_contact", "base")
    assert judgement.reason(0) == (
      "rule picture 1: 2 objects, inside ambiguous, contact yes; odd picture"
      " 4: 2 objects, inside no, contact no, an open outline"
    )

  def test_judges_each_problem_on_its_own(self):
    types = TYPES["inside_contact"]
    good = problem(*[types[BOTH]] * 3, types[SECOND])
    wrong = problem(*[types[BOTH]] * 4)
    judgement = judge(
      np.concatenate([good, wrong, good]), "inside_contact", "base"
    )
    assert judgement.sound.tolist() == [True, False, True]
    assert judgement.wrong.tolist() == [False, True, False]
    assert not judgement.ambiguous.any()

  def test_accepts_no_problems(self):
    judgement = judge(
      np.zeros((0, 4, 9, 9, 3), np.uint8), "inside_count", "base"
    )
    assert judgement.sound.shape == judgement.wrong.shape == (0,)

  @pytest.mark.parametrize(
    ("shape", "dtype", "experiment", "role", "message"),
    [
      ((1, 4, 9, 9, 3), np.uint8, "inside", "base", "'inside'; use one of"),
      ((1, 4, 9, 9, 3), np.uint8, "inside_count", "contact", "'contact'; use"),
      ((1, 4, 9, 9, 3), float, "inside_count", "base", "float64"),
      ((1, 3, 9, 9, 3), np.uint8, "inside_count", "base", r"\[1, 3, 9, 9, 3\]"),
      ((4, 9, 9, 3), np.uint8, "inside_count", "base", r"\[4, 9, 9, 3\]"),
      ((1, 4, 9, 9), np.uint8, "inside_count", "base", r"\[1, 4, 9, 9\]"),
    ],
  )
  def test_refuses_what_it_cannot_judge(
    self, shape, dtype, experiment, role, message
  ):
    with pytest.raises(UserError, match=message):
      judge(np.zeros(shape, dtype), experiment, role)
