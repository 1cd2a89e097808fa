"""Draws objects as outlines of one pixel on white."""

import cv2
import numpy as np

from structcomp_jax.tasks.shapes import draws
from structcomp_jax.tasks.shapes.pictures import Objects

# Width and height of a picture in pixels.
SIDE = 128


def draw(pictures: np.ndarray, objects: Objects, keys: np.ndarray) -> None:
  """Draws on white pictures, later objects over earlier ones.

  Args:
    pictures: uint8[n, 128, 128, 3], changed in place.
    objects: what to draw.
    keys: uint64[n] of the pictures, from which the colours follow.
  """
  outlines, starts = _outlines(objects)
  colour_keys = draws.fold_in(keys[objects.picture], "colour")
  colours = random_colours(draws.fold_in(colour_keys, objects.order)).tolist()
  for i in np.lexsort((objects.order, objects.picture)):
    outline = outlines[starts[i] : starts[i + 1]]
    picture = pictures[objects.picture[i]]
    cv2.polylines(picture, [outline], isClosed=True, color=colours[i])


def random_colours(keys: np.ndarray) -> np.ndarray:
  """int64[n, 3], red, green and blue of 0 to 255.

  Hue uniform, saturation uniform from 0.5 to 1, value uniform.
  """
  hue = 6 * draws.uniform(draws.fold_in(keys, "hue"))
  saturation = draws.uniform(draws.fold_in(keys, "saturation"), 0.5, 1.0)
  value = draws.uniform(draws.fold_in(keys, "value"))
  # Red is full around hue 0, green around 2, blue around 4.
  distance = np.abs((hue[:, None] - [0, 2, 4] + 3) % 6 - 3)
  lack = saturation[:, None] * np.clip(distance - 1, 0, 1)
  return np.rint(255 * value[:, None] * (1 - lack)).astype(np.int64)


def _outlines(objects: Objects) -> tuple[np.ndarray, np.ndarray]:
  """Pixels int32[total, 2] of the vertices, and where each object begins.

  Centre and contour are truncated each for itself. A vertex in the same pixel
  as its successor is dropped.
  """
  contours = objects.contours[objects.contour]
  scale = (SIDE * objects.size).astype(np.float32)
  pixels = (contours.points * contours.spread(scale)).astype(np.int32)
  following = np.arange(1, pixels.shape[1] + 1)
  following[contours.starts[1:] - 1] = contours.starts[:-1]
  kept = (pixels != pixels.take(following, axis=1)).any(0)
  corner = (SIDE * objects.centre).astype(np.int32)
  pixels += contours.spread(corner.T)
  starts = np.concatenate([[0], np.cumsum(kept)])[contours.starts]
  return np.ascontiguousarray(pixels.T[kept]), starts
