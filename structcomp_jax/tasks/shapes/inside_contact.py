"""Pictures about inside and contact: a large object and a small one.

A sampler per type; a type says whether the small object is inside, and
whether the two touch.
"""

import functools

import numpy as np

from structcomp_jax.tasks.shapes import clumps, draws, placements, spots
from structcomp_jax.tasks.shapes.contours import (
  ContourKind,
  Contours,
  draw_contours,
)
from structcomp_jax.tasks.shapes.scenes import Objects, Scenes, one_each

_LARGE = ContourKind(step=0.07, hole=0.2, tries=24)
_SMALL = ContourKind(step=0.01, hole=0.05, tries=1)
_TOUCHING = spots.Spot(margin=0.0, tries=100, rounds=100)
_APART = spots.Spot(margin=0.2, tries=500, rounds=100)
# Of the balanced policy: six pixels, shared by both sides, in pictures.
_MARGIN = 6 / 128


def _inside(scenes: Scenes, *, contact: bool) -> Objects:
  share = _share(scenes)
  large, inner = spots.free_spots(
    draws.fold_in(scenes.keys, "large"),
    _LARGE,
    share,
    _TOUCHING if contact else _APART,
  )
  small = _small_contours(scenes)
  if contact:
    inner = clumps.in_contact_inside(large, small, share, inner)
  return _nested(scenes, large, small, inner)


def _outside_in_contact(scenes: Scenes) -> Objects:
  large = draw_contours(draws.fold_in(scenes.keys, "large"), _LARGE)
  return _adjacent(scenes, large, _small_contours(scenes))


def _outside_apart(scenes: Scenes) -> Objects:
  large = draw_contours(draws.fold_in(scenes.keys, "large"), _LARGE)
  return _separate(scenes, large, _small_contours(scenes))


def _matched(scenes: Scenes, *, inside: bool, contact: bool) -> Objects:
  """Pictures whose type nothing tells but where the small object is.

  Whatever the type, the small object could be inside with or without
  contact, at the same distance from the centre of the large one.
  """
  small = _small_contours(scenes)
  spot = spots.Spot(_MARGIN / _size(scenes), tries=32, rounds=1000)
  large, touching, apart = spots.matched_spots(
    draws.fold_in(scenes.keys, "large"), _LARGE, small, _share(scenes), spot
  )
  if inside:
    return _nested(scenes, large, small, touching if contact else apart)
  return (_adjacent if contact else _separate)(scenes, large, small)


def _nested(
  scenes: Scenes, large: Contours, small: Contours, inner: np.ndarray
) -> Objects:
  """Small objects at `inner`, in units and relative to the large ones."""
  centre = _large_centre(scenes)
  inner_centre = centre + _size(scenes)[:, None] * inner
  return _pairs(scenes, (large, small), (centre, inner_centre))


def _adjacent(scenes: Scenes, large: Contours, small: Contours) -> Objects:
  size = _size(scenes)
  clump_keys = draws.fold_in(scenes.keys, "clump")
  centres, extent = clumps.clump(
    clump_keys, (large, small), (size, size * _share(scenes))
  )
  place = placements.box_in_picture(draws.fold_in(scenes.keys, "place"), extent)
  both = place + centres[:, 0], place + centres[:, 1]
  return _pairs(scenes, (large, small), both)


def _separate(scenes: Scenes, large: Contours, small: Contours) -> Objects:
  size = _size(scenes)
  centre = _large_centre(scenes)
  place_keys = draws.fold_in(scenes.keys, "small place")
  apart = placements.box_apart(place_keys, centre, size * _share(scenes), size)
  return _pairs(scenes, (large, small), (centre, apart))


def _pairs(
  scenes: Scenes,
  contours: tuple[Contours, Contours],
  centres: tuple[np.ndarray, np.ndarray],
) -> Objects:
  size = _size(scenes)
  pictures = np.arange(len(scenes.keys))
  return Objects.concatenate(
    [
      one_each(pictures, 0, contours[0], size, centres[0]),
      one_each(pictures, 1, contours[1], size * _share(scenes), centres[1]),
    ]
  )


def _size(scenes: Scenes) -> np.ndarray:
  """Sizes of the large objects, in pictures."""
  return draws.uniform(draws.fold_in(scenes.keys, "size"), 0.25, 0.5)


def _share(scenes: Scenes) -> np.ndarray:
  """Sizes of the small objects in units of the large ones."""
  return draws.uniform(draws.fold_in(scenes.keys, "share"), 1 / 4, 1 / 2.5)


def _large_centre(scenes: Scenes) -> np.ndarray:
  extent = np.repeat(_size(scenes)[:, None], 2, axis=1)
  return placements.box_in_picture(draws.fold_in(scenes.keys, "place"), extent)


def _small_contours(scenes: Scenes) -> Contours:
  return draw_contours(draws.fold_in(scenes.keys, "small"), _SMALL)


# {(inside, contact): sampler}
PUBLISHED = {
  (True, True): functools.partial(_inside, contact=True),
  (True, False): functools.partial(_inside, contact=False),
  (False, True): _outside_in_contact,
  (False, False): _outside_apart,
}
BALANCED = {
  (inside, contact): functools.partial(_matched, inside=inside, contact=contact)
  for inside, contact in PUBLISHED
}
