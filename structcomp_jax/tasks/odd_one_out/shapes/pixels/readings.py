"""Reads how many outlines a picture has, and whether they are nested or touch.

docs/design/pixel_check.md says what the words mean.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Int8, Integer, UInt8
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from structcomp_jax.tasks.odd_one_out.shapes.pixels import (
  objects as pixel_objects,
)
from structcomp_jax.tasks.odd_one_out.shapes.pixels import (
  regions as pixel_regions,
)
from structcomp_jax.tasks.odd_one_out.shapes.pixels.objects import (
  Objects,
)
from structcomp_jax.tasks.odd_one_out.shapes.pixels.regions import (
  ENCLOSED,
  OUTSIDE,
  Regions,
  Touches,
)

# In this order "and" is the minimum, and "not x" is YES - x.
NO, AMBIGUOUS, YES = range(3)

# Steps (rows down, columns right) to all neighbours of a pixel, and to half of
# the ring around them: the other half would find the same pairs of pixels.
_BESIDE = tuple(
  (down, right)
  for down, right in itertools.product((-1, 0, 1), repeat=2)
  if (down, right) != (0, 0)
)
_ONE_BETWEEN = (
  *((2, right) for right in range(-2, 3)),
  (1, -2),
  (1, 2),
  (0, 2),
)
# An object is inside another one if the other one's line encloses at least the
# first share of its pixels, and outside if it encloses at most the second one.
# Pixels at the line are not counted.
_INSIDE, _NOT_INSIDE = 0.75, 0.25
# The convex hull of a needle or a V takes up to half of its box. An outline
# that encloses nothing and whose hull takes more than this share is open.
_OPEN_SPAN = 0.6
# Rooms of fewer pixels than this arise where lines happen to cross.
_NOTICEABLE_ROOM = 9
# Pixels that are read together: few enough for the cache of a processor.
_PIXELS_AT_ONCE = 256 * 128 * 128


@dataclasses.dataclass(frozen=True)
class Readings:
  """What is seen in each picture.

  Three-valued readings are `NO`, `YES` or `AMBIGUOUS`.

  Attributes:
    count: int [pictures], number of objects, that is colours but white.
    inside: int8 [pictures], whether all objects form nested pairs: each is
      inside exactly one other, or has exactly one other inside it.
    contact: int8 [pictures], whether all objects hang together by touching.
      A picture with fewer than two objects has neither property.
    clipped: bool [pictures], an object is open towards the edge of the
      picture, so that part of it may be missing.
    visible: bool [pictures], no outline is an open line.
    separable: bool [pictures], no colour is in several separate places.
  """

  count: Integer[np.ndarray, " pictures"]
  inside: Int8[np.ndarray, " pictures"]
  contact: Int8[np.ndarray, " pictures"]
  clipped: Bool[np.ndarray, " pictures"]
  visible: Bool[np.ndarray, " pictures"]
  separable: Bool[np.ndarray, " pictures"]


def read_pictures(
  images: UInt8[np.ndarray, "pictures height width 3"],
  *,
  inside: bool = True,
  contact: bool = True,
) -> Readings:
  """Reads pictures of outlines, one colour for each object, on white.

  Args:
    images: uint8 [pictures, height, width, 3].
    inside, contact: whether to read these; otherwise they are `AMBIGUOUS`.
      All else is always read.
  """
  num_pictures, height, width, _ = images.shape
  step = max(1, _PIXELS_AT_ONCE // (height * width))
  parts = [
    _read(
      pixel_objects.find_objects(images[start : start + step]), inside, contact
    )
    for start in range(0, max(num_pictures, 1), step)
  ]
  return Readings(
    **{
      field.name: np.concatenate([getattr(part, field.name) for part in parts])
      for field in dataclasses.fields(Readings)
    }
  )


def has_divided_object(picture: UInt8[np.ndarray, "height width 3"]) -> bool:
  """Returns whether an object encloses several rooms.

  Two touching objects of one colour do; so may one object that is narrow in
  its middle.
  """
  objects = pixel_objects.find_objects(picture[None])
  for start, size in zip(objects.start, objects.size, strict=True):
    pixels = slice(start, start + size)
    white = np.ones(np.add(picture.shape[:2], 2), np.uint8)
    white[objects.y[pixels] + 1, objects.x[pixels] + 1] = 0
    _, _, stats, _ = cv2.connectedComponentsWithStats(white, connectivity=4)
    # The first two components are the lines and the outside.
    rooms = stats[2:, cv2.CC_STAT_AREA]
    if np.count_nonzero(rooms >= _NOTICEABLE_ROOM) > 1:
      return True
  return False


def _read(objects: Objects, inside: bool, contact: bool) -> Readings:
  touches = _seen_at(objects, _BESIDE)
  regions = pixel_regions.fill_regions(objects, touches)
  clipped = pixel_regions.find_clipped(objects, regions)
  unread = np.full(objects.shape[0], AMBIGUOUS, np.int8)
  return Readings(
    count=objects.count,
    inside=_all_nested(objects, regions) if inside else unread,
    contact=_all_in_contact(objects, touches) if contact else unread,
    clipped=_any(objects, clipped),
    visible=~_any(objects, _open(objects, (regions.room == 0) & ~clipped)),
    separable=~_any(objects, regions.in_pieces),
  )


def _seen_at(objects: Objects, steps: Sequence[tuple[int, int]]) -> Touches:
  """Returns from which pixels some of the steps lead to another object."""
  num_pictures, height, width = objects.shape
  # Two white columns between rows, and two white rows between pictures, keep a
  # step from ending in the next row or picture.
  stride = width + 2
  page = stride * (height + 2)
  picture = objects.picture[objects.owner]
  index = 2 * stride + picture * page + objects.y * stride + objects.x
  number = (objects.number + 1).astype(np.uint8)[objects.owner]
  canvas = np.zeros(4 * stride + num_pictures * page, np.uint8)
  canvas[index] = number

  pixels, owners = [], []
  for down, right in steps:
    seen = canvas[index + (down * stride + right)]
    pixel = np.flatnonzero((seen != 0) & (seen != number))
    pixels.append(pixel)
    owners.append(objects.first[picture[pixel]] + seen[pixel] - 1)
  return Touches(np.concatenate(pixels), np.concatenate(owners))


def _all_in_contact(
  objects: Objects, touches: Touches
) -> Int8[np.ndarray, " pictures"]:
  """Returns whether all objects hang together by touching.

  Two objects with exactly one pixel between them are ambiguous.
  """
  near = _seen_at(objects, _ONE_BETWEEN)
  pixel = np.concatenate([touches.pixel, near.pixel])
  owner = np.concatenate([touches.owner, near.owner])
  surely = _clumps(objects, touches.pixel, touches.owner) == 1
  perhaps = _clumps(objects, pixel, owner) == 1
  several = _are_several(objects)
  return _three_valued(surely & several, perhaps & several)


def _clumps(
  objects: Objects, pixel: np.ndarray, owner: np.ndarray
) -> Integer[np.ndarray, " pictures"]:
  """Returns the number of groups of linked objects in each picture."""
  size = objects.size.size
  links = coo_array(
    (np.ones(pixel.size, bool), (objects.owner[pixel], owner)), (size, size)
  )
  _, label = connected_components(links, directed=False)
  _, member = np.unique(label, return_index=True)
  return np.bincount(objects.picture[member], minlength=objects.shape[0])


def _inside(objects: Objects, regions: Regions) -> tuple[np.ndarray, ...]:
  """Returns pairs of objects: inner, outer and a three-valued "is inside"."""
  inner, outer = _candidates(objects)
  start = np.cumsum(objects.size[inner]) - objects.size[inner]
  pair = np.repeat(np.arange(inner.size), objects.size[inner])
  pixel = np.arange(pair.size) + (objects.start[inner] - start)[pair]
  place = pixel_regions.look_up(objects, regions, pixel, outer[pair])
  enclosed = np.bincount(pair[place == ENCLOSED], minlength=inner.size)
  outside = np.bincount(pair[place == OUTSIDE], minlength=inner.size)
  clear = enclosed + outside
  # An object that lies wholly at the line is on neither side.
  share = np.where(clear > 0, enclosed / np.maximum(clear, 1), 0.5)
  return inner, outer, _three_valued(share >= _INSIDE, share > _NOT_INSIDE)


def _candidates(objects: Objects) -> tuple[np.ndarray, np.ndarray]:
  """Returns pairs of objects that may be nested, the smaller first."""
  mates = objects.count[objects.picture]
  inner = np.repeat(np.arange(mates.size), mates)
  start = np.cumsum(mates) - mates
  outer = np.arange(inner.size) - start[inner]
  outer += objects.first[objects.picture[inner]]
  area = (objects.bottom - objects.top + 1) * (objects.right - objects.left + 1)
  keep = (
    (area[inner] < area[outer])
    & (objects.top[inner] <= objects.bottom[outer])
    & (objects.bottom[inner] >= objects.top[outer])
    & (objects.left[inner] <= objects.right[outer])
    & (objects.right[inner] >= objects.left[outer])
  )
  return inner[keep], outer[keep]


def _all_nested(
  objects: Objects, regions: Regions
) -> Int8[np.ndarray, " pictures"]:
  """Returns whether all objects form nested pairs."""
  inner, outer, inside = _inside(objects, regions)

  def complete(pairs):
    partners = np.bincount(inner[pairs], minlength=objects.size.size)
    partners += np.bincount(outer[pairs], minlength=objects.size.size)
    return ~_any(objects, partners != 1) & _are_several(objects)

  without, with_doubtful = complete(inside == YES), complete(inside != NO)
  return _three_valued(without & with_doubtful, without | with_doubtful)


def _are_several(objects: Objects) -> Bool[np.ndarray, " pictures"]:
  """Returns which pictures have objects that can be compared."""
  return (objects.count > 1) & (objects.count <= pixel_objects.MAX_OBJECTS)


def _three_valued(
  surely: np.ndarray, perhaps: np.ndarray
) -> Int8[np.ndarray, "..."]:
  return np.where(surely, YES, np.where(perhaps, AMBIGUOUS, NO)).astype(np.int8)


def _any(objects: Objects, which: np.ndarray) -> Bool[np.ndarray, " pictures"]:
  """Returns whether any object of each picture is one of these."""
  found = np.zeros(objects.shape[0], bool)
  found[objects.picture[which]] = True
  return found


def _open(objects: Objects, suspects: np.ndarray) -> np.ndarray:
  """Returns which suspects are open lines, with two ends: bool [objects].

  A needle encloses nothing either, but its two sides lie on one another. A line
  is open if its hull has a much larger area than it has pixels.
  """
  is_open = np.zeros(suspects.size, bool)
  for suspect in np.flatnonzero(suspects):
    start = objects.start[suspect]
    pixels = slice(start, start + objects.size[suspect])
    points = np.stack([objects.x[pixels], objects.y[pixels]], axis=1)
    hull = cv2.contourArea(cv2.convexHull(points.astype(np.int32)))
    box = np.prod(np.ptp(points, axis=0))
    is_open[suspect] = hull > max(_OPEN_SPAN * box, 2 * objects.size[suspect])
  return is_open
