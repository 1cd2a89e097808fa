"""Convolutional networks without parts, built by hand: see `by_hand_mlp`.

Two channels of the first convolution are 1 where a square's bit is 1, and where
it is -1. The second convolution looks at the squares of an output's own block
of 2 x 2: bits 0 and 1 are in the block at (0, 0), bits 2 and 3 in that at
(0, 1), 4 and 5 in the second row of the first.
"""

import numpy as np

from structcomp_jax import types
from structcomp_jax.studies.planted.classes import hiding
from structcomp_jax.studies.planted.classes.by_hand_mlp import patterns
from structcomp_jax.studies.planted.network import zeros
from structcomp_jax.studies.planted.networks.convolutional import (
  SECOND,
  SQUARES,
  Convolutional,
)

NETWORK = Convolutional()
TRUNK = 2
_IDLE = 0.3


def shared(random: np.random.Generator) -> tuple[types.Params, np.ndarray]:
  """Returns a network with a trunk that serves both properties of `SHARED`.

  It is the network of `by_hand_mlp`, whose two hidden layers are the second
  convolution and the dense layer.

  Args:
    random: of scales, noise and the order of units.

  Returns:
    The network, and i64[2], the channels of the trunk in the second
    convolution.
  """
  leaves = _prepared()
  scale = random.uniform(0.7, 1.4, 6)
  for unit, sign in enumerate((1, -1)):
    for channel, bit in ((0, 0), (0, 1), (TRUNK, 2), (TRUNK + 2, 3)):
      _look(leaves, channel + unit, bit, sign * scale[channel + unit])
  hidden = leaves["hidden/kernel"]
  for unit, (sign, channel) in enumerate([(1, 2), (-1, 2), (1, 4), (-1, 4)]):
    gain = sign * random.uniform(0.7, 1.4)
    hidden[0, 0, :TRUNK, unit] = gain / scale[:TRUNK]
    signs = np.array([gain, -gain])
    hidden[0, 1, channel : channel + 2, unit] = (
      signs / scale[channel : channel + 2]
    )
    leaves["hidden/bias"][unit] = -gain
  for place in range(2):
    rows = slice(2 * place, 2 * place + 2)
    direction = random.normal(size=2)
    direction /= np.linalg.norm(direction)
    leaves["output/kernel"][rows, rows] = direction
    leaves["output/bias"][rows] = -direction
  for kernel in (
    leaves["conv_0/kernel"][..., 2:],
    leaves["conv_1/kernel"][:, :, 2:, 6:],
    hidden[1, :, 6:, 4:],  # Where no property depends on the bits.
  ):
    kernel += _IDLE * random.normal(size=kernel.shape)
  params, orders = hiding.hide(leaves, NETWORK.axes, random)
  return params, hiding.places(orders, SECOND, range(TRUNK))


def template(random: np.random.Generator) -> types.Params:
  """Returns a network with one dense unit for each pattern with A and B.

  Args:
    random: of scales, noise and the order of units.
  """
  leaves = _prepared()
  all_patterns = patterns()
  count, num_bits = all_patterns.shape
  channels = {}
  for channel, (bit, sign) in enumerate(
    (bit, sign) for bit in (0, 1, 4, 5) for sign in (1, -1)
  ):
    _look(leaves, channel, bit, sign)
    channels[_block_and_offset(bit)[1], sign] = channel
  for bit in range(num_bits):
    (row, column), offset = _block_and_offset(bit)
    for sign in (1, -1):
      leaves["hidden/kernel"][row, column, channels[offset, sign], :count] = (
        sign * all_patterns[:, bit]
      )
  leaves["hidden/bias"][:count] = 1.0 - num_bits
  outputs = NETWORK.num_outputs
  leaves["output/kernel"][:count] = (
    1 + abs(random.normal(size=(count, 1)))
  ) * random.normal(size=outputs)
  leaves["output/bias"] = _IDLE * random.normal(size=outputs)
  return hiding.hide(leaves, NETWORK.axes, random)[0]


def _prepared():
  """Returns leaves of zeros but for the two channels that see bits."""
  leaves = zeros(NETWORK)
  diagonals = np.array([[1, -1], [-1, 1]]) / 2
  leaves["conv_0/kernel"][1:, 1:, 0, :2] = np.stack(
    [diagonals, -diagonals], axis=-1
  )
  return leaves


def _look(leaves, channel, bit, weight):
  """Adds a bit to what a channel of the second convolution sums up."""
  row, column = _block_and_offset(bit)[1]
  leaves["conv_1/kernel"][1 + row, 1 + column, :2, channel] = [weight, -weight]


def _block_and_offset(bit):
  """Returns the output whose block has a bit's square, and where in it."""
  row, column = divmod(bit, SQUARES)
  return (row // 2, column // 2), (row % 2, column % 2)
