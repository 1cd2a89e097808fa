"""Objects in contact: brought together where two vertices are nearest."""

from collections.abc import Sequence

import numpy as np

from structcomp_jax.tasks.odd_one_out.shapes import draws
from structcomp_jax.tasks.odd_one_out.shapes.contours import Contours

# An object that was brought into contact is pulled back by 1/32 of its
# distance, which makes good what is lost by truncation to pixels.
_PULL = 1 - 4 / 128
# Consecutive vertices, and consecutive runs of them, of which only the box is
# looked at first.
_RUN = 16
_GROUP = 4
# Pairs of runs that are looked at in one go, few enough for the cache.
_BLOCK = 1024


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
  wall, vertex = closest_pair(large.padded(), inner + start)
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
  a, b = closest_pair(
    _facing(vertices, toward), _facing(joining, -toward) + shift
  )
  return (a - (b - offset)) * _PULL


def _facing(vertices: np.ndarray, toward: np.ndarray) -> np.ndarray:
  """Replaces vertices of the half turned away by the last before them."""
  count, width = vertices.shape[1:]
  ahead = vertices[0] * toward[0] + vertices[1] * toward[1] > 0
  latest = np.where(ahead, np.arange(width), -1)
  np.maximum.accumulate(latest, axis=1, out=latest)
  latest = np.where(latest < 0, latest[:, -1:], latest)
  latest += np.arange(0, count * width, width)[:, None]
  return vertices.reshape(2, -1).take(latest, axis=1)


def closest_pair(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns, row by row, the point of `a` and the point of `b` nearest to it.

  Vertices are taken in runs, and runs in groups. Most pairs of groups have
  boxes so far apart that their vertices need not be compared. Run (or group)
  number i of row r has the address i * n + r.

  Args:
    a: float32[2, n, i], i points in each of n rows.
    b: float32[2, n, j], j points in each of n rows.

  Returns:
    Two arrays float64[n, 2].
  """
  count = a.shape[1]
  a, b = _runs(a), _runs(b)
  a_boxes, b_boxes = _boxes(a), _boxes(b)
  bound = _group_distances(a_boxes, b_boxes)
  # No farther apart than the first vertices of any two runs.
  first = a[:, 0, :, None] - b[:, 0, None]
  first *= first
  reach = (first[0] + first[1]).min((0, 1))
  groups_of_a, groups_of_b, rows = np.nonzero(bound <= reach)
  pairs = _runs_of_groups(groups_of_a, groups_of_b, rows, count)
  gap = _gap_squared(
    *(_take(box, pairs[0]) for box in a_boxes),
    *(_take(box, pairs[1]) for box in b_boxes),
  )
  pairs = pairs[:, gap <= reach[pairs[0] % count]]
  distance = np.concatenate(
    [
      _distances(a, b, pairs[:, start : start + _BLOCK]).min((0, 1))
      for start in range(0, pairs.shape[1], _BLOCK)
    ]
  )
  rows = pairs[0] % count
  order = np.lexsort((distance, rows))
  pairs = pairs[:, order[np.searchsorted(rows[order], np.arange(count))]]
  nearest = _distances(a, b, pairs).reshape(-1, count).argmin(0)
  of_a = _take(a, pairs[0])[:, nearest // _RUN, np.arange(count)]
  of_b = _take(b, pairs[1])[:, nearest % _RUN, np.arange(count)]
  return of_a.T.astype(np.float64), of_b.T.astype(np.float64)


def _runs(points: np.ndarray) -> np.ndarray:
  """[2, n, i] as [2, _RUN, runs, n], the last point repeated to fill up."""
  missing = -points.shape[2] % (_RUN * _GROUP)
  filled = np.pad(points, [(0, 0), (0, 0), (0, missing)], mode="edge")
  runs = filled.reshape(*points.shape[:2], -1, _RUN)
  return np.ascontiguousarray(runs.transpose(0, 3, 2, 1))


def _boxes(runs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Lower and upper corners [2, runs, n]."""
  return runs.min(1), runs.max(1)


def _group_distances(
  a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
  """Squared distances [groups of a, groups of b, n] of boxes."""
  a_low, a_high, b_low, b_high = (
    box.reshape(2, -1, _GROUP, box.shape[2]) for box in (*a, *b)
  )
  return _gap_squared(
    a_low.min(2)[:, :, None],
    a_high.max(2)[:, :, None],
    b_low.min(2)[:, None],
    b_high.max(2)[:, None],
  )


def _gap_squared(
  a_low: np.ndarray, a_high: np.ndarray, b_low: np.ndarray, b_high: np.ndarray
) -> np.ndarray:
  """Squared distances of boxes with corners [2, ...]."""
  gap = np.maximum(a_low - b_high, b_low - a_high)
  np.maximum(gap, 0, out=gap)
  gap *= gap
  return gap[0] + gap[1]


def _runs_of_groups(
  first: np.ndarray, second: np.ndarray, rows: np.ndarray, count: int
) -> np.ndarray:
  """Addresses int64[2, 16 m] of the pairs of runs of m pairs of groups."""
  i, j = np.divmod(np.arange(_GROUP**2)[:, None], _GROUP)
  return np.stack(
    [
      ((first * _GROUP + i) * count + rows).ravel(),
      ((second * _GROUP + j) * count + rows).ravel(),
    ]
  )


def _take(values: np.ndarray, addresses: np.ndarray) -> np.ndarray:
  """Those [..., m] of values [..., runs, n]."""
  return values.reshape(*values.shape[:-2], -1).take(addresses, axis=-1)


def _distances(a: np.ndarray, b: np.ndarray, pairs: np.ndarray) -> np.ndarray:
  """Squared distances [_RUN, _RUN, m] of the points of pairs of runs."""
  apart = _take(a, pairs[0])[:, :, None] - _take(b, pairs[1])[:, None]
  apart *= apart
  return apart[0] + apart[1]
