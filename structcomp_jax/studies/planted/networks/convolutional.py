"""Two convolutions and a dense layer over images of 8 x 8 pixels.

A bit is the direction of a diagonal: it has a square of 2 x 2 pixels of its
own, two of which are 1. The squares stand in rows of four.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import types
from structcomp_jax.models.layers import windows
from structcomp_jax.studies.planted import network
from structcomp_jax.studies.planted.problems import NUM_BITS

SQUARES = 4  # In a row.
_SIZE, _STRIDE, _LEFT = 3, 2, 2  # Of kernels; rows of pixels after both.
FIRST, SECOND, HIDDEN = "conv_0", "conv_1", "hidden"
_AXES: dict[str, network.Axes] = {
  "conv_0/kernel": (None, None, None, FIRST),
  "conv_0/bias": (FIRST,),
  "conv_1/kernel": (None, None, FIRST, SECOND),
  "conv_1/bias": (SECOND,),
  "hidden/kernel": (None, None, SECOND, HIDDEN),
  "hidden/bias": (HIDDEN,),
  "output/kernel": (HIDDEN, network.OUTPUT),
  "output/bias": (network.OUTPUT,),
}


def pixels(bits: jax.Array) -> jax.Array:
  """Returns images f32[..., 8, 8, 1] of items f32[..., bits].

  >>> print(pixels(jnp.array([1.0, -1] * 5))[:2, :4, 0])
  [[1. 0. 0. 1.]
   [0. 1. 1. 0.]]
  """
  lead = bits.shape[:-1]
  padding = [(0, 0)] * len(lead) + [(0, SQUARES**2 - NUM_BITS)]
  bits = jnp.pad(bits, padding)[..., None, None]
  has_bit = jnp.arange(SQUARES**2)[:, None, None] < NUM_BITS
  squares = (has_bit + bits * jnp.array([[1, -1], [-1, 1]])) / 2
  # [..., row, column, y, x] of squares.
  squares = squares.reshape(*lead, SQUARES, SQUARES, 2, 2)
  return squares.swapaxes(-3, -2).reshape(*lead, 2 * SQUARES, 2 * SQUARES, 1)


@dataclasses.dataclass(frozen=True)
class Convolutional(network.Network):
  """A convolutional network.

  Attributes:
    channels: of both convolutions, 3 x 3 with stride 2.
    num_units: of the dense layer.
    num_outputs: of the network.
    is_linear: whether the second convolution has no ReLU.
  """

  channels: tuple[int, int] = (8, 8)
  num_units: int = 16
  num_outputs: int = 8
  is_linear: bool = False

  @property
  def axes(self) -> dict[str, network.Axes]:
    """See `Network`; spaces are the layers' channels and units."""
    return _AXES

  @property
  def linear(self) -> frozenset[str]:
    """See `Network`."""
    return frozenset((network.OUTPUT, *([SECOND] if self.is_linear else [])))

  def embed(self, params: types.Params, bits: jax.Array) -> jax.Array:
    """Returns f32[..., outputs] of items f32[..., bits]."""
    lead, first = bits.shape[:-1], params[FIRST]
    # Pixels are linear in the bits, so the first convolution is made of the
    # images of single bits, instead of those of all items.
    seen = windows.convolve(_STRIDE, _images_of_bits(), first["kernel"])
    found = jnp.tensordot(bits.reshape(-1, NUM_BITS), seen[1:], 1)
    found = jax.nn.relu(found + seen[0] + first["bias"])
    found = windows.convolve(_STRIDE, found, params[SECOND]["kernel"])
    found = found + params[SECOND]["bias"]
    if not self.is_linear:
      found = jax.nn.relu(found)
    found = jnp.tensordot(found, params[HIDDEN]["kernel"], 3)
    found = jax.nn.relu(found + params[HIDDEN]["bias"])
    found = found @ params["output"]["kernel"] + params["output"]["bias"]
    return found.reshape(*lead, -1)

  def init(self, num_networks: int, seed: int) -> types.Params:
    """Returns untrained networks as rows, He-normal weights and no biases."""
    first, second = self.channels
    shapes = {
      "conv_0/kernel": (_SIZE, _SIZE, 1, first),
      "conv_0/bias": (first,),
      "conv_1/kernel": (_SIZE, _SIZE, first, second),
      "conv_1/bias": (second,),
      "hidden/kernel": (_LEFT, _LEFT, second, self.num_units),
      "hidden/bias": (self.num_units,),
      "output/kernel": (self.num_units, self.num_outputs),
      "output/bias": (self.num_outputs,),
    }
    spreads = {
      path: (2 / np.prod(shape[:-1])) ** 0.5
      for path, shape in shapes.items()
      if path.endswith("kernel")
    }
    return network.draw(shapes, spreads, num_networks, seed)


def _images_of_bits():
  """Returns the image without bits, and what each bit of 1 adds to it."""
  images = pixels(jnp.eye(NUM_BITS + 1, NUM_BITS, -1))
  return images.at[1:].add(-images[0])
