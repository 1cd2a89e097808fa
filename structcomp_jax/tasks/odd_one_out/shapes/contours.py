"""Random closed contours: four anchors joined by midpoint displacement.

Follows the shapes of the CVR benchmark (Zerroug et al. 2022) with the step
limits and holes of the tasks of Lepori, Serre & Pavlick 2023. All arcs of all
shapes are refined together, level by level, and a shape is given up as soon
as one of its points leaves the ring.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from structcomp_jax.tasks.odd_one_out.shapes import draws

_RADIUS = np.float32(0.5)
_QUADRANTS = np.array([[1, -1, -1, 1], [1, 1, -1, -1]], np.float32)
# A midpoint is displaced by at most a fifth of the length of its segment.
_REACH = np.float32(1 / 5)
# Added to the key of the first half of a segment, it gives that of the second.
_OTHER_HALF = np.uint64(0xD1342543DE82EF95)
# If fewer points than this are wanted, each is tried several times at once.
_MANY = 1024
# Shapes that were given up are removed once the share of others is below this.
_FULL = 0.9


@dataclasses.dataclass(frozen=True)
class ContourKind:
  """What contours are like; their outer radius is 0.5.

  Attributes:
    step: largest |dx| or |dy| of an edge.
    hole: radius of the disc around the origin without vertices.
    tries: how many are drawn at a time when few are wanted: about as many as
      it takes until one stays clear of the hole.
    batch: the most that are drawn at a time: few enough for the processor's
      cache.
  """

  step: float
  hole: float
  tries: int
  batch: int


@dataclasses.dataclass(frozen=True)
class Contours:
  """Closed polygons of different lengths.

  Attributes:
    points: float32[2, total], x and y of the vertices, polygon by polygon.
    starts: int64[n + 1], where every polygon begins, then the total.
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
    """Returns float32[2, n, longest], filled up with the last vertices."""
    lengths = self.lengths
    columns = np.arange(lengths.max(initial=1))
    columns = np.minimum(columns, lengths[:, None] - 1)
    return self.points.take(self.starts[:-1, None] + columns, axis=1)

  def spread(self, values: np.ndarray) -> np.ndarray:
    """Repeats values [..., n] of the polygons for each of their vertices."""
    return np.repeat(values, self.lengths, axis=-1)


def draw_contours(keys: np.ndarray, kind: ContourKind) -> Contours:
  """Draws a contour for every key and fits it into the box [-0.5, 0.5]^2.

  Args:
    keys: uint64[n].
    kind: what the contours are like.

  Returns:
    n contours.
  """
  if not keys.size:
    return Contours(np.zeros((2, 0), np.float32), np.zeros(1, np.int64))
  _, (contours,) = draws.first_accepted(
    keys, lambda keys, rows: draw_tries(keys, kind), at_once=kind.tries
  )
  rotation = draws.direction(draws.fold_in(keys, "rotation"))
  return _stretched(contours, rotation.astype(np.float32).T)


def draw_tries(
  keys: np.ndarray, kind: ContourKind
) -> tuple[np.ndarray, tuple[Contours]]:
  """Tries to draw one contour per key.

  Args:
    keys: uint64[n].
    kind: what the contours are like.

  Returns:
    bool[n], whether each try stayed in the ring, and the n contours. The
    contour of a try that left the ring means nothing.
  """
  parts = [
    _draw_once(keys[start : start + kind.batch], kind)
    for start in range(0, len(keys), kind.batch)
  ]
  accepted, contours = zip(*parts, strict=True)
  return np.concatenate(accepted), (Contours.concatenate(contours),)


def _draw_once(
  keys: np.ndarray, kind: ContourKind
) -> tuple[np.ndarray, Contours]:
  """Tries to draw one contour per key, of one batch; see `draw_tries`."""
  ends, segment_keys = _anchors(keys, kind)
  forest = _Forest()
  tries = np.arange(len(keys))  # the tries whose shapes are in the forest
  alive = np.ones(len(keys), bool)
  while True:
    across = np.abs(ends[:2] - ends[2:]).max(0)
    halved = np.flatnonzero(across > np.float32(kind.step))
    forest.grow(ends[:2], halved)
    if not halved.size:
      break
    ends = ends.take(halved, axis=1)
    middles, segment_keys = _midpoints(ends, segment_keys.take(halved))
    alive[forest.trees_of(np.flatnonzero(~_in_ring(middles, kind)))] = False
    if np.count_nonzero(alive) < _FULL * len(alive):
      kept = forest.prune(alive)
      ends, middles = ends.take(kept, axis=1), middles.take(kept, axis=1)
      segment_keys = segment_keys.take(kept)
      tries, alive = tries[alive], alive[alive]
    ends = _halves(ends, middles)
    segment_keys = np.concatenate([segment_keys, segment_keys + _OTHER_HALF])
  points, lengths = forest.leaves()
  all_lengths = np.zeros(len(keys), np.int64)
  all_lengths[tries] = lengths
  accepted = np.zeros(len(keys), bool)
  accepted[tries] = alive
  return accepted, Contours(points, _starts(all_lengths))


def _anchors(
  keys: np.ndarray, kind: ContourKind
) -> tuple[np.ndarray, np.ndarray]:
  """Draws a point in each quadrant.

  Returns segments float32[4, 4 n] (x, y, x, y) between them, and their keys.
  """

  def place(square, corners):
    points = np.abs(square) * corners
    return points, _in_ring(points, kind)

  corners = np.tile(_QUADRANTS * _RADIUS, len(keys))
  keys = draws.fold_in(keys[:, None], np.arange(4)).ravel()
  first, keys = _first_valid(keys, place, corners)
  last = np.roll(first.reshape(2, -1, 4), -1, axis=2).reshape(2, -1)
  return np.concatenate([first, last]), keys


def _midpoints(
  ends: np.ndarray, keys: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Returns displaced midpoints float32[2, n] of segments, and their keys."""

  def place(square, middle, reach):
    points = square * reach
    points += middle
    valid = _squared(square) <= 1
    valid &= _squared(points) <= _RADIUS**2
    return points, valid

  middle = (ends[:2] + ends[2:]) * np.float32(0.5)
  reach = np.sqrt(_squared(ends[:2] - ends[2:])) * _REACH
  return _first_valid(keys, place, middle, reach)


def _halves(ends: np.ndarray, middles: np.ndarray) -> np.ndarray:
  """Returns float32[4, 2 n]: all first halves of segments, then all second."""
  count = ends.shape[1]
  halves = np.empty((4, 2 * count), np.float32)
  halves[:2, :count] = ends[:2]
  halves[2:, :count] = middles
  halves[:2, count:] = middles
  halves[2:, count:] = ends[2:]
  return halves


def _first_valid(
  keys: np.ndarray,
  place: Callable[..., tuple[np.ndarray, np.ndarray]],
  *arguments: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
  """Draws points in a square until what `place` makes of each is valid.

  Args:
    keys: uint64[n].
    place: takes points float32[2, m], uniform in [-1, 1]^2, and the entries of
      `arguments` that belong to m of the keys. Returns points float32[2, m],
      and whether they are valid, bool[m].
    *arguments: arrays [..., n], one entry per key.

  Returns:
    Points float32[2, n], and the keys from which they were drawn.
  """
  found_keys = draws.mix(keys)
  points, valid = place(_square(found_keys), *arguments)
  pending, tried = np.flatnonzero(~valid), 1
  while pending.size:
    # If few points are left, several tries at a time need fewer NumPy calls.
    width = 1 if pending.size > _MANY else 8
    attempts = draws.GOLDEN * np.arange(tried, tried + width, dtype=np.uint64)
    again_keys = draws.mix(keys.take(pending)[:, None] + attempts).ravel()
    rows = np.repeat(pending, width)
    again, valid = place(
      _square(again_keys), *(each.take(rows, axis=-1) for each in arguments)
    )
    valid = valid.reshape(-1, width)
    found = valid.any(1)
    first = np.flatnonzero(found) * width + valid.argmax(1)[found]
    done = pending[found]
    found_keys[done] = again_keys[first]
    points[0][done], points[1][done] = again.take(first, axis=1)
    pending = pending[~found]
    tried += width
  return points, found_keys


def _square(keys: np.ndarray) -> np.ndarray:
  """Returns float32[2, n], uniform in [-1, 1]^2, from the halves of keys."""
  halves = keys.view(np.int32).reshape(-1, 2).T
  return halves.astype(np.float32, order="C") * np.float32(2.0**-31)


def _squared(points: np.ndarray) -> np.ndarray:
  x, y = points
  return x * x + y * y


def _in_ring(points: np.ndarray, kind: ContourKind) -> np.ndarray:
  squared = _squared(points)
  return (squared >= np.float32(kind.hole) ** 2) & (squared < _RADIUS**2)


class _Forest:
  """The segments of shapes, and the halves of segments that were too long.

  A shape is a tree with four roots. Its leaves, from left to right, are the
  edges. Segments are stored level by level: if k segments of a level were
  halved, the j-th of them has the children j and k + j on the next level.
  """

  def __init__(self):
    self._points = []  # per level, the first ends of segments, float32[2, m]
    self._halved = []  # per level, which segments were halved, int64[k]

  def grow(self, points: np.ndarray, halved: np.ndarray) -> None:
    """Adds a level of segments."""
    self._points.append(points)
    self._halved.append(halved)

  def trees_of(self, last_halved: np.ndarray) -> np.ndarray:
    """Returns to which shapes some of the segments halved last belong."""
    rows = self._halved[-1][last_halved]
    for halved in reversed(self._halved[:-1]):
      rows = halved[rows % len(halved)]
    return rows // 4

  def prune(self, alive: np.ndarray) -> np.ndarray:
    """Removes shapes; returns which of the segments halved last remain."""
    keep = np.repeat(alive, 4)
    keep_halved = np.zeros(0, bool)
    for level, halved in enumerate(self._halved):
      keep_halved = keep[halved]
      kept = np.flatnonzero(keep)
      self._points[level] = self._points[level].take(kept, axis=1)
      self._halved[level] = (np.cumsum(keep) - 1)[halved[keep_halved]]
      keep = np.tile(keep_halved, 2)
    return np.flatnonzero(keep_halved)

  def leaves(self) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first ends float32[2, total] of leaves, and their counts."""
    counts = [np.ones(self._points[-1].shape[1], np.int32)]
    for points, halved in zip(
      self._points[-2::-1], self._halved[-2::-1], strict=True
    ):
      count = np.ones(points.shape[1], np.int32)
      count[halved] = np.add(*counts[-1].reshape(2, -1))
      counts.append(count)
    lengths = counts[-1].reshape(-1, 4).sum(1)
    place = _starts(counts[-1])
    leaves = np.empty((2, place[-1]), np.float32)
    place = place[:-1]
    for points, halved in zip(self._points, self._halved, strict=True):
      # A halved segment writes the same point as its first half.
      leaves[0][place], leaves[1][place] = points
      counts.pop()
      if counts:
        left = place.take(halved)
        place = np.concatenate([left, left + counts[-1][: len(halved)]])
    return leaves, lengths


def _stretched(contours: Contours, rotation: np.ndarray) -> Contours:
  """Turns shapes and stretches them, x and y separately, to [-0.5, 0.5]^2.

  Args:
    contours: n shapes.
    rotation: float32[2, n], cosine and sine of the angles.
  """
  shapes = contours.spread(np.arange(len(contours)))
  cosine, sine = rotation.take(shapes, axis=1)
  x, y = contours.points
  points = np.stack([x * cosine - y * sine, x * sine + y * cosine])
  starts = contours.starts[:-1]
  low = np.minimum.reduceat(points, starts, axis=1)
  high = np.maximum.reduceat(points, starts, axis=1)
  points -= ((low + high) / 2).take(shapes, axis=1)
  points /= (high - low).take(shapes, axis=1)
  return Contours(points, contours.starts)


def _starts(lengths: np.ndarray) -> np.ndarray:
  return np.concatenate([[0], np.cumsum(lengths)])
