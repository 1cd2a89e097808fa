"""Random closed contours: four anchors joined by midpoint displacement.

Follows the shapes of the CVR benchmark (Zerroug et al. 2022) with the step
limits and holes of the tasks of Lepori, Serre & Pavlick 2023. All arcs of all
shapes are refined together, level by level, and a shape is given up as soon
as one of its points leaves the ring.
"""

import dataclasses

import numpy as np

from structcomp_jax.tasks.shapes import draws

_RADIUS = np.float32(0.5)
_QUADRANTS = np.array([[1, -1, -1, 1], [1, 1, -1, -1]], np.float32)
# The displacement of a midpoint is at most the length of its segment over 5.
_REACH = np.float32(1 / 5)


@dataclasses.dataclass(frozen=True)
class ContourKind:
  """Attributes: step, the largest |dx| or |dy| of an edge; hole, the radius
  of the disc around the origin without vertices. The outer radius is 0.5."""

  step: float
  hole: float


@dataclasses.dataclass(frozen=True)
class Contours:
  """Closed polygons of different lengths.

  Attributes:
    points: float32[2, total], x and y of the vertices, polygon by polygon.
    starts: int64[n + 1], where every polygon begins, and the total.
  """

  points: np.ndarray
  starts: np.ndarray

  def __len__(self) -> int:
    return len(self.starts) - 1

  @property
  def lengths(self) -> np.ndarray:
    return np.diff(self.starts)

  def __getitem__(self, indices: np.ndarray) -> "Contours":
    lengths = self.lengths[indices]
    starts = _starts(lengths)
    rows = np.repeat(self.starts[indices] - starts[:-1], lengths)
    rows += np.arange(len(rows))
    return Contours(self.points.take(rows, axis=1), starts)

  @classmethod
  def concatenate(cls, parts: "tuple[Contours, ...]") -> "Contours":
    return cls(
      np.concatenate([part.points for part in parts], axis=1),
      _starts(np.concatenate([part.lengths for part in parts])),
    )

  def padded(self) -> np.ndarray:
    """float32[2, n, longest]; the last vertex is repeated to fill up."""
    lengths = self.lengths
    columns = np.arange(lengths.max(initial=1))
    columns = np.minimum(columns, lengths[:, None] - 1)
    return self.points.take(self.starts[:-1, None] + columns, axis=1)

  def spread(self, values: np.ndarray) -> np.ndarray:
    """Repeats values [..., n] of the polygons for each of their vertices."""
    return np.repeat(values, self.lengths, axis=-1)


def draw_contours(keys: np.ndarray, kind: ContourKind) -> Contours:
  """Draws a contour for every key, stretched to the box [-0.5, 0.5]^2."""

  def draw(keys, rows):
    del rows
    return _draw_once(keys, kind)

  if not keys.size:
    return Contours(np.zeros((2, 0), np.float32), np.zeros(1, np.int64))
  _, (contours,) = draws.first_accepted(keys, draw)
  rotation = draws.direction(draws.fold_in(keys, "rotation"))
  return _normalised(_rotated(contours, rotation.astype(np.float32).T))


def _draw_once(
  keys: np.ndarray, kind: ContourKind
) -> tuple[np.ndarray, tuple[Contours]]:
  """One try per key: bool[n], which stayed in the ring, and their shapes.

  A segment is split until it is short. The levels are kept as a forest whose
  leaves, from left to right, are the edges of the shapes.
  """
  first = _anchors(keys, kind)
  last = np.roll(first.reshape(2, -1, 4), -1, axis=2).reshape(2, -1)
  segment_keys = draws.fold_in(keys[:, None], np.arange(4)).ravel()
  shape = np.repeat(np.arange(len(keys), dtype=np.int32), 4)
  alive = np.ones(len(keys), bool)
  levels = []
  while True:
    across = np.abs(first - last)
    split = np.maximum(across[0], across[1]) > np.float32(kind.step)
    split &= alive[shape]
    rows = np.flatnonzero(split)
    levels.append((first, shape, rows))
    if not rows.size:
      return alive, (_leaves(levels, alive),)
    first, last = first.take(rows, axis=1), last.take(rows, axis=1)
    middle, segment_keys = _midpoints(segment_keys[rows], first, last)
    shape = shape[rows]
    squared = _squared(middle)
    inside = (squared >= np.float32(kind.hole) ** 2) & (squared < _RADIUS**2)
    alive[shape[~inside]] = False
    first, last = _interleave(first, middle), _interleave(middle, last)
    segment_keys = _interleave(segment_keys, segment_keys + draws.GOLDEN)
    shape = np.repeat(shape, 2)


def _anchors(keys: np.ndarray, kind: ContourKind) -> np.ndarray:
  """float32[2, 4 n]: a point in the ring in each quadrant in turn."""

  def draw(keys, rows):
    del rows
    candidate = draws.points(keys, 0.0, 0.5).astype(np.float32)
    squared = _squared(candidate.T)
    inside = (squared >= np.float32(kind.hole) ** 2) & (squared < _RADIUS**2)
    return inside, (candidate,)

  anchor_keys = draws.fold_in(keys, "anchors")
  anchor_keys = draws.fold_in(anchor_keys[:, None], np.arange(4)).ravel()
  _, (magnitudes,) = draws.first_accepted(anchor_keys, draw)
  return magnitudes.T * np.tile(_QUADRANTS, len(keys))


def _midpoints(
  keys: np.ndarray, first: np.ndarray, last: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Displaced midpoints float32[2, n], and keys for what follows."""
  middle = (first + last) * np.float32(0.5)
  reach = np.sqrt(_squared(first - last)) * _REACH
  keys = draws.mix(keys)
  shift = _square(keys)
  result = middle + shift * reach
  pending = np.flatnonzero(~_valid(shift, result))
  while pending.size:
    keys[pending] = draws.mix(keys[pending] + draws.GOLDEN)
    shift = _square(keys[pending])
    again = middle.take(pending, axis=1) + shift * reach[pending]
    result[0][pending], result[1][pending] = again
    pending = pending[~_valid(shift, again)]
  return result, keys


def _valid(shift: np.ndarray, point: np.ndarray) -> np.ndarray:
  """Whether a displacement is in the unit disc and its point in the outer."""
  return (_squared(shift) <= 1) & (_squared(point) <= _RADIUS**2)


def _square(keys: np.ndarray) -> np.ndarray:
  """float32[2, n], uniform in [-1, 1]^2, from the halves of the keys."""
  halves = keys.view(np.int32).reshape(-1, 2).T
  return halves.astype(np.float32, order="C") * np.float32(2.0**-31)


def _squared(points: np.ndarray) -> np.ndarray:
  return points[0] * points[0] + points[1] * points[1]


def _interleave(even: np.ndarray, odd: np.ndarray) -> np.ndarray:
  result = np.empty((*even.shape[:-1], 2 * even.shape[-1]), even.dtype)
  result[..., 0::2] = even
  result[..., 1::2] = odd
  return result


def _leaves(
  levels: list[tuple[np.ndarray, np.ndarray, np.ndarray]], alive: np.ndarray
) -> Contours:
  """Contours of the first points of all leaves; none for a dead shape.

  Args:
    levels: (first points [2, m], shape [m], rows that are split) from the
      roots down; the children of the j-th split row are 2j and 2j + 1.
    alive: bool[n].
  """
  counts = []
  for _, shape, rows in reversed(levels):
    count = alive[shape].astype(np.int64)
    if counts:
      count[rows] = counts[-1][0::2] + counts[-1][1::2]
    counts.append(count)
  counts.reverse()
  offset = _starts(counts[0])
  points = np.empty((2, offset[-1]), np.float32)
  offset = offset[:-1]
  for level, (first, shape, rows) in enumerate(levels):
    is_leaf = alive[shape]
    is_leaf[rows] = False
    leaves = np.flatnonzero(is_leaf)
    places = offset[leaves]
    points[0][places], points[1][places] = first.take(leaves, axis=1)
    if rows.size:
      left = offset[rows]
      offset = _interleave(left, left + counts[level + 1][0::2])
  return Contours(points, _starts(counts[0].reshape(-1, 4).sum(1)))


def _rotated(contours: Contours, rotation: np.ndarray) -> Contours:
  """Turns every shape by the angle of its unit vector float32[2, n]."""
  cosine, sine = contours.spread(rotation)
  x, y = contours.points
  return Contours(
    np.stack([x * cosine - y * sine, x * sine + y * cosine]), contours.starts
  )


def _normalised(contours: Contours) -> Contours:
  """Stretches every shape, x and y separately, to the box [-0.5, 0.5]^2."""
  starts = contours.starts[:-1]
  low = np.minimum.reduceat(contours.points, starts, axis=1)
  high = np.maximum.reduceat(contours.points, starts, axis=1)
  points = contours.points - contours.spread((low + high) / 2)
  return Contours(points / contours.spread(high - low), contours.starts)


def _starts(lengths: np.ndarray) -> np.ndarray:
  return np.concatenate([[0], np.cumsum(lengths)])
