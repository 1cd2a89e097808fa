"""Pictures about inside and contact: a large object and a small one.

A type says whether the small object is inside, and whether the two touch.
"""

import numpy as np

from structcomp_jax.tasks.odd_one_out.shapes import (
  clumps,
  draws,
  placements,
  spots,
)
from structcomp_jax.tasks.odd_one_out.shapes.contours import (
  ContourKind,
  Contours,
  draw_contours,
)
from structcomp_jax.tasks.odd_one_out.shapes.scenes import (
  Objects,
  Scenes,
  one_each,
)

_LARGE = ContourKind(step=0.07, hole=0.2, tries=24, batch=8192)
_SMALL = ContourKind(step=0.01, hole=0.05, tries=1, batch=2048)
_TOUCHING = spots.Spot(margin=0.0, tries=100, rounds=100)
_APART = spots.Spot(margin=0.2, tries=500, rounds=100)
# In the policy "balanced", a free square is wider than the small object by this
# much: three pixels on each side, in units of a picture.
_MARGIN = 6 / 128


def published(scenes: Scenes) -> Objects:
  """Draws large contours with as much room as the type of a picture needs."""
  inside, contact = scenes.holds.T
  large_keys = draws.fold_in(scenes.keys, "large")
  share, small = _share(scenes), _small_contours(scenes)
  large, rows, inner = [], [], np.zeros((len(small), 2))
  for members, spot in ((contact, _TOUCHING), (~contact, _APART)):
    nested = np.flatnonzero(inside & members)
    if nested.size:
      contours, inner[nested] = spots.free_spots(
        large_keys[nested], _LARGE, share[nested], spot
      )
      large.append(contours)
      rows.append(nested)
  touching = np.flatnonzero(inside & contact)
  if touching.size:
    inner[touching] = clumps.in_contact_inside(
      large[0], small[touching], share[touching], inner[touching]
    )
  rows.append(np.flatnonzero(~inside))
  large.append(draw_contours(large_keys[rows[-1]], _LARGE))
  order = np.argsort(np.concatenate(rows))
  return _arrange(
    scenes, Contours.concatenate(tuple(large))[order], small, inner
  )


def balanced(scenes: Scenes) -> Objects:
  """Draws pictures whose type shows only in the place of the small object.

  Whatever the type, the small object could lie inside with or without contact,
  at the same distance from the centre of the large one.
  """
  small = _small_contours(scenes)
  spot = spots.Spot(_MARGIN / _size(scenes), tries=32, rounds=1000)
  large, touching, apart = spots.matched_spots(
    draws.fold_in(scenes.keys, "large"), _LARGE, small, _share(scenes), spot
  )
  contact = scenes.holds[:, 1:]
  return _arrange(scenes, large, small, np.where(contact, touching, apart))


def _arrange(
  scenes: Scenes, large: Contours, small: Contours, inner: np.ndarray
) -> Objects:
  """Places the objects in pictures.

  Args:
    scenes: n pictures.
    large: n contours.
    small: n contours.
    inner: float64[n, 2], centres of the small objects that lie inside,
      relative to those of the large objects and in units of their size.
  """
  inside, contact = scenes.holds.T
  size, share = _size(scenes), _share(scenes)
  place_keys = draws.fold_in(scenes.keys, "place")
  square = np.repeat(size[:, None], 2, axis=1)
  centre = placements.box_in_picture(place_keys, square)
  small_centre = centre + size[:, None] * inner
  rows = np.flatnonzero(~inside & contact)
  if rows.size:
    centres, extent = clumps.clump(
      draws.fold_in(scenes.keys[rows], "clump"),
      (large[rows], small[rows]),
      (size[rows], (size * share)[rows]),
    )
    place = placements.box_in_picture(place_keys[rows], extent)
    centre[rows] = place + centres[:, 0]
    small_centre[rows] = place + centres[:, 1]
  rows = np.flatnonzero(~inside & ~contact)
  small_centre[rows] = placements.box_apart(
    draws.fold_in(scenes.keys[rows], "small place"),
    centre[rows],
    (size * share)[rows],
    size[rows],
  )
  pictures = np.arange(len(scenes.keys))
  return Objects.concatenate(
    [
      one_each(pictures, 0, large, size, centre),
      one_each(pictures, 1, small, size * share, small_centre),
    ]
  )


def _size(scenes: Scenes) -> np.ndarray:
  """Returns the sizes of the large objects in units of a picture."""
  return draws.uniform(draws.fold_in(scenes.keys, "size"), 0.25, 0.5)


def _share(scenes: Scenes) -> np.ndarray:
  """Returns the sizes of the small objects in units of the large ones."""
  return draws.uniform(draws.fold_in(scenes.keys, "share"), 1 / 4, 1 / 2.5)


def _small_contours(scenes: Scenes) -> Contours:
  return draw_contours(draws.fold_in(scenes.keys, "small"), _SMALL)
