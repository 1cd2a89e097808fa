"""Reduces pictures to the size that a network sees."""

import numpy as np

from structcomp_jax.types import UserError

# {name: function that reduces a square of pixels to one pixel}.
RESIZES = {
  # The mean: lines fade, as in any photograph.
  "area": lambda pixels: (
    pixels.mean(axis=(-4, -2), dtype=np.float32).round().astype(np.uint8)
  ),
  # The least value of every channel: lines of one pixel keep their contrast.
  "darkest": lambda pixels: pixels.min(axis=(-4, -2)),
}
# Problems that are reduced at a time, so that intermediate arrays stay small.
_CHUNK = 256


def check_size(side: int, size: int) -> None:
  """Raises UserError unless pictures of `side` pixels can have `size`."""
  if size < 1 or side % size:
    raise UserError(
      f"pictures of {side} pixels cannot be reduced to an image_size of {size}"
      f"; choose a divisor of {side}"
    )


def resize(images: np.ndarray, size: int, how: str) -> np.ndarray:
  """Returns smaller pictures.

  Args:
    images: u8[..., height, width, 3], square, at least two axes in front.
    size: the new side, a divisor of the old one.
    how: a name in `RESIZES`.

  Returns:
    u8[..., size, size, 3]; `images` itself if it has that size.

  Raises:
    UserError: the sizes do not fit.
  """
  side = images.shape[-2]
  if side == size:
    return images
  check_size(side, size)
  result = np.empty((*images.shape[:-3], size, size, 3), np.uint8)
  for start in range(0, len(images), _CHUNK):
    part = images[start : start + _CHUNK]
    blocks = part.reshape(
      *part.shape[:-3], size, side // size, size, side // size, 3
    )
    result[start : start + _CHUNK] = RESIZES[how](blocks)
  return result
