"""Pictures about contact and count: objects of one contour and one size.

A type says whether all objects are in contact, and whether there are N of
them.
"""

import numpy as np

from structcomp_jax.tasks.odd_one_out.shapes import (
  clumps,
  draws,
  placements,
)
from structcomp_jax.tasks.odd_one_out.shapes.contours import (
  ContourKind,
  Contours,
  draw_contours,
)
from structcomp_jax.tasks.odd_one_out.shapes.scenes import (
  Objects,
  Scenes,
)

_KIND = ContourKind(step=0.007, hole=0.05, tries=1, batch=2048)
# At most four objects are in a clump, and one is apart.
_MOST = 5


def published(scenes: Scenes) -> Objects:
  """Puts all objects into one clump, or all but one, which is apart."""
  contact, count = scenes.holds.T
  more = draws.coin(draws.fold_in(scenes.keys, "more"))
  # One object alone could not be in contact, so there are always at least two.
  wrong = np.where(scenes.number == 2, 3, np.where(more, 4, 2))
  total = np.where(count, scenes.number, wrong)
  clumped = np.where(contact, total, total - 1)
  contour, contours = _shared_contours(scenes)
  size = _shared_size(scenes)
  centres = np.empty((len(size), _MOST, 2))
  for members in np.unique(clumped):
    rows = np.flatnonzero(clumped == members)
    centres[rows, : members + 1] = _centres(
      scenes.keys[rows],
      contours[contour[rows]],
      size[rows],
      members,
      contact[rows],
    )
  picture, order = np.nonzero(np.arange(_MOST) < total[:, None])
  return Objects(
    picture=picture,
    order=order,
    contour=contour[picture],
    size=size[picture],
    centre=centres[picture, order],
    contours=contours,
  )


# In the drawing of "published" only contact and count tell the odd picture
# apart. Colours have a policy of their own.
balanced = published


def _shared_contours(scenes: Scenes) -> tuple[np.ndarray, Contours]:
  """Draws one contour per problem.

  Returns:
    int64[n], which contour each picture has, and the contours.
  """
  problem_keys, contour = np.unique(scenes.problem_keys, return_inverse=True)
  shape_keys = draws.fold_in(problem_keys, "contour")
  return contour, draw_contours(shape_keys, _KIND)


def _shared_size(scenes: Scenes) -> np.ndarray:
  largest = 0.9 / np.sqrt(4 * scenes.number)
  size_keys = draws.fold_in(scenes.problem_keys, "size")
  return draws.uniform(size_keys, largest / 2, largest)


def _centres(
  keys: np.ndarray,
  contours: Contours,
  size: np.ndarray,
  members: int,
  contact: np.ndarray,
) -> np.ndarray:
  """Returns the centres of n clumps and of an object apart from each.

  Args:
    keys: uint64[n].
    contours: n contours, shared by all objects of a picture.
    size: float64[n], shared likewise.
    members: number of objects in a clump.
    contact: bool[n], whether the picture has no object apart.

  Returns:
    float64[n, members + 1, 2]; the last centre, that of the object apart, means
    nothing where `contact`.
  """
  clumped, extent = clumps.clump(
    draws.fold_in(keys, "clump"), [contours] * members, [size] * members
  )
  place_keys = draws.fold_in(keys, "place")
  single = np.repeat(size[:, None], 2, axis=1)
  place, apart = placements.groups(place_keys, extent, single)
  together = placements.group(place_keys, extent)
  place = np.where(contact[:, None], together, place)
  return np.concatenate([place[:, None] + clumped, apart[:, None]], axis=1)
