"""Objects in contact: brought together where two vertices are nearest."""

from collections.abc import Sequence

import numpy as np

from structcomp_jax.tasks.shapes import draws
from structcomp_jax.tasks.shapes.contours import Contours

# An object that was brought into contact is pulled back by 1/32 of its
# distance, which makes good what is lost by truncation to pixels.
_PULL = 1 - 4 / 128
# Consecutive vertices of which only the box is looked at first.
_RUN = 32
# Pairs of runs that are looked at in one go, few enough for the cache.
_BLOCK = 256


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
