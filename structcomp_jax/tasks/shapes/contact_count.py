"""Pictures about contact and count: objects of one contour and one size.

A sampler per type; a type says whether all objects are in contact, and
whether there are N of them.
"""

import functools

import numpy as np

from structcomp_jax.tasks.shapes import clumps, draws, placements
from structcomp_jax.tasks.shapes.contours import (
  ContourKind,
  Contours,
  draw_contours,
)
from structcomp_jax.tasks.shapes.scenes import Objects, Scenes

_KIND = ContourKind(step=0.007, hole=0.05, tries=1)
_MOST = 4  # Objects of a picture.


def _sample(scenes: Scenes, *, contact: bool, count: bool) -> Objects:
  """A clump of all objects, or of all but one, and that one apart."""
  total = scenes.number
  if not count:
    more = draws.coin(draws.fold_in(scenes.keys, "more"))
    # There are always two at least, so that contact can be told.
    total = np.where(total == 2, 3, np.where(more, 4, 2))
  clumped = total if contact else total - 1
  contour, contours = _shared_contours(scenes)
  size = _shared_size(scenes)
  objects = []
  for members in range(1, _MOST + 1):
    rows = np.flatnonzero(clumped == members)
    if rows.size:
      centres = _place(
        scenes.keys[rows], contours[contour[rows]], size[rows], members, contact
      )
      objects += [(rows, order, c) for order, c in enumerate(centres)]
  picture = np.concatenate([rows for rows, _, _ in objects])
  return Objects(
    picture=picture,
    order=np.concatenate([np.full(len(r), order) for r, order, _ in objects]),
    contour=contour[picture],
    size=size[picture],
    centre=np.concatenate([centre for _, _, centre in objects]),
    contours=contours,
  )


def _shared_contours(scenes: Scenes) -> tuple[np.ndarray, Contours]:
  """Index int64[n] of every picture's contour: one for each problem."""
  problem_keys, contour = np.unique(scenes.problem_keys, return_inverse=True)
  shape_keys = draws.fold_in(problem_keys, "contour")
  return contour, draw_contours(shape_keys, _KIND)


def _shared_size(scenes: Scenes) -> np.ndarray:
  largest = 0.9 / np.sqrt(4 * scenes.number)
  size_keys = draws.fold_in(scenes.problem_keys, "size")
  return draws.uniform(size_keys, largest / 2, largest)


def _place(
  keys: np.ndarray,
  contours: Contours,
  size: np.ndarray,
  members: int,
  contact: bool,
) -> list[np.ndarray]:
  """Centres [n, 2] of the members of a clump and, if any, of the one apart."""
  centres, extent = clumps.clump(
    draws.fold_in(keys, "clump"), [contours] * members, [size] * members
  )
  place_keys = draws.fold_in(keys, "place")
  if contact:
    place, apart = placements.group(place_keys, extent), []
  else:
    single = np.repeat(size[:, None], 2, axis=1)
    place, lone = placements.groups(place_keys, extent, single)
    apart = [lone]
  return [place + centres[:, i] for i in range(members)] + apart


# {(contact, count): sampler}
PUBLISHED = {
  (contact, count): functools.partial(_sample, contact=contact, count=count)
  for contact in (True, False)
  for count in (True, False)
}
# Nothing gives the odd one away but what is asked for, and colours.
BALANCED = PUBLISHED
