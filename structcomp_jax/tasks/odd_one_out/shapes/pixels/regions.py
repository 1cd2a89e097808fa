"""Finds what each outline encloses, by a flood fill around every object.

Every object gets a cell of its own on one long strip of pixels, so that one
fill from a corner of the strip runs around all of them.
"""

import dataclasses

import cv2
import numpy as np
from jaxtyping import Bool, Integer, UInt8

from structcomp_jax.tasks.odd_one_out.shapes.pixels.objects import (
  Objects,
)

# What a pixel of the strip is.
ENCLOSED, LINE, BRIDGE, OUTSIDE = range(4)
# Width of the white around an outline in its cell. The outermost ring of pixels
# stays free, so that the fill gets around.
_MARGIN = 3
# cv2.floodFill counts rows in 16 bits.
_MAX_ROWS = 2**15
# If bridges of one step do not close an outline that is painted over, longer
# ones are tried, up to this length.
_LONGEST_REACH = 6
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
# An outline that encloses a smaller share of its box than this may have a gap.
_SUSPICIOUS_ROOM = 0.1


@dataclasses.dataclass(frozen=True)
class Regions:
  """The strip, on which every pixel is enclosed, line, bridge or outside.

  A bridge is a pixel of another object that touches the line. It may have been
  painted over the line, and closes the gap that this leaves.

  Attributes:
    strip: uint8 [rows, columns] of the four values above.
    row: int [objects], the first row of each cell.
    room: int [objects], the number of enclosed pixels.
    in_pieces: bool [objects], whether line and bridges fall into several
      unconnected parts.
  """

  strip: UInt8[np.ndarray, "rows columns"]
  row: Integer[np.ndarray, " objects"]
  room: Integer[np.ndarray, " objects"]
  in_pieces: Bool[np.ndarray, " objects"]


@dataclasses.dataclass(frozen=True)
class Touches:
  """Pairs of touching pixels of different objects: `pixel` beside `owner`.

  Attributes:
    pixel: int [touches], the number of a pixel.
    owner: int [touches], the other object, which it touches.
  """

  pixel: Integer[np.ndarray, " touches"]
  owner: Integer[np.ndarray, " touches"]


def fill_regions(objects: Objects, touches: Touches) -> Regions:
  """Floods the outside of every object."""
  height = objects.bottom - objects.top + 1 + 2 * _MARGIN
  width = objects.right - objects.left + 1 + 2 * _MARGIN
  row = np.cumsum(height) - height
  columns = int(width.max(initial=0))
  strip = np.zeros((int(height.sum()), columns), np.uint8)

  # A pixel that touches a line is at most one pixel outside of the line's box.
  index = _index(objects, row, columns, touches.pixel, touches.owner)
  strip.reshape(-1)[index] = BRIDGE
  index = _index(objects, row, columns, slice(None), objects.owner)
  strip.reshape(-1)[index] = LINE
  in_pieces = _in_pieces(strip, objects, index)
  for part in np.split(strip, _cuts(row)):
    _flood(part)

  rooms = np.count_nonzero(strip == ENCLOSED, axis=1)
  room = np.add.reduceat(rooms, row) if row.size else row
  regions = Regions(strip, row, room, in_pieces)
  touched = np.zeros(row.size, bool)
  touched[touches.owner] = True
  enough = _SUSPICIOUS_ROOM * (height - 2 * _MARGIN) * (width - 2 * _MARGIN)
  for suspect in np.flatnonzero(touched & (room < enough)).tolist():
    _bridge_further(objects, regions, suspect, enough[suspect])
  return regions


def look_up(
  objects: Objects,
  regions: Regions,
  pixels: Integer[np.ndarray, " pixels"],
  owners: Integer[np.ndarray, " pixels"],
) -> UInt8[np.ndarray, " pixels"]:
  """Returns what pixels are to other objects: enclosed, bridge or outside."""
  near = np.flatnonzero(_is_near(objects, pixels, owners))
  index = _index(
    objects, regions.row, regions.strip.shape[1], pixels[near], owners[near]
  )
  values = np.full(pixels.size, OUTSIDE, np.uint8)
  values[near] = regions.strip.reshape(-1)[index]
  return values


def find_clipped(
  objects: Objects, regions: Regions
) -> Bool[np.ndarray, " objects"]:
  """Returns which objects are open towards the edge of the picture.

  Such an object would enclose more than twice the room if the edge were a line.
  """
  _, height, width = objects.shape
  clipped = np.zeros(objects.size.size, bool)
  at_edge = (
    (objects.top == 0)
    | (objects.left == 0)
    | (objects.bottom == height - 1)
    | (objects.right == width - 1)
  )
  for owner in np.flatnonzero(at_edge):
    top, left = objects.top[owner] - _MARGIN, objects.left[owner] - _MARGIN
    bottom, right = objects.bottom[owner] + _MARGIN, objects.right[owner]
    start = regions.row[owner]
    rows = np.arange(top, bottom + 1)
    columns = np.arange(left, right + _MARGIN + 1)
    cell = regions.strip[start : start + rows.size, : columns.size]
    wall = np.where(cell == OUTSIDE, ENCLOSED, cell)
    wall[(rows < 0) | (rows >= height)] = LINE
    wall[:, (columns < 0) | (columns >= width)] = LINE
    wall = np.pad(wall, 1, constant_values=ENCLOSED)
    _flood(wall)
    room = np.count_nonzero(wall == ENCLOSED)
    clipped[owner] = room > 2 * regions.room[owner]
  return clipped


def _index(
  objects: Objects,
  row: Integer[np.ndarray, " objects"],
  columns: int,
  pixels: Integer[np.ndarray, " pixels"] | slice,
  owners: Integer[np.ndarray, " pixels"],
) -> Integer[np.ndarray, " pixels"]:
  """Returns where pixels lie on the flattened strip, in the owners' cells."""
  corner = (row + _MARGIN - objects.top) * columns + _MARGIN - objects.left
  return corner[owners] + objects.y[pixels] * columns + objects.x[pixels]


def _is_near(
  objects: Objects,
  pixels: Integer[np.ndarray, " pixels"],
  owners: Integer[np.ndarray, " pixels"],
) -> Bool[np.ndarray, " pixels"]:
  """Returns which pixels lie in owners' cells, but not in the last ring."""
  y, x = objects.y[pixels], objects.x[pixels]
  return (
    (y > objects.top[owners] - _MARGIN)
    & (y < objects.bottom[owners] + _MARGIN)
    & (x > objects.left[owners] - _MARGIN)
    & (x < objects.right[owners] + _MARGIN)
  )


def _cuts(row: Integer[np.ndarray, " objects"]) -> np.ndarray:
  """Returns rows between cells that cut the strip into parts for cv2."""
  part = row // _MAX_ROWS
  return row[np.flatnonzero(part[1:] != part[:-1]) + 1]


def _flood(part: UInt8[np.ndarray, "rows columns"]) -> None:
  if part.size:
    cv2.floodFill(part, None, (0, 0), OUTSIDE, flags=4)


def _in_pieces(
  strip: UInt8[np.ndarray, "rows columns"],
  objects: Objects,
  index: Integer[np.ndarray, " pixels"],
) -> np.ndarray:
  """Returns per object whether its line, with bridges, is not connected."""
  if not objects.size.size:
    return np.zeros(0, bool)
  _, labels = cv2.connectedComponents(strip, connectivity=8, ltype=cv2.CV_32S)
  label = labels.reshape(-1)[index]
  least = np.minimum.reduceat(label, objects.start)
  return least != np.maximum.reduceat(label, objects.start)


def _bridge_further(
  objects: Objects, regions: Regions, owner: int, enough: float
) -> None:
  """Fills the cell of one object again with the shortest bridges that close it.

  If none closes it, the cell changes only if bridges join parts of its line.
  """
  height = objects.bottom[owner] - objects.top[owner] + 1 + 2 * _MARGIN
  start = regions.row[owner]
  cell = regions.strip[start : start + height]
  line = (cell == LINE).astype(np.uint8)
  others = _others(objects, regions, owner)

  def fill(reach):
    near = cv2.dilate(line, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    trial = line.copy()  # the value of LINE is 1
    trial.reshape(-1)[others] = near.reshape(-1)[others] * BRIDGE
    _flood(trial)
    return trial

  def is_closed(trial):
    return np.count_nonzero(trial == ENCLOSED) >= enough and _is_one(trial)

  trial = fill(2)
  if not is_closed(trial):
    trial = fill(_LONGEST_REACH)
    if is_closed(trial):
      reaches = range(3, _LONGEST_REACH + 1)
      trial = next(filter(is_closed, map(fill, reaches)))
    elif not (regions.in_pieces[owner] and _is_one(trial)):
      return
  regions.room[owner] = np.count_nonzero(trial == ENCLOSED)
  regions.in_pieces[owner] = False
  cell[:] = _without_spurs(trial, bridge=cell == BRIDGE)


def _is_one(cell: UInt8[np.ndarray, "rows columns"]) -> bool:
  """Returns whether bridges connect all parts of a line."""
  drawn = ((cell == LINE) | (cell == BRIDGE)).astype(np.uint8)
  _, labels = cv2.connectedComponents(drawn, connectivity=8)
  labels = labels[cell == LINE]
  return labels.min() == labels.max()


def _without_spurs(
  cell: UInt8[np.ndarray, "rows columns"],
  bridge: Bool[np.ndarray, "rows columns"],
) -> UInt8[np.ndarray, "rows columns"]:
  """Returns a cell in which only what closes a gap is a bridge.

  A longer bridge consists of all pixels of another object near the line. Those
  that separate the room from the outside replace the line. Those with nothing
  but room, or nothing but outside, beside them become part of it. Pixels of
  `bridge` touch the line and remain bridges.
  """
  beside_room = cv2.dilate((cell == ENCLOSED).astype(np.uint8), _CROSS) > 0
  beside_rest = cv2.dilate((cell == OUTSIDE).astype(np.uint8), _CROSS) > 0
  spur = (cell == BRIDGE) & ~bridge & (beside_room != beside_rest)
  return np.where(spur, np.where(beside_room, ENCLOSED, OUTSIDE), cell)


def _others(
  objects: Objects, regions: Regions, owner: int
) -> Integer[np.ndarray, " pixels"]:
  """Returns where other objects' pixels lie in the flattened cell of one."""
  picture = objects.picture[owner]
  mates = slice(*np.searchsorted(objects.picture, [picture, picture + 1]))
  end = objects.start[mates][-1] + objects.size[mates][-1]
  pixels = np.arange(objects.start[mates][0], end)
  pixels = pixels[objects.owner[pixels] != owner]
  owners = np.full(pixels.size, owner)
  near = _is_near(objects, pixels, owners)
  columns = regions.strip.shape[1]
  index = _index(objects, regions.row, columns, pixels[near], owners[near])
  return index - regions.row[owner] * columns
