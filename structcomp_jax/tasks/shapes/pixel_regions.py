"""What each outline encloses: a flood fill around every object.

Every object gets a cell of its own on one long strip of pixels, so that one
fill from a corner of the strip runs around all of them.
"""

import dataclasses

import cv2
import numpy as np
from jaxtyping import Integer, UInt8

from structcomp_jax.tasks.shapes.pixel_objects import Objects

# What a pixel of the strip is.
ENCLOSED, LINE, BRIDGE, OUTSIDE = range(4)
# White around an outline in its cell. The last ring stays free for the fill.
_MARGIN = 3
# cv2.floodFill counts rows in 16 bits.
_MAX_ROWS = 2**15
# An outline painted over along more pixels than bridges of one step close is
# tried again with longer ones.
_LONGER_REACHES = (2, 3, 4, 5, 6)
# Below this share of the box the enclosed room makes one suspect a gap.
_SUSPICIOUS_ROOM = 0.1


@dataclasses.dataclass(frozen=True)
class Regions:
  """The strip: what is enclosed, line, bridge or outside, per object.

  A bridge is a pixel of another object that touches the line, and so may have
  been painted over it; it closes the gap that this leaves.

  Attributes:
    strip: uint8 [rows, columns] of the four values above.
    row: int [objects], the first row of each cell.
    room: int [objects], the number of enclosed pixels.
    pieces: bool [objects], whether line and bridges fall into several parts.
  """

  strip: UInt8[np.ndarray, "rows columns"]
  row: Integer[np.ndarray, " objects"]
  room: Integer[np.ndarray, " objects"]
  in_pieces: np.ndarray


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
  row = np.cumsum(height) - height
  columns = (objects.right - objects.left).max(initial=0) + 1 + 2 * _MARGIN
  strip = np.zeros((int(height.sum()), int(columns)), np.uint8)

  inside, index = _place(
    objects, row, strip.shape, touches.pixel, touches.owner
  )
  strip.reshape(-1)[index[inside]] = BRIDGE
  _, index = _place(objects, row, strip.shape)
  strip.reshape(-1)[index] = LINE
  in_pieces = _in_pieces(strip, objects, index)
  for part in np.split(strip, _cuts(row)):
    _flood(part)

  rooms = np.count_nonzero(strip == ENCLOSED, axis=1)
  room = np.add.reduceat(rooms, row) if row.size else row
  regions = Regions(strip, row, room, in_pieces)
  touched = np.zeros(row.size, bool)
  touched[touches.owner] = True
  area = (height - 2 * _MARGIN) * (objects.right - objects.left + 1)
  suspects = touched & (in_pieces | (room < _SUSPICIOUS_ROOM * area))
  for suspect in np.flatnonzero(suspects):
    enough = _SUSPICIOUS_ROOM * area[suspect]
    _bridge_further(objects, regions, suspect, enough)
  return regions


def look_up(
  objects: Objects,
  regions: Regions,
  pixels: Integer[np.ndarray, " pixels"],
  owners: Integer[np.ndarray, " pixels"],
) -> UInt8[np.ndarray, " pixels"]:
  """Returns what pixels are to other objects: enclosed, bridge or outside."""
  inside, index = _place(
    objects, regions.row, regions.strip.shape, pixels, owners
  )
  values = np.full(pixels.size, OUTSIDE, np.uint8)
  values[inside] = regions.strip.reshape(-1)[index[inside]]
  return values


def _place(objects, row, shape, pixels=slice(None), owners=None):
  """Returns where pixels lie in cells: bool and int [pixels].

  The first tells whether a pixel is in the cell without its outermost ring,
  the second is its index in the flattened strip.
  """
  if owners is None:
    owners = objects.owner
  y = objects.y[pixels] - objects.top[owners] + _MARGIN
  x = objects.x[pixels] - objects.left[owners] + _MARGIN
  last_y = objects.bottom[owners] - objects.top[owners] + 2 * _MARGIN
  last_x = objects.right[owners] - objects.left[owners] + 2 * _MARGIN
  inside = (y > 0) & (x > 0) & (y < last_y) & (x < last_x)
  return inside, (row[owners] + y) * shape[1] + x


def _cuts(row: Integer[np.ndarray, " objects"]) -> np.ndarray:
  """Returns rows between cells that cut the strip into parts for cv2."""
  part = row // _MAX_ROWS
  return row[np.flatnonzero(part[1:] != part[:-1]) + 1]


def _flood(part: UInt8[np.ndarray, "rows columns"]) -> None:
  if part.size:
    cv2.floodFill(part, None, (0, 0), OUTSIDE, flags=4)


def _in_pieces(strip, objects, index) -> np.ndarray:
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
  """Fills the cell of one object again, with longer bridges."""
  picture = objects.picture[owner]
  mates = slice(*np.searchsorted(objects.picture, [picture, picture + 1]))
  end = objects.start[mates][-1] + objects.size[mates][-1]
  pixels = np.arange(objects.start[mates][0], end)
  pixels = pixels[objects.owner[pixels] != owner]
  strip = regions.strip
  inside, index = _place(
    objects, regions.row, strip.shape, pixels, np.full(pixels.size, owner)
  )
  others = index[inside] - regions.row[owner] * strip.shape[1]

  height = objects.bottom[owner] - objects.top[owner] + 1 + 2 * _MARGIN
  cell = strip[regions.row[owner] : regions.row[owner] + height]
  line = (cell == LINE).astype(np.uint8)
  for reach in _LONGER_REACHES:
    near = cv2.dilate(line, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    trial = np.zeros_like(cell)
    trial.reshape(-1)[others] = near.reshape(-1)[others] * BRIDGE
    trial[line > 0] = LINE
    labels = cv2.connectedComponents(trial, connectivity=8)[1][line > 0]
    in_pieces = labels.min() != labels.max()
    _flood(trial)
    room = np.count_nonzero(trial == ENCLOSED)
    if room > regions.room[owner] or in_pieces < regions.in_pieces[owner]:
      cell[:] = trial
      regions.room[owner] = room
      regions.in_pieces[owner] = in_pieces
    if not regions.in_pieces[owner] and regions.room[owner] >= enough:
      return
