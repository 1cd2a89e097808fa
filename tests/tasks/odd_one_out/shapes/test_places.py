"""Free spots, slots, groups."""

import cv2
import numpy as np
import pytest

from structcomp_jax.tasks.odd_one_out.shapes import (
  draws,
  placements,
  spots,
)
from structcomp_jax.tasks.odd_one_out.shapes.contours import ContourKind
from structcomp_jax.types import UserError

_LARGE = ContourKind(step=0.07, hole=0.2, tries=24, batch=8192)


def _keys(count, seed=3):
  return draws.fold_in(np.full(1, seed, np.uint64), np.arange(count))


@pytest.mark.parametrize("margin", [0.0, 0.2])
def test_free_spots_are_enclosed_and_free(margin):
  keys = _keys(200)
  share = draws.uniform(keys, 0.25, 0.4)
  large, centres = spots.free_spots(
    keys, _LARGE, share, spots.Spot(margin, tries=500, rounds=100)
  )
  for i, centre in enumerate(centres):
    polygon = large.points[:, large.starts[i] : large.starts[i + 1]].T
    assert cv2.pointPolygonTest(polygon, centre.tolist(), False) > 0
    nearest = np.abs(polygon - centre).max(1).min()
    assert nearest > (share[i] + margin) / 2 - 1e-6


def test_free_spots_do_not_depend_on_the_others():
  keys, share = _keys(50), np.full(50, 0.4)
  spot = spots.Spot(0.2, tries=500, rounds=100)
  _, centres = spots.free_spots(keys, _LARGE, share, spot)
  _, again = spots.free_spots(keys[30:33], _LARGE, share[:3], spot)
  np.testing.assert_array_equal(again, centres[30:33])


def test_no_room_at_all():
  with pytest.raises(
    UserError, match="found no room for a small object in 3 contours"
  ):
    spots.free_spots(
      _keys(4), _LARGE, np.full(4, 0.8), spots.Spot(0.19, tries=5, rounds=3)
    )


@pytest.mark.parametrize("number", [3, 4, 5])
def test_boxes_in_slots_do_not_overlap(number):
  count = 500
  centres, limit = placements.slots(_keys(count), np.full(count, number))
  assert (limit[:, number:] == 0).all()
  centres, limit = centres[:, :number], limit[:, :number]
  assert (limit > min(0.9 / number, 0.3) - 1e-9).all()
  assert (limit <= 2 * np.minimum(centres, 1 - centres).min(2)).all()
  apart = np.abs(centres[:, :, None] - centres[:, None]).max(3)
  sums = (limit[:, :, None] + limit[:, None]) / 2
  apart[:, np.arange(number), np.arange(number)] = np.inf
  assert (apart >= sums - 1e-12).all()


def test_groups_keep_clear_of_each_other():
  keys = _keys(500)
  first = draws.points(draws.fold_in(keys, "first"), 0.2, 0.6)
  second = draws.points(draws.fold_in(keys, "second"), 0.1, 0.25)
  a, b = placements.groups(keys, first, second)
  for centre, extent in ((a, first), (b, second)):
    assert (np.abs(centre - 0.5) <= (1 - 1.1 * extent) / 2 + 1e-12).all()
  assert (np.abs(a - b) > 1.1 * (first + second) / 2).any(1).all()


def test_groups_without_room_are_placed_all_the_same():
  extent = np.full((3, 2), 0.9)
  a, b = placements.groups(_keys(3), extent, extent)
  assert np.isfinite(a).all() and np.isfinite(b).all()


def test_boxes_apart():
  keys = _keys(500)
  size, other = draws.uniform(keys, 0.05, 0.2), np.full(500, 0.5)
  centre = placements.box_in_picture(keys, np.full((500, 2), 0.5))
  apart = placements.box_apart(draws.fold_in(keys, 1), centre, size, other)
  assert (np.abs(apart - centre).max(1) > (size + other) / 2).all()
  assert (np.abs(apart - 0.5).max(1) <= (1 - size) / 2).all()
