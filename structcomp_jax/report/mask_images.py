"""Masks as pictures: one pixel per weight, its colour says which masks keep it.

The colours are those of Csordás et al. 2021: one for each mask where it alone
keeps a weight, another one where several do, dim grey where only a backdrop
does (there the mask of the whole task), white where none does.
"""

import base64
from collections.abc import Sequence

import cv2
import numpy as np

from structcomp_jax.report import style

NONE, SHARED, BACKDROP = "#FFFFFF", "#1D1D1F", "#D9D9D9"
# As many masks as there are colours that differ enough.
MOST_MASKS = len(style.PALETTE)


def flat(leaf: np.ndarray) -> np.ndarray:
  """Returns a leaf as a picture [inputs, outputs].

  The last axis is that of the outputs in Flax; all other axes lie one within
  the other. A vector is one line.

  Args:
    leaf: [...], at least one axis.
  """
  return leaf.reshape(-1, leaf.shape[-1])


def colours(
  masks: Sequence[np.ndarray], backdrop: np.ndarray | None = None
) -> np.ndarray:
  """Returns the colour of every weight, u8[..., 3] (red, green, blue).

  Args:
    masks: bool[...] each, at most `MOST_MASKS`.
    backdrop: bool[...], shows where no mask keeps a weight.
  """
  wanted = [NONE, *style.PALETTE[: len(masks)], SHARED, BACKDROP]
  palette = np.array([_rgb(colour) for colour in wanted], np.uint8)
  code = np.zeros(np.shape(masks[0]), np.uint8)
  if backdrop is not None:
    code[backdrop] = len(masks) + 2
  for number, mask in enumerate(masks, start=1):
    code[mask] = number
  code[sum(mask.astype(np.uint8) for mask in masks) > 1] = len(masks) + 1
  return palette[code]


def shades(shares: np.ndarray) -> np.ndarray:
  """Returns greys, white for 0 and black for 1, u8[..., 3].

  Args:
    shares: f[...] between 0 and 1.
  """
  grey = np.round(255 * (1 - shares)).astype(np.uint8)
  return np.repeat(grey[..., None], 3, axis=-1)


def shrunk(picture: np.ndarray, longest: int) -> np.ndarray:
  """Returns a picture whose sides are no longer than some number of pixels.

  A pixel of the result has the mean colour of the weights that it stands for.

  Args:
    picture: u8[lines, columns, 3].
    longest: pixels.
  """
  lines, columns = (min(side, longest) for side in picture.shape[:2])
  if (lines, columns) == picture.shape[:2]:
    return picture
  return cv2.resize(picture, (columns, lines), interpolation=cv2.INTER_AREA)


def image(
  picture: np.ndarray, description: str, width: int = 0, height: int = 0
) -> str:
  """Returns a picture as HTML that needs no other file.

  Args:
    picture: u8[lines, columns, 3].
    description: HTML text for readers who do not see it.
    width: pixels on the screen; 0: as many as the picture has.
    height: likewise.
  """
  encoded = cv2.imencode(".png", picture[..., ::-1])[1].tobytes()
  data = base64.b64encode(encoded).decode()
  lines, columns = picture.shape[:2]
  return (
    f'<img width="{width or columns}" height="{height or lines}"'
    f' style="image-rendering: pixelated; border: 1px solid #bbb"'
    f' alt="{description}" src="data:image/png;base64,{data}">'
  )


def _rgb(colour: str) -> tuple[int, int, int]:
  """Returns "#RRGGBB" as numbers.

  >>> _rgb("#FF0010")
  (255, 0, 16)
  """
  red, green, blue = bytes.fromhex(colour.removeprefix("#"))
  return red, green, blue
