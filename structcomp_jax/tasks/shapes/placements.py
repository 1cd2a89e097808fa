"""Where objects go: inside another, against another, apart from others."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from structcomp_jax.tasks.shapes import contours as contours_lib
from structcomp_jax.tasks.shapes import draws
from structcomp_jax.tasks.shapes.contours import ContourKind, Contours
from structcomp_jax.types import UserError

# An object that was brought into contact is pulled back by 1/32 of its
# distance, which makes good what is lost by truncation to pixels.
_PULL = 1 - 4 / 128
# Groups of objects get this much more room than their box.
_ROOM = 1.1
# How often two groups are placed before they may overlap.
_GROUP_TRIES = 1100
# Consecutive vertices of which only the box is looked at first.
_RUN = 32
# Pairs of runs that are looked at in one go, few enough for the cache.
_BLOCK = 256
# Vertices of which a free spot is tested to be clear first.
_INNERMOST = 8


@dataclasses.dataclass(frozen=True)
class Spot:
  """How to look for a free spot inside a contour.

  Attributes:
    margin: side of the free square minus that of the inner object, in units
      of the outer one.
    tries: spots tried per contour.
    rounds: contours tried.
  """

  margin: float
  tries: int
  rounds: int


def free_spots(
  keys: np.ndarray, kind: ContourKind, share: np.ndarray, spot: Spot
) -> tuple[Contours, np.ndarray]:
  """Draws large contours, and a place inside each for a smaller object.

  Args:
    keys: uint64[n].
    kind: of the large contours.
    share: float64[n], size of the inner object in units of the large one.
    spot: what counts as free.

  Returns:
    The contours and float64[n, 2], centres in the same units.
  """
  side = share + spot.margin

  def draw(keys, rows):
    large = contours_lib.draw_contours(draws.fold_in(keys, "contour"), kind)
    found, (centres,) = draws.first_accepted(
      draws.fold_in(keys, "spot"),
      _Spots(large, side[rows]).try_once,
      limit=spot.tries,
      at_once=spot.tries,
    )
    accepted = np.zeros(len(keys), bool)
    accepted[found] = True
    all_centres = np.zeros((len(keys), 2))
    all_centres[found] = centres
    return accepted, (large, all_centres)

  found, (large, centres) = draws.first_accepted(
    keys, draw, limit=spot.rounds, at_once=1
  )
  if len(found) < len(keys):
    raise UserError(
      f"generator cannot satisfy: no room in {spot.rounds} contours; report"
      " the name of the data set"
    )
  return large, centres


class _Spots:
  """Tries places inside contours."""

  def __init__(self, large: Contours, side: np.ndarray):
    """Takes n contours and float64[n], the sides of the squares to be free."""
    self._half = ((1 - side) / 2)[:, None]
    self._reach = (side / 2).astype(np.float32)
    self._vertices = large.padded()
    # Few candidates are clear of these, the others need no further look.
    norm = np.abs(self._vertices).max(0)
    inner = np.argpartition(norm, _INNERMOST, axis=1)[:, :_INNERMOST]
    rows = np.arange(len(large))[:, None]
    self._innermost = np.ascontiguousarray(self._vertices[:, rows, inner])

  def try_once(
    self, keys: np.ndarray, rows: np.ndarray
  ) -> tuple[np.ndarray, tuple[np.ndarray]]:
    """A candidate for every row: is it enclosed, and its square empty?"""
    half = self._half.take(rows, axis=0)
    centres = draws.points(keys, -half, half)
    points = centres.T.astype(np.float32)
    accepted = np.arange(len(rows))
    for holds in (self._clear_of_innermost, self._clear, self._enclosed):
      held = holds(rows[accepted], points.take(accepted, axis=1))
      accepted = accepted[held]
    return np.isin(np.arange(len(rows)), accepted), (centres,)

  def _clear_of_innermost(self, rows, points):
    return self._is_empty(self._innermost, rows, points)

  def _clear(self, rows, points):
    return self._is_empty(self._vertices, rows, points)

  def _is_empty(self, vertices, rows, points):
    apart = np.abs(vertices.take(rows, axis=1) - points[:, :, None])
    distance = np.maximum(apart[0], apart[1]).min(1)
    return distance > self._reach[rows]

  def _enclosed(self, rows, points):
    """Whether the ray to -x crosses the contour an odd number of times."""
    x, y = self._vertices.take(rows, axis=1) - points[:, :, None]
    # The padding adds edges without length, which never cross.
    next_x, next_y = np.roll(x, -1, axis=1), np.roll(y, -1, axis=1)
    crossed = ((y > 0) != (next_y > 0)) & ((x < 0) | (next_x < 0))
    return np.count_nonzero(crossed, axis=1) % 2 == 1


def in_contact_inside(
  large: Contours, small: Contours, share: np.ndarray, centres: np.ndarray
) -> np.ndarray:
  """Moves inner objects straight to the wall of the large ones.

  Args:
    large: n contours.
    small: n contours.
    share: float64[n], size of the small ones in units of the large ones.
    centres: float64[n, 2] of the small ones, free spots.

  Returns:
    float64[n, 2], their final centres.
  """
  inner = small.padded() * share.astype(np.float32)[:, None]
  start = centres.T.astype(np.float32)[:, :, None]
  wall, vertex = _closest_pair(large.padded(), inner + start)
  # Relative to the small object's own centre.
  return (wall - (vertex - centres)) * _PULL


def clump(
  keys: np.ndarray, members: Sequence[Contours], sizes: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
  """Puts objects in contact with each other, none inside another.

  Args:
    keys: uint64[n].
    members: n contours each, in the order in which they join.
    sizes: float64[n] of every member.

  Returns:
    Centres float64[n, members, 2] relative to the centre of the clump's box,
    and width and height float64[n, 2] of that box.
  """
  first_size = sizes[0].astype(np.float32)[:, None]
  vertices = members[0].padded() * first_size
  centres = [np.zeros((len(keys), 2))]
  extent = np.repeat(sizes[0][:, None], 2, axis=1)
  for i in range(1, len(members)):
    toward = draws.direction(draws.fold_in(keys, i))
    joining = members[i].padded() * sizes[i].astype(np.float32)[:, None]
    offset = (sizes[i][:, None] + extent) * toward
    centre = _join(vertices, joining, toward, offset)
    centres.append(centre)
    shifted = joining + centre.T.astype(np.float32)[:, :, None]
    vertices = np.concatenate([vertices, shifted], axis=2)
    low, high = vertices.min(2).T, vertices.max(2).T
    middle, extent = (low + high) / 2, high - low
    vertices -= middle.T[:, :, None]
    centres = [each - middle for each in centres]
  return np.stack(centres, axis=1), extent.astype(np.float64)


def _join(
  vertices: np.ndarray,
  joining: np.ndarray,
  toward: np.ndarray,
  offset: np.ndarray,
) -> np.ndarray:
  """Where an object that comes from direction `toward` touches a clump."""
  toward = toward.T.astype(np.float32)[:, :, None]
  shift = offset.T.astype(np.float32)[:, :, None]
  a, b = _closest_pair(
    _facing(vertices, toward), _facing(joining, -toward) + shift
  )
  return (a - (b - offset)) * _PULL


def _facing(vertices: np.ndarray, toward: np.ndarray) -> np.ndarray:
  """Replaces vertices of the half turned away by the last before them."""
  ahead = vertices[0] * toward[0] + vertices[1] * toward[1] > 0
  latest = np.where(ahead, np.arange(ahead.shape[1]), -1)
  np.maximum.accumulate(latest, axis=1, out=latest)
  latest = np.where(latest < 0, latest[:, -1:], latest)
  return np.take_along_axis(vertices, latest[None], axis=2)


def _closest_pair(
  a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """The points of a float32[2, n, i] and b [2, n, j] nearest to each other.

  Vertices are taken in runs, whose boxes are too far apart for most pairs of
  runs to be looked at.
  """
  count = a.shape[1]
  a, b = _runs(a), _runs(b)
  bound = _least_distance(a, b)
  everything = np.arange(count)
  likely = bound.reshape(-1, count).argmin(0) * count + everything
  farthest = _pair_distances(a, b, likely).min((0, 1))
  pairs = np.flatnonzero(bound <= farthest)
  distance = np.concatenate(
    [
      _pair_distances(a, b, pairs[start : start + _BLOCK]).min((0, 1))
      for start in range(0, len(pairs), _BLOCK)
    ]
  )
  order = np.lexsort((distance, pairs % count))
  best = pairs[order[np.searchsorted(pairs[order] % count, everything)]]
  nearest = _pair_distances(a, b, best).reshape(-1, count).argmin(0)
  of_a, of_b = _both_runs(a, b, best)
  of_a = of_a[:, nearest // _RUN, everything]
  of_b = of_b[:, nearest % _RUN, everything]
  return of_a.T.astype(np.float64), of_b.T.astype(np.float64)


def _runs(points: np.ndarray) -> np.ndarray:
  """[2, n, i] as [2, _RUN, runs, n], the last point repeated to fill up."""
  missing = -points.shape[2] % _RUN
  filled = np.pad(points, [(0, 0), (0, 0), (0, missing)], mode="edge")
  runs = filled.reshape(*points.shape[:2], -1, _RUN)
  return np.ascontiguousarray(runs.transpose(0, 3, 2, 1))


def _least_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  """Squared distances [runs of a, runs of b, n] of the boxes of runs."""
  a_low, a_high = a.min(1)[:, :, None], a.max(1)[:, :, None]
  b_low, b_high = b.min(1)[:, None], b.max(1)[:, None]
  gap = np.maximum(a_low - b_high, b_low - a_high)
  np.maximum(gap, 0, out=gap)
  gap *= gap
  return gap[0] + gap[1]


def _pair_distances(
  a: np.ndarray, b: np.ndarray, pairs: np.ndarray
) -> np.ndarray:
  """Squared distances [_RUN, _RUN, m] of the points of pairs of runs."""
  a, b = _both_runs(a, b, pairs)
  apart = a[:, :, None] - b[:, None]
  apart *= apart
  return apart[0] + apart[1]


def _both_runs(
  a: np.ndarray, b: np.ndarray, pairs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Runs [2, _RUN, m] of pairs int64[m], positions in [a runs, b runs, n]."""
  (a_runs, count), b_runs = a.shape[2:], b.shape[2]
  first, second, row = np.unravel_index(pairs, (a_runs, b_runs, count))
  a, b = a.reshape(2, _RUN, -1), b.reshape(2, _RUN, -1)
  return (
    a.take(first * count + row, axis=2),
    b.take(second * count + row, axis=2),
  )


def slots(keys: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, ...]:
  """Places for `number` + 1 nested pairs that keep clear of each other.

  Args:
    keys: uint64[n].
    number: int64[n], 2 or 3.

  Returns:
    Centres float64[n, 4, 2] (the last is void where `number` is 2) and the
    largest sizes float64[n, 4] of which boxes never overlap.
  """
  used = np.arange(4) <= number[:, None]
  least = np.minimum(0.9 / (number + 1), 0.3)
  corner = (least / 2)[:, None, None]

  def draw(keys, rows):
    candidate = draws.points(
      draws.fold_in(keys[:, None], np.arange(4)), corner[rows], 1 - corner[rows]
    )
    nearest = _nearest(candidate, used[rows])
    return (nearest > least[rows, None]).all(1), (candidate,)

  _, (centres,) = draws.first_accepted(keys, draw)
  to_edge = np.minimum(centres, 1 - centres).min(2)
  return centres, np.minimum(2 * to_edge, _nearest(centres, used))


def _nearest(centres: np.ndarray, used: np.ndarray) -> np.ndarray:
  """Chebyshev distance to the nearest other used slot; inf if not used."""
  apart = np.abs(centres[:, :, None] - centres[:, None]).max(3)
  apart[:, np.arange(4), np.arange(4)] = np.inf
  pairs = used[:, :, None] & used[:, None]
  return np.where(pairs, apart, np.inf).min(2)


def box_in_picture(keys: np.ndarray, extent: np.ndarray) -> np.ndarray:
  """Centres float64[n, 2] of boxes of width and height float64[n, 2]."""
  return draws.points(keys, extent / 2, 1 - extent / 2)


def group(keys: np.ndarray, extent: np.ndarray) -> np.ndarray:
  """Centres float64[n, 2] of groups of width and height float64[n, 2]."""
  return box_in_picture(keys, _ROOM * extent)


def groups(
  keys: np.ndarray, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Places two groups of objects apart, after at most 1100 tries.

  Args:
    keys: uint64[n].
    first: float64[n, 2], width and height of the first group's box.
    second: the same of the second.

  Returns:
    Centres float64[n, 2] of both.
  """
  first, second = _ROOM * first, _ROOM * second

  def draw(keys, rows):
    a = box_in_picture(draws.fold_in(keys, 0), first[rows])
    b = box_in_picture(draws.fold_in(keys, 1), second[rows])
    apart = np.abs(a - b) > (first[rows] + second[rows]) / 2
    return apart.any(1), (a, b)

  found, (placed_a, placed_b) = draws.first_accepted(keys, draw, _GROUP_TRIES)
  # The published generator then takes the first position of the last hundred.
  everything = np.arange(len(keys))
  last = draws.fold_in(keys, _GROUP_TRIES - 100)
  _, (a, b) = draw(last, everything)
  a[found], b[found] = placed_a, placed_b
  return a, b


def box_apart(
  keys: np.ndarray, centre: np.ndarray, size: np.ndarray, other: np.ndarray
) -> np.ndarray:
  """Centres of square boxes of size `size` that do not overlap given ones.

  Args:
    keys: uint64[n].
    centre: float64[n, 2] of the given boxes.
    size: float64[n], sides of the boxes to place.
    other: float64[n], sides of the given boxes.
  """
  extent = np.repeat(size[:, None], 2, axis=1)

  def draw(keys, rows):
    candidate = box_in_picture(keys, extent[rows])
    distance = np.abs(candidate - centre[rows]).max(1)
    return distance > ((size + other) / 2)[rows], (candidate,)

  _, (centres,) = draws.first_accepted(keys, draw)
  return centres
