"""Where the lines of a picture are, whatever the task.

Nonsense properties (`odd_one_out/nonsense.py`) are random bits of this.
"""

import numpy as np

# Bands of equal width into which a picture is divided.
NUM_BANDS = 8
# Pictures that are looked at a time, so that intermediate arrays stay small.
_CHUNK = 1024


def bands(pictures: np.ndarray) -> np.ndarray:
  """Returns in which bands the centre of gravity of the lines is.

  >>> picture = np.full((1, 8, 8, 3), 255, np.uint8)
  >>> picture[0, 2, 7] = 0
  >>> bands(picture)
  array([[2, 7]])

  Args:
    pictures: uint8[n, height, width, 3], dark lines on white, none empty.

  Returns:
    int64[n, 2], numbers of the band from the top, and of that from the left.
  """
  chunks = range(_CHUNK, len(pictures), _CHUNK)
  centres = [_centres(some) for some in np.split(pictures, chunks)]
  return (np.concatenate(centres) * NUM_BANDS).astype(np.int64)


def _centres(pictures: np.ndarray) -> np.ndarray:
  """Returns centres of gravity, f64[n, (down, across)], as parts of a side."""
  darkness = (255 - pictures).sum(-1, dtype=np.int64)
  total = darkness.sum((1, 2))
  found = []
  for other_axis in (2, 1):
    profile = darkness.sum(other_axis)
    middles = (np.arange(profile.shape[1]) + 0.5) / profile.shape[1]
    found.append(profile @ middles / total)
  return np.stack(found, axis=1)
