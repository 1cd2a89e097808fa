"""Finds free spots inside contours."""

import dataclasses
from collections.abc import Callable

import numpy as np

from structcomp_jax.tasks.odd_one_out.shapes import clumps, draws
from structcomp_jax.tasks.odd_one_out.shapes import (
  contours as contours_lib,
)
from structcomp_jax.tasks.odd_one_out.shapes.contours import (
  ContourKind,
  Contours,
)
from structcomp_jax.types import UserError

# A spot is first compared with this many vertices, those nearest to the centre.
_INNERMOST = 8


@dataclasses.dataclass(frozen=True)
class Spot:
  """How to look for a free spot inside a contour.

  Attributes:
    margin: how much wider the free square is than the inner object, in units
      of the outer one; one number, or one per object.
    tries: the most spots tried per contour.
    rounds: the most contours tried.
  """

  margin: float | np.ndarray
  tries: int
  rounds: int


def free_spots(
  keys: np.ndarray, kind: ContourKind, share: np.ndarray, spot: Spot
) -> tuple[Contours, np.ndarray]:
  """Draws large contours, and a place inside each for a smaller object.

  Args:
    keys: uint64[n].
    kind: what the large contours are like.
    share: float64[n], size of the inner object in units of the large one.
    spot: what counts as free.

  Returns:
    The contours, and centres float64[n, 2] of the places in the same units.

  Raises:
    UserError: for some key no contour has a free spot.
  """
  side = share + spot.margin
  half = ((1 - side) / 2)[:, None]

  def draw(keys, rows):
    large = contours_lib.draw_contours(draws.fold_in(keys, "contour"), kind)
    reach = half[rows]
    accepted, centres = _some_free(
      draws.fold_in(keys, "spot"),
      lambda keys, inner: draws.points(keys, -reach[inner], reach[inner]),
      _Spots(large, side[rows]),
      spot.tries,
    )
    return accepted, (large, centres)

  found, values = draws.first_accepted(keys, draw, limit=spot.rounds, at_once=1)
  _check_all_found(found, keys, spot)
  return values


def matched_spots(
  keys: np.ndarray,
  kind: ContourKind,
  small: Contours,
  share: np.ndarray,
  spot: Spot,
) -> tuple[Contours, np.ndarray, np.ndarray]:
  """Draws large contours with two places inside each for a small object.

  At one place the small object is in contact, as `in_contact_inside` finds it;
  the other is free. Both are equally far from the centre of the large object.

  Args:
    keys: uint64[n].
    kind: what the large contours are like.
    small: n contours.
    share: float64[n], size of the small objects in units of the large ones.
    spot: what counts as free.

  Returns:
    The large contours and both places, float64[n, 2], relative to their
    centres and in units of their size.

  Raises:
    UserError: for some key no contour has such places.
  """
  anywhere = dataclasses.replace(spot, margin=0.0)
  side = share + spot.margin

  def draw(keys, rows):
    large, start = free_spots(
      draws.fold_in(keys, "large"), kind, share[rows], anywhere
    )
    touching = clumps.in_contact_inside(large, small[rows], share[rows], start)
    distance = np.sqrt(touching[:, 0] ** 2 + touching[:, 1] ** 2)[:, None]
    accepted, apart = _some_free(
      draws.fold_in(keys, "apart"),
      lambda keys, inner: distance[inner] * draws.direction(keys),
      _Spots(large, side[rows]),
      spot.tries,
    )
    return accepted, (large, touching, apart)

  found, values = draws.first_accepted(keys, draw, limit=spot.rounds, at_once=1)
  _check_all_found(found, keys, spot)
  return values


def _some_free(
  keys: np.ndarray,
  propose: Callable[[np.ndarray, np.ndarray], np.ndarray],
  free: "_Spots",
  tries: int,
) -> tuple[np.ndarray, np.ndarray]:
  """Looks for a free spot in each of n contours.

  Args:
    keys: uint64[n].
    propose: takes keys uint64[m] and rows int64[m], which say in which of the n
      contours each spot is. Returns centres [m, 2].
    free: tells which spots are free.
    tries: the most spots to try per contour.

  Returns:
    Whether a spot was found, bool[n], and the first one, float64[n, 2].
  """

  def draw(keys, rows):
    centres = propose(keys, rows)
    return free.are_free(rows, centres), (centres,)

  found, (centres,) = draws.first_accepted(
    keys, draw, limit=tries, at_once=tries
  )
  accepted = np.zeros(len(keys), bool)
  accepted[found] = True
  all_centres = np.zeros((len(keys), 2))
  all_centres[found] = centres
  return accepted, all_centres


def _check_all_found(found: np.ndarray, keys: np.ndarray, spot: Spot) -> None:
  if len(found) < len(keys):
    raise UserError(
      f"the generator found no room for a small object in {spot.rounds}"
      " contours; use other indices of problems"
    )


class _Spots:
  """Tells which places inside contours are free."""

  def __init__(self, large: Contours, side: np.ndarray):
    """Takes n contours and float64[n], the sides of the squares to be free."""
    self._reach = (side / 2).astype(np.float32)
    self._vertices = large.padded()
    # Most spots lie too near to one of these, and need no comparison with all.
    norm = np.abs(self._vertices).max(0)
    inner = np.argpartition(norm, _INNERMOST, axis=1)[:, :_INNERMOST]
    rows = np.arange(len(large))[:, None]
    self._innermost = np.ascontiguousarray(self._vertices[:, rows, inner])

  def are_free(self, rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Returns which places lie inside of contours, in an empty square.

    Args:
      rows: int64[m], which contours.
      centres: float64[m, 2], the places.

    Returns:
      bool[m].
    """
    points = centres.T.astype(np.float32)
    accepted = np.arange(len(rows))
    for holds in (self._clear_of_innermost, self._clear, self._enclosed):
      held = holds(rows[accepted], points.take(accepted, axis=1))
      accepted = accepted[held]
    return np.isin(np.arange(len(rows)), accepted)

  def _clear_of_innermost(self, rows, points):
    return self._is_empty(self._innermost, rows, points)

  def _clear(self, rows, points):
    return self._is_empty(self._vertices, rows, points)

  def _is_empty(self, vertices, rows, points):
    apart = np.abs(vertices.take(rows, axis=1) - points[:, :, None])
    distance = np.maximum(apart[0], apart[1]).min(1)
    return distance > self._reach[rows]

  def _enclosed(self, rows, points):
    """Returns where a ray to -x crosses the contour an odd number of times."""
    x, y = self._vertices.take(rows, axis=1) - points[:, :, None]
    # The padding adds edges without length, which never cross.
    next_x, next_y = np.roll(x, -1, axis=1), np.roll(y, -1, axis=1)
    crossed = ((y > 0) != (next_y > 0)) & ((x < 0) | (next_x < 0))
    return np.count_nonzero(crossed, axis=1) % 2 == 1
