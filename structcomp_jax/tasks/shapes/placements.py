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
# Farther away than anything in a picture.
_FAR = np.float32(1e6)
# Groups of objects get this much more room than their box.
_ROOM = 1.1
# How often two groups are placed before they may overlap.
_GROUP_TRIES = 1100
# Distances of about this many pairs of vertices are computed at a time.
_PAIRS = 1 << 20


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
      lambda keys, inner: _try_spots(keys, large[inner], side[rows[inner]]),
      spot.tries,
    )
    accepted = np.zeros(len(keys), bool)
    accepted[found] = True
    all_centres = np.zeros((len(keys), 2))
    all_centres[found] = centres
    return accepted, (large, all_centres)

  found, (large, centres) = draws.first_accepted(keys, draw, spot.rounds)
  if len(found) < len(keys):
    raise UserError(
      f"generator cannot satisfy: no room in {spot.rounds} contours; report"
      " the name of the data set"
    )
  return large, centres


def _try_spots(
  keys: np.ndarray, large: Contours, side: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray]]:
  """One candidate per contour: is it enclosed, and its square empty?"""
  half = ((1 - side) / 2)[:, None]
  centres = draws.points(keys, -half, half)
  x, y = large.padded() - centres.T.astype(np.float32)[:, :, None]
  reach = (side / 2).astype(np.float32)[:, None]
  empty = ~((np.abs(x) <= reach) & (np.abs(y) <= reach)).any(1)
  # The ray to -x; the padding adds edges without length, which never cross.
  next_x, next_y = _following(x), _following(y)
  crossed = ((y > 0) != (next_y > 0)) & ((x < 0) | (next_x < 0))
  return empty & (crossed.sum(1) % 2 == 1), (centres,)


def _following(values: np.ndarray) -> np.ndarray:
  return np.roll(values, -1, axis=1)


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
  x, y = toward.T.astype(np.float32)[:, :, None]
  facing = x * vertices[0] + y * vertices[1] > 0
  turned = x * joining[0] + y * joining[1] < 0
  shift = offset.T.astype(np.float32)[:, :, None]
  a, b = _closest_pair(
    np.where(facing, vertices, _FAR), np.where(turned, joining + shift, -_FAR)
  )
  return (a - (b - offset)) * _PULL


def _closest_pair(
  a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """The points of a float32[2, n, i] and b [2, n, j] nearest to each other."""
  count, width = a.shape[1], b.shape[2]
  block = max(1, _PAIRS // (a.shape[2] * width))
  nearest = np.empty(count, np.int64)
  for start in range(0, count, block):
    rows = slice(start, start + block)
    dx = a[0, rows, :, None] - b[0, rows, None, :]
    dy = a[1, rows, :, None] - b[1, rows, None, :]
    dx *= dx
    dy *= dy
    dx += dy
    nearest[rows] = dx.reshape(len(dx), -1).argmin(1)
  rows = np.arange(count)
  i, j = nearest // width, nearest % width
  return a[:, rows, i].T.astype(np.float64), b[:, rows, j].T.astype(np.float64)


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
