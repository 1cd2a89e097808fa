"""Pictures drawn by hand are read as an eye reads them."""

import itertools

import cv2
import numpy as np
import pytest

from structcomp_jax.tasks.odd_one_out.shapes.pixels.objects import MAX_OBJECTS
from structcomp_jax.tasks.odd_one_out.shapes.pixels.readings import (
  AMBIGUOUS,
  NO,
  YES,
  read_pictures,
)
from tests.tasks.odd_one_out.shapes.pixels import drawings

DRAWINGS = drawings.by_name()
SIZE = 60


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
    assert readings.count[:2].min() > MAX_OBJECTS
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
