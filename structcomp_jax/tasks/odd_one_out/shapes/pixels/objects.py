"""Finds the objects of a picture as an eye does: the pixels of one colour."""

import dataclasses

import numpy as np
from jaxtyping import Integer, UInt8

# A picture with more colours than this does not show a few outlines: its lines
# are smoothed, or it is a photograph.
MAX_OBJECTS = 30
_WHITE_WORD = np.uint64(2**64 - 1)


@dataclasses.dataclass(frozen=True)
class Objects:
  """All objects of a stack of pictures, and their pixels.

  An object is all pixels of one colour in one picture; white is background.
  Objects are ordered by picture, pixels by object and then row by row.

  Attributes:
    shape: pictures, height and width in pixels.
    count: int [pictures], colours seen; if there are more than `MAX_OBJECTS`,
      the objects of the picture are counted but not kept.
    first: int [pictures], the first object of each picture.
    picture: int [objects].
    start, size: int [objects], where its pixels begin, and how many it has.
    top, left, bottom, right: int [objects], its first and last row and column.
    owner, y, x: int [pixels], the pixel's object, row and column.
  """

  shape: tuple[int, int, int]
  count: Integer[np.ndarray, " pictures"]
  first: Integer[np.ndarray, " pictures"]
  picture: Integer[np.ndarray, " objects"]
  start: Integer[np.ndarray, " objects"]
  size: Integer[np.ndarray, " objects"]
  top: Integer[np.ndarray, " objects"]
  left: Integer[np.ndarray, " objects"]
  bottom: Integer[np.ndarray, " objects"]
  right: Integer[np.ndarray, " objects"]
  owner: Integer[np.ndarray, " pixels"]
  y: Integer[np.ndarray, " pixels"]
  x: Integer[np.ndarray, " pixels"]

  @property
  def number(self) -> Integer[np.ndarray, " objects"]:
    """The number of each object in its picture, from 0."""
    return np.arange(self.size.size) - self.first[self.picture]


def find_objects(
  images: UInt8[np.ndarray, "pictures height width 3"],
) -> Objects:
  """Returns the objects of some pictures."""
  num_pictures, height, width, _ = images.shape
  ink = _ink(images)
  picture, position = np.divmod(ink, height * width)
  colour = images.reshape(-1, 3)[ink].T.astype(np.int64)
  group = picture << 24 | colour[0] << 16 | colour[1] << 8 | colour[2]
  order = _stable_order(group)
  group, position = group[order], position[order]
  start = _starts(group)
  picture = group[start] >> 24
  count = np.bincount(picture, minlength=num_pictures)
  if count.max(initial=0) > MAX_OBJECTS:
    keep = count[group >> 24] <= MAX_OBJECTS
    group, position = group[keep], position[keep]
    start = _starts(group)
    picture = group[start] >> 24

  size = np.diff(start, append=group.size)
  y, x = np.divmod(position, width)
  return Objects(
    shape=(num_pictures, height, width),
    count=count,
    first=np.searchsorted(picture, np.arange(num_pictures)),
    picture=picture,
    start=start,
    size=size,
    top=y[start],
    left=_reduce(np.minimum, x, start),
    bottom=y[start + size - 1],
    right=_reduce(np.maximum, x, start),
    owner=np.repeat(np.arange(start.size), size),
    y=y,
    x=x,
  )


def _ink(images: UInt8[np.ndarray, "..."]) -> Integer[np.ndarray, " pixels"]:
  """Returns the numbers of all pixels that are not white, ascending.

  Pictures of lines are nearly all white, so eight bytes are compared at once.
  """
  data = np.ascontiguousarray(images).reshape(-1)
  missing = -data.size % 8
  if missing:
    data = np.concatenate([data, np.full(missing, 255, np.uint8)])
  words = np.flatnonzero(data.view(np.uint64) != _WHITE_WORD)
  byte = np.flatnonzero(data.reshape(-1, 8)[words].reshape(-1) != 255)
  pixel = (words[byte >> 3] * 8 + (byte & 7)) // 3
  return pixel[_starts(pixel)]


def _stable_order(values: Integer[np.ndarray, " n"]) -> np.ndarray:
  """Returns the stable order in which numbers below 2**48 ascend.

  NumPy sorts 16-bit integers in linear time, several times faster than 64-bit
  ones.
  """
  digits = values.astype("<i8").view("<u2").reshape(-1, 4)
  return np.lexsort(digits[:, :3].T)


def _starts(sorted_values: np.ndarray) -> np.ndarray:
  """Returns where each run of equal values begins."""
  if not sorted_values.size:
    return np.zeros(0, np.int64)
  changes = np.flatnonzero(sorted_values[1:] != sorted_values[:-1]) + 1
  return np.concatenate([[0], changes])


def _reduce(
  operation: np.ufunc, values: np.ndarray, start: np.ndarray
) -> np.ndarray:
  return operation.reduceat(values, start) if start.size else start
