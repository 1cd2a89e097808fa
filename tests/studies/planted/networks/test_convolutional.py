"""The convolutional network sees images, though it is given bits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax.models.layers.convolution import convolve
from structcomp_jax.studies.planted.networks import convolutional
from tests.studies.planted.conftest import SMALL, embed, two


def reference(params, items, is_linear):
  """Computes the same from the pixels."""
  found = convolutional.pixels(jnp.asarray(items))
  for name in ("conv_0", "conv_1"):
    found = convolve(found, jnp.asarray(params[name]["kernel"]), 2)
    found = found + params[name]["bias"]
    if name == "conv_0" or not is_linear:
      found = jax.nn.relu(found)
  found = jnp.einsum("nyxc,yxcu->nu", found, params["hidden"]["kernel"])
  found = jax.nn.relu(found + params["hidden"]["bias"])
  return found @ params["output"]["kernel"] + params["output"]["bias"]


@pytest.mark.parametrize("name", ["cnn", "cnn, linear"])
def test_it_is_two_convolutions_and_two_layers(name):
  network = SMALL[name]
  params, _ = two(network)
  items = np.float32(np.random.default_rng(0).choice([-1, 1], (5, 4, 10)))
  expected = reference(params, items.reshape(-1, 10), network.is_linear)
  np.testing.assert_allclose(
    embed(network, params, items).reshape(20, -1), expected, atol=1e-4
  )


def test_a_bit_is_the_direction_of_a_diagonal():
  items = np.float32(np.random.default_rng(0).choice([-1, 1], (6, 10)))
  images = np.asarray(convolutional.pixels(jnp.asarray(items)))[..., 0]
  assert images.shape == (6, 8, 8)
  for item, image in zip(items, images, strict=True):
    for bit, value in enumerate(item):
      row, column = 2 * (bit // 4), 2 * (bit % 4)
      square = image[row : row + 2, column : column + 2]
      expected = np.eye(2) if value == 1 else np.eye(2)[::-1]
      np.testing.assert_array_equal(square, expected)
    assert not image[4:6, 4:].any() and not image[6:].any()
