import itertools

import cv2
import numpy as np
import pytest

from structcomp_jax.tasks.odd_one_out.shapes.pixels import (
  judge as pixel_check,
)
from structcomp_jax.tasks.odd_one_out.shapes.pixels import (
  objects as pixel_objects,
)
from structcomp_jax.tasks.odd_one_out.shapes.pixels.judge import judge
from structcomp_jax.tasks.odd_one_out.shapes.pixels.readings import (
  AMBIGUOUS,
  NO,
  YES,
  read_pictures,
)
from structcomp_jax.types import UserError
from tests.tasks.odd_one_out.shapes import drawings

DRAWINGS = {drawing.name: drawing for drawing in drawings.load()}
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


class TestReadings:
  def test_there_are_enough_different_drawings(self):
    assert len(drawings.load()) == len(DRAWINGS) >= 100

  @pytest.mark.parametrize("name", DRAWINGS)
  def test_of_a_drawing_are_those_of_an_eye(self, name):
    readings = read_pictures(DRAWINGS[name].image[None])
    assert drawings.in_words(readings) == DRAWINGS[name].reading

  @pytest.mark.parametrize("name", DRAWINGS)
  def test_do_not_change_when_turned_and_mirrored(self, name):
    image = DRAWINGS[name].image
    for turns, mirrored in itertools.product(range(4), (False, True)):
      turned = np.rot90(image[::-1] if mirrored else image, turns)
      readings = read_pictures(turned[None])
      assert drawings.in_words(readings) == DRAWINGS[name].reading

  def test_do_not_depend_on_colours(self):
    # Which object comes first in the order of colours is of no importance.
    for drawing in DRAWINGS.values():
      ink = (drawing.image != 255).any(axis=-1, keepdims=True)
      recoloured = np.where(ink, 201 - drawing.image[..., ::-1], 255)
      readings = read_pictures(recoloured.astype(np.uint8)[None])
      assert drawings.in_words(readings) == drawing.reading

  def test_do_not_depend_on_the_other_pictures_or_the_size(self):
    kept = [d for d in DRAWINGS.values() if "clipped" not in d.reading]
    for height, width in ((SIZE, SIZE), (71, 83)):
      images = [drawings.on_paper(d.image, height, width) for d in kept]
      readings = read_pictures(np.stack(images * 5))
      found = [drawings.in_words(readings, i) for i in range(len(images) * 5)]
      assert found == [drawing.reading for drawing in kept] * 5

  def test_do_not_depend_on_where_a_drawing_is(self):
    drawing = DRAWINGS["a slanted side painted over"]
    for down, right in itertools.product(range(9), range(9)):
      image = np.full((40, 50, 3), 255, np.uint8)
      height, width, _ = drawing.image.shape
      image[down : down + height, right : right + width] = drawing.image
      assert drawings.in_words(read_pictures(image[None])) == drawing.reading

  def test_of_contact_are_the_distances_of_the_lines(self):
    generator = np.random.default_rng(0)
    images = np.full((300, 40, 40, 3), 255, np.uint8)
    lines = []
    for image in images:
      for colour in ((9, 0, 0), (0, 9, 0)):
        corners = generator.integers(0, 40, (3, 1, 2), np.int32)
        cv2.polylines(image, [corners], True, colour)
      lines.append([np.argwhere(image[..., i] == 9) for i in range(2)])
    distances = np.array(
      [abs(a[:, None] - b).max(axis=-1).min() for a, b in lines]
    )
    expected = np.select([distances == 1, distances == 2], [YES, AMBIGUOUS], NO)
    assert set(expected) == {NO, AMBIGUOUS, YES}
    np.testing.assert_array_equal(read_pictures(images).contact, expected)

  def test_of_inside_are_those_of_the_polygon(self):
    generator = np.random.default_rng(0)
    images = np.full((300, 64, 64, 3), 255, np.uint8)
    expected = []
    for image in images:
      angles = np.arange(12) / 6 * np.pi
      radii = generator.uniform(12, 30, (12, 1))
      corners = 32 + radii * np.stack([np.cos(angles), np.sin(angles)], axis=1)
      corners = corners.round().astype(np.int32)
      y, x = generator.integers(4, 60, 2).tolist()
      cv2.polylines(image, [corners], True, (9, 0, 0))
      cv2.circle(image, (x, y), 3, (0, 9, 0))
      depth = cv2.pointPolygonTest(corners, (x, y), True)
      expected.append(YES if depth > 3 else NO if depth < -3 else None)
    known = np.array([value is not None for value in expected])
    np.testing.assert_array_equal(
      read_pictures(images[known]).inside,
      [value for value in expected if value is not None],
    )
    assert known.sum() > 200

  def test_of_many_colours_are_just_counted(self):
    noise = np.random.default_rng(0).integers(0, 255, (2, 20, 20, 3), np.uint8)
    pictures = np.stack([*noise, drawings.on_paper(_two(), 20, 20)])
    readings = read_pictures(pictures)
    assert readings.count[:2].min() > pixel_objects.MAX_OBJECTS
    assert readings.count[2] == 2 and readings.contact.tolist() == [0, 0, 2]

  def test_of_no_pictures_are_empty(self):
    assert read_pictures(np.zeros((0, 8, 8, 3), np.uint8)).count.shape == (0,)

  def test_skip_what_is_not_asked_for(self):
    image = DRAWINGS["beside the line"].image[None]
    assert read_pictures(image, contact=False).contact == [1]
    assert read_pictures(image, inside=False).inside == [1]
    assert read_pictures(image).inside == read_pictures(image).contact == [2]


def _two():
  """Returns two squares side by side."""
  image = np.full((12, 12, 3), 255, np.uint8)
  image[2:6, 2:6], image[2:6, 6:10] = (9, 0, 0), (0, 9, 0)
  image[3:5, 3:5] = image[3:5, 7:9] = 255
  return image


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
    first, second = pixel_check.PROPERTIES[experiment]
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
    first, second = pixel_check.PROPERTIES[experiment]
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
