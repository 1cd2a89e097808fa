"""Outlines on white."""

import numpy as np

from structcomp_jax.tasks.odd_one_out.shapes import drawing, draws
from structcomp_jax.tasks.odd_one_out.shapes.contours import (
  ContourKind,
  Contours,
  draw_contours,
)
from structcomp_jax.tasks.odd_one_out.shapes.scenes import one_each

_COUNT = 40
_RED = np.tile([255, 0, 0], (_COUNT, 1))


def _square(half):
  points = np.array([[-half, half, half, -half], [-half, -half, half, half]])
  return Contours(points.astype(np.float32), np.array([0, 4]))


def _draw(objects, colours=_RED):
  count = objects.picture.max() + 1
  pictures = np.full((count, drawing.SIDE, drawing.SIDE, 3), 255, np.uint8)
  drawing.draw(pictures, objects, colours)
  return pictures


def _one(contours, size, centre):
  return one_each(
    np.zeros(1, int), 0, contours, np.array([size]), np.array([centre])
  )


def test_square_pixel_by_pixel():
  """Half of 5.9 pixels is truncated to 2, the centre 10.9 to 10."""
  picture = _draw(_one(_square(0.5), 5.9 / 128, (10.9 / 128, 20.2 / 128)))[0]
  expected = np.full_like(picture, 255)
  expected[18:23, 8:13] = (255, 0, 0)
  expected[19:22, 9:12] = 255
  np.testing.assert_array_equal(picture, expected)


def test_boxes_are_square_with_an_odd_side():
  keys = draws.fold_in(np.full(1, 1, np.uint64), np.arange(_COUNT))
  kind = ContourKind(step=0.07, hole=0.2, tries=24, batch=8192)
  size = draws.uniform(keys, 0.1, 0.5)
  objects = one_each(
    np.arange(_COUNT),
    0,
    draw_contours(keys, kind),
    size,
    np.full((_COUNT, 2), 0.5),
  )
  for picture, side in zip(_draw(objects), size, strict=True):
    y, x = np.nonzero((picture != 255).any(2))
    expected = 2 * np.floor(64 * side)
    assert np.ptp(x) == np.ptp(y) == expected


def test_later_objects_are_painted_over_earlier_ones():
  twice = _square(0.5)[np.zeros(2, int)]
  colours = np.array([[0, 0, 9], [0, 9, 0]])
  for order, top in (([0, 1], (0, 9, 0)), ([1, 0], (0, 0, 9))):
    objects = one_each(
      np.zeros(2, int),
      np.array(order),
      twice,
      np.full(2, 0.2),
      np.full((2, 2), 0.5),
    )
    picture = _draw(objects, colours)[0]
    assert {tuple(p) for p in picture.reshape(-1, 3)} == {top, (255,) * 3}


def test_objects_are_clipped_at_the_edge():
  picture = _draw(_one(_square(0.5), 0.5, (0.0, 0.5)))[0]
  ink = (picture != 255).any(2)
  assert ink[:, 0].sum() == 2
  assert ink[32, :33].all() and not ink[32, 33:].any()
