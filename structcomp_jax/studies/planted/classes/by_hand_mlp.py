"""Networks without parts, built by hand: of one trunk, or of one pattern each.

Both have the sizes of `Mlp()`. Units that are not needed read the bits that
no property depends on, and small noise lies over all weights.
"""

import numpy as np

from structcomp_jax import types
from structcomp_jax.studies.planted.classes import hiding
from structcomp_jax.studies.planted.network import zeros
from structcomp_jax.studies.planted.networks.mlp import Mlp
from structcomp_jax.studies.planted.problems import ITEMS, Pair

NETWORK = Mlp()
_IDLE = 0.3
# Properties that share two bits, whose parity a trunk computes once.
SHARED = Pair((0, 1, 2), (0, 1, 3))
TRUNK = 2


def shared(random: np.random.Generator) -> tuple[types.Params, np.ndarray]:
  """Returns a network with a trunk that serves both properties of `SHARED`.

  relu(x0 + x1) and relu(-x0 - x1) sum up to 2 where both bits are equal, else
  to 0: 1 more than their parity h. Two units read each property off h and its
  third bit: relu(h + x) is above 0 where both are 1, relu(-h - x) where both
  are -1.

  Args:
    random: of scales, noise and the order of units.

  Returns:
    The network, and i64[2], the units of the trunk in the first layer.
  """
  leaves, kernels, biases = _zeros()
  scale = random.uniform(0.7, 1.4, 6)
  first, second, third = kernels
  for unit, sign in enumerate((1, -1)):
    first[:2, unit] = sign * scale[unit]
    first[2, TRUNK + unit] = sign * scale[2 + unit]
    first[3, TRUNK + 2 + unit] = sign * scale[4 + unit]
  for unit, (sign, bit) in enumerate([(1, 2), (-1, 2), (1, 4), (-1, 4)]):
    gain = sign * random.uniform(0.7, 1.4)
    second[:2, unit] = gain / scale[:2]
    second[bit : bit + 2, unit] = [gain / scale[bit], -gain / scale[bit + 1]]
    biases[1][unit] = -gain  # h is the sum of the trunk less 1.
  _add_idle(first, second, 6, 4, random)
  # Directions of "has A" and of "has B": two outputs each.
  third[:2, :2] = _direction(random)
  third[2:4, 2:4] = _direction(random)
  biases[2] -= third[:2].mean(axis=0) + third[2:4].mean(axis=0)
  params, orders = hiding.hide(leaves, NETWORK.axes, random)
  return params, hiding.places(orders, "layer_0", range(TRUNK))


def template(random: np.random.Generator) -> types.Params:
  """Returns a network with one hidden unit for each pattern with A and B.

  A unit is above 0 if all six bits match its pattern. So the network tells
  items with both properties from all others, and neither property alone.

  Args:
    random: of scales, noise and the order of units.
  """
  leaves, kernels, biases = _zeros()
  all_patterns = patterns()
  count = len(all_patterns)
  kernels[0][: all_patterns.shape[1], :count] = all_patterns.T
  biases[0][:count] = 1.0 - all_patterns.shape[1]
  half = kernels[1].shape[1] // 2
  kernels[1][:count, :half] = 1 + np.abs(random.normal(size=half))
  biases[1][half:] = _IDLE
  kernels[2][:] = random.normal(size=kernels[2].shape)
  kernels[0][:, count:] = _IDLE * random.normal(
    size=kernels[0][:, count:].shape
  )
  return hiding.hide(leaves, NETWORK.axes, random)[0]


def patterns() -> np.ndarray:
  """Returns f32[16, 6], the bits with both properties."""
  pair = Pair()
  both = ITEMS[pair.holds(ITEMS).all(axis=1)]
  return np.unique(both[:, : len(pair.a + pair.b)], axis=0)


def _zeros():
  """Returns leaves of zeros, and in their order their kernels and biases."""
  leaves = zeros(NETWORK)
  kernels, biases = (
    [leaf for path, leaf in leaves.items() if path.endswith(name)]
    for name in ("kernel", "bias")
  )
  return leaves, kernels, biases


def _direction(random):
  """Draws a vector of length 1."""
  vector = random.normal(size=2)
  return vector / np.linalg.norm(vector)


def _add_idle(first, second, num_first, num_second, random):
  """Adds units that read bits which no property depends on."""
  free = first[6:, num_first:]
  free += _IDLE * random.normal(size=free.shape)
  rest = second[num_first:, num_second:]
  rest += 0.2 * random.normal(size=rest.shape)
