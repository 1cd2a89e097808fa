"""Draws objects as outlines of one pixel on white."""

import cv2
import numpy as np

from structcomp_jax.tasks.odd_one_out.shapes.scenes import Objects

# Width and height of a picture in pixels.
SIDE = 128


def draw(pictures: np.ndarray, objects: Objects, colours: np.ndarray) -> None:
  """Draws on white pictures, later objects over earlier ones.

  Args:
    pictures: uint8[n, 128, 128, 3], changed in place.
    objects: m objects.
    colours: int64[m, 3].
  """
  outlines, starts = _outlines(objects)
  colour_lists = colours.tolist()
  for i in np.lexsort((objects.order, objects.picture)):
    outline = outlines[starts[i] : starts[i + 1]]
    picture = pictures[objects.picture[i]]
    cv2.polylines(picture, [outline], isClosed=True, color=colour_lists[i])


def _outlines(objects: Objects) -> tuple[np.ndarray, np.ndarray]:
  """Returns pixels int32[total, 2] of vertices, and where each object begins.

  Centres and contours are truncated to pixels before they are added. A vertex
  in the same pixel as its successor is left out.
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
