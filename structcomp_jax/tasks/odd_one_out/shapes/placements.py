"""Places single objects and groups of objects in a picture."""

import numpy as np

from structcomp_jax.tasks.odd_one_out.shapes import draws

# A group of objects gets the room of its box times this.
_ROOM = 1.1
# How often two groups are placed before they may overlap.
_GROUP_TRIES = 1100
# Places for nested pairs in a picture.
MAX_SLOTS = 5


def slots(keys: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, ...]:
  """Draws places for nested pairs that keep clear of each other.

  Args:
    keys: uint64[n].
    number: int64[n], how many slots are wanted, at most MAX_SLOTS.

  Returns:
    Centres float64[n, MAX_SLOTS, 2], of which those from `number` on mean
    nothing, and float64[n, MAX_SLOTS], the largest sizes at which boxes do not
    overlap, 0 from `number` on.
  """
  used = np.arange(MAX_SLOTS) < number[:, None]
  least = np.minimum(0.9 / number, 0.3)
  corner = (least / 2)[:, None, None]

  def draw(keys, rows):
    candidate = draws.points(
      draws.fold_in(keys[:, None], np.arange(MAX_SLOTS)),
      corner[rows],
      1 - corner[rows],
    )
    nearest = _nearest(candidate, used[rows])
    return (nearest > least[rows, None]).all(1), (candidate,)

  _, (centres,) = draws.first_accepted(keys, draw)
  to_edge = np.minimum(centres, 1 - centres).min(2)
  limit = np.minimum(2 * to_edge, _nearest(centres, used))
  return centres, np.where(used, limit, 0.0)


def _nearest(centres: np.ndarray, used: np.ndarray) -> np.ndarray:
  """Returns the Chebyshev distance to the nearest other slot in use.

  Args:
    centres: float64[n, MAX_SLOTS, 2].
    used: bool[n, MAX_SLOTS].

  Returns:
    float64[n, MAX_SLOTS], infinite for slots that are not in use.
  """
  apart = np.abs(centres[:, :, None] - centres[:, None]).max(3)
  others = used[:, :, None] & used[:, None] & ~np.eye(MAX_SLOTS, dtype=bool)
  return np.where(others, apart, np.inf).min(2)


def box_in_picture(keys: np.ndarray, extent: np.ndarray) -> np.ndarray:
  """Draws centres float64[n, 2] of boxes with sides `extent` float64[n, 2]."""
  return draws.points(keys, extent / 2, 1 - extent / 2)


def group(keys: np.ndarray, extent: np.ndarray) -> np.ndarray:
  """Draws centres float64[n, 2] of groups with sides `extent` float64[n, 2]."""
  return box_in_picture(keys, _ROOM * extent)


def groups(
  keys: np.ndarray, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Draws places for two groups of objects, apart unless 1100 tries fail.

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
  # After as many tries, the generator of Lepori et al. 2023 takes the first
  # position of the last hundred, though the groups overlap there.
  everything = np.arange(len(keys))
  last = draws.fold_in(keys, _GROUP_TRIES - 100)
  _, (a, b) = draw(last, everything)
  a[found], b[found] = placed_a, placed_b
  return a, b


def box_apart(
  keys: np.ndarray, centre: np.ndarray, size: np.ndarray, other: np.ndarray
) -> np.ndarray:
  """Draws centres of square boxes that do not overlap given ones.

  Args:
    keys: uint64[n].
    centre: float64[n, 2], centres of the given boxes.
    size: float64[n], sides of the boxes to place.
    other: float64[n], sides of the given boxes.

  Returns:
    float64[n, 2].
  """
  extent = np.repeat(size[:, None], 2, axis=1)

  def draw(keys, rows):
    candidate = box_in_picture(keys, extent[rows])
    distance = np.abs(candidate - centre[rows]).max(1)
    return distance > ((size + other) / 2)[rows], (candidate,)

  _, (centres,) = draws.first_accepted(keys, draw)
  return centres
