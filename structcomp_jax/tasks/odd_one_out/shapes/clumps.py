"""Brings objects into contact where their vertices are nearest."""

from collections.abc import Sequence

import numpy as np

from structcomp_jax.tasks.odd_one_out.shapes import draws
from structcomp_jax.tasks.odd_one_out.shapes.contours import Contours

# The distance of an object in contact from the centre of the others is reduced
# by 1/32, which makes up for the truncation of coordinates to pixels.
_PULL = 1 - 4 / 128
# `closest_pair` first compares boxes of consecutive vertices: so many vertices
# make a run, and so many runs make a group.
_RUN = 16
_GROUP = 4
# Pairs of runs that are compared at once: few enough for the processor's cache.
_BLOCK = 1024


def in_contact_inside(
  large: Contours, small: Contours, share: np.ndarray, centres: np.ndarray
) -> np.ndarray:
  """Moves inner objects to the nearest point of the outline around them.

  Args:
    large: n contours.
    small: n contours.
    share: float64[n], size of the small ones in units of the large ones.
    centres: float64[n, 2], free spots at which the small ones begin.

  Returns:
    float64[n, 2], their final centres.
  """
  inner = small.padded() * share.astype(np.float32)[:, None]
  start = centres.T.astype(np.float32)[:, :, None]
  wall, vertex = closest_pair(large.padded(), inner + start)
  # vertex - centres is the vertex relative to the centre of its own object.
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
  """Returns where an object touches a clump if it comes from one direction.

  Args:
    vertices: float32[2, n, i] of the clumps.
    joining: float32[2, n, j] of the objects, around their own centres.
    toward: float64[n, 2], from the clumps to the objects.
    offset: float64[n, 2], centres from which the objects come.

  Returns:
    float64[n, 2], their centres in contact.
  """
  toward = toward.T.astype(np.float32)[:, :, None]
  shift = offset.T.astype(np.float32)[:, :, None]
  a, b = closest_pair(
    _facing(vertices, toward), _facing(joining, -toward) + shift
  )
  return (a - (b - offset)) * _PULL


def _facing(vertices: np.ndarray, toward: np.ndarray) -> np.ndarray:
  """Replaces vertices on the far side by the last one before on the near side.

  Args:
    vertices: float32[2, n, i].
    toward: float32[2, n, 1], the direction in which the near side lies.
  """
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
  # The nearest vertices are no farther apart than the first ones of two runs.
  first = a[:, 0, :, None] - b[:, 0, None]
  first *= first
  reach = (first[0] + first[1]).min((0, 1))
  a_groups, b_groups, rows = np.nonzero(bound <= reach)
  pairs = _pairs_of_runs(a_groups, b_groups, rows, count)
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
  from_a = _take(a, pairs[0])[:, nearest // _RUN, np.arange(count)]
  from_b = _take(b, pairs[1])[:, nearest % _RUN, np.arange(count)]
  return from_a.T.astype(np.float64), from_b.T.astype(np.float64)


def _runs(points: np.ndarray) -> np.ndarray:
  """Returns points [2, n, i] as [2, _RUN, runs, n], filled up with the last."""
  missing = -points.shape[2] % (_RUN * _GROUP)
  filled = np.pad(points, [(0, 0), (0, 0), (0, missing)], mode="edge")
  runs = filled.reshape(*points.shape[:2], -1, _RUN)
  return np.ascontiguousarray(runs.transpose(0, 3, 2, 1))


def _boxes(runs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns the lower and the upper corners of all runs, [2, runs, n]."""
  return runs.min(1), runs.max(1)


def _group_distances(
  a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
  """Returns squared distances of boxes [groups of a, groups of b, n]."""
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
  """Returns the squared distances of boxes with corners [2, ...]."""
  gap = np.maximum(a_low - b_high, b_low - a_high)
  np.maximum(gap, 0, out=gap)
  gap *= gap
  return gap[0] + gap[1]


def _pairs_of_runs(
  first: np.ndarray, second: np.ndarray, rows: np.ndarray, count: int
) -> np.ndarray:
  """Returns the addresses int64[2, 16 m] of all runs in m pairs of groups."""
  i, j = np.divmod(np.arange(_GROUP**2)[:, None], _GROUP)
  return np.stack(
    [
      ((first * _GROUP + i) * count + rows).ravel(),
      ((second * _GROUP + j) * count + rows).ravel(),
    ]
  )


def _take(values: np.ndarray, addresses: np.ndarray) -> np.ndarray:
  """Returns the values [..., m] that have m addresses in [..., runs, n]."""
  return values.reshape(*values.shape[:-2], -1).take(addresses, axis=-1)


def _distances(a: np.ndarray, b: np.ndarray, pairs: np.ndarray) -> np.ndarray:
  """Returns squared distances [_RUN, _RUN, m] of points in m pairs of runs."""
  apart = _take(a, pairs[0])[:, :, None] - _take(b, pairs[1])[:, None]
  apart *= apart
  return apart[0] + apart[1]
