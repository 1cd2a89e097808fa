"""Colours of objects."""

import numpy as np

from structcomp_jax.tasks.odd_one_out.shapes import draws
from structcomp_jax.tasks.odd_one_out.shapes.scenes import Objects

# In the policy "balanced", the largest channel of a colour is at least this
# part of 255,
_LEAST_VALUE = 0.25
# and two colours of a picture differ by at least this, of 255, in a channel.
_LEAST_DIFFERENCE = 40


def independent(objects: Objects, keys: np.ndarray) -> np.ndarray:
  """Draws the colours of all objects independently.

  Hue and value are uniform, saturation is uniform from 0.5 to 1.

  Args:
    objects: m objects.
    keys: uint64[pictures].

  Returns:
    int64[m, 3], red, green and blue of 0 to 255.
  """
  return _random_colours(_object_keys(objects, keys), 0.0)


def distinct(objects: Objects, keys: np.ndarray) -> np.ndarray:
  """Draws colours, none nearly black and no two in a picture alike.

  Args and result are those of `independent`.
  """
  pictures, row = np.unique(objects.picture, return_inverse=True)
  places = objects.order.max() + 1
  present = np.zeros((len(pictures), places), bool)
  present[row, objects.order] = True
  pairs = present[:, :, None] & present[:, None] & ~np.eye(places, dtype=bool)

  def draw(keys, rows):
    object_keys = draws.fold_in(keys[:, None], np.arange(places))
    colours = _random_colours(object_keys, _LEAST_VALUE)
    apart = np.abs(colours[:, :, None] - colours[:, None]).max(3)
    alike = (apart < _LEAST_DIFFERENCE) & pairs[rows]
    return ~alike.any((1, 2)), (colours,)

  picture_keys = draws.fold_in(keys[pictures], "colours")
  _, (colours,) = draws.first_accepted(picture_keys, draw)
  return colours[row, objects.order]


def _object_keys(objects: Objects, keys: np.ndarray) -> np.ndarray:
  keys = draws.fold_in(keys[objects.picture], "colour")
  return draws.fold_in(keys, objects.order)


def _random_colours(keys: np.ndarray, least_value: float) -> np.ndarray:
  hue = 6 * draws.uniform(draws.fold_in(keys, "hue"))
  saturation = draws.uniform(draws.fold_in(keys, "saturation"), 0.5, 1.0)
  value = draws.uniform(draws.fold_in(keys, "value"), least_value, 1.0)
  # Red is full around hue 0, green around 2, blue around 4.
  distance = np.abs((hue[..., None] - [0, 2, 4] + 3) % 6 - 3)
  lack = saturation[..., None] * np.clip(distance - 1, 0, 1)
  return np.rint(255 * value[..., None] * (1 - lack)).astype(np.int64)
