"""Every weight has the colour of the masks that keep it."""

import base64
import re

import cv2
import numpy as np
import pytest

from structcomp_jax.report import mask_images, style


def rgb(colour):
  return list(bytes.fromhex(colour[1:]))


def test_every_weight_has_the_colour_of_those_that_keep_it():
  masks = [np.array(bits, bool) for bits in ([1, 0, 1, 0, 0], [0, 1, 1, 0, 0])]
  backdrop = np.array([1, 0, 1, 1, 0], bool)
  found = mask_images.colours(masks, backdrop).tolist()
  assert found == [
    rgb(style.PALETTE[0]),
    rgb(style.PALETTE[1]),
    rgb(mask_images.SHARED),
    rgb(mask_images.BACKDROP),
    rgb(mask_images.NONE),
  ]


def test_outputs_are_columns_and_a_vector_is_a_line():
  leaf = np.arange(24).reshape(2, 3, 4)
  flat = mask_images.flat(leaf)
  assert flat.shape == (6, 4)
  assert flat[4, 1] == leaf[1, 1, 1]
  assert mask_images.flat(np.arange(3)).shape == (1, 3)


def test_large_pictures_are_means_and_small_ones_stay():
  picture = np.zeros((4, 6, 3), np.uint8)
  picture[:2, :2, 0] = 200
  picture[0, 2, 0] = 100
  small = mask_images.shrunk(picture, 3)
  assert small.shape == (3, 3, 3)
  assert mask_images.shrunk(picture[:, :4], 2)[..., 0].tolist() == [
    [200, 25],
    [0, 0],
  ]
  assert mask_images.shrunk(picture, 6) is picture


@pytest.mark.parametrize("size", [(0, 0), (10, 20)])
def test_an_image_holds_its_pixels(size):
  picture = mask_images.colours([np.array([[True, False]])])
  html = mask_images.image(picture, "what", *size)
  width, height = re.search(r'width="(\d+)" height="(\d+)"', html).groups()
  assert (int(width), int(height)) == (size if any(size) else (2, 1))
  data = base64.b64decode(re.search(r'base64,([^"]+)"', html)[1])
  read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
  np.testing.assert_array_equal(read[..., ::-1], picture)
  shade = mask_images.shades(np.array([[0.0, 1.0]]))
  assert shade[0, 0].tolist() == [255] * 3 and shade[0, 1].tolist() == [0] * 3
