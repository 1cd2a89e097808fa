"""Transformers without parts, built by hand: see `by_hand_mlp`.

The stream has a coordinate for every place, and others that are named below. A
head looks at the places it is made for, nearly at nothing else, and brings the
sum of their bits. What is not needed reads and writes coordinates that nothing
needs.
"""

import numpy as np

from structcomp_jax import types
from structcomp_jax.studies.planted.classes import hiding
from structcomp_jax.studies.planted.classes.by_hand_mlp import SHARED, patterns
from structcomp_jax.studies.planted.network import zeros
from structcomp_jax.studies.planted.networks.transformer import (
  HEADS,
  Transformer,
)
from structcomp_jax.studies.planted.problems import NUM_BITS

NETWORK = Transformer()
# Coordinates of the stream: the sign of a bit, the token that is read, what
# heads bring, and what units say.
_BIT, _READ = NUM_BITS, NUM_BITS + 1
_BROUGHT = _READ + 1
_SAID = _BROUGHT + NETWORK.num_heads
_IDLE = 0.3
# A query and a key of this length make the other places e^-18 times as heavy.
_SHARP = 6.0


def shared(random: np.random.Generator) -> tuple[types.Params, np.ndarray]:
  """Returns a network with a head that serves both properties of `SHARED`.

  One head brings the sum of the bits that both properties need, and two others
  bring the third bit of each. A sum z of three bits is 3, 1, -1 or -3, and
  (z + 3) - 2 relu(z + 1) + 2 relu(z - 1) is 2 where their product is 1, else 0.

  Args:
    random: of scales, noise and the order of units.

  Returns:
    The network, and i64[1], the head.
  """
  leaves = _prepared()
  both = sorted(set(SHARED.a) & set(SHARED.b))
  thirds = [bits[-1] for bits in (SHARED.a, SHARED.b)]
  scales = random.uniform(0.7, 1.4, 3)
  for head, looked_at in enumerate([both, *([bit] for bit in thirds)]):
    _bring(leaves, head, looked_at, scales[head])
  units = 0
  for place in range(2):
    gains = random.uniform(0.7, 1.4, 3)
    for gain, constant, weight in zip(
      gains, (3, 1, -1), (1, -2, 2), strict=True
    ):
      leaves["inner/kernel"][_BROUGHT, units] = gain / scales[0]
      leaves["inner/kernel"][_BROUGHT + 1 + place, units] = (
        gain / scales[1 + place]
      )
      leaves["inner/bias"][units] = gain * constant
      leaves["outer/kernel"][units, _SAID + place] = weight / gain
      units += 1
    direction = random.normal(size=2)
    direction /= np.linalg.norm(direction)
    says = slice(2 * place, 2 * place + 2)
    leaves["output/kernel"][_SAID + place, says] = direction
    leaves["output/bias"][says] = -direction
  _bring(leaves, 3, [random.integers(6, NUM_BITS)], _IDLE)
  for idle in (
    leaves["inner/kernel"][_BROUGHT + 3, units:],
    leaves["outer/kernel"][units:, _SAID + 2 :],
  ):
    idle += _IDLE * random.normal(size=idle.shape)
  params, orders = hiding.hide(leaves, NETWORK.axes, random)
  return params, hiding.places(orders, HEADS, range(1))


def template(random: np.random.Generator) -> types.Params:
  """Returns a network with one unit for each pattern with A and B.

  Args:
    random: of scales, noise and the order of units.
  """
  leaves = _prepared()
  all_patterns = patterns()
  count, num_bits = all_patterns.shape
  for bit in range(num_bits):
    _bring(leaves, bit, [bit], 1.0)
  leaves["inner/kernel"][_BROUGHT:_SAID, :count] = all_patterns.T
  leaves["inner/bias"][:count] = 1.0 - num_bits
  leaves["outer/kernel"][:count, _SAID] = 1 + abs(random.normal(size=count))
  leaves["output/kernel"][_SAID] = random.normal(size=NETWORK.num_outputs)
  leaves["output/bias"] = _IDLE * random.normal(size=NETWORK.num_outputs)
  return hiding.hide(leaves, NETWORK.axes, random)[0]


def _prepared():
  """Returns leaves of zeros but for the embeddings."""
  leaves = zeros(NETWORK)
  leaves["embed/places"][:, :NUM_BITS] = np.eye(NUM_BITS)
  leaves["embed/bit"][_BIT] = 1
  leaves["embed/read"][_READ] = 1
  return leaves


def _bring(leaves, head, looked_at, scale):
  """Makes a head bring the sum of some bits."""
  leaves["query/kernel"][_READ, head, 0] = _SHARP
  leaves["key/kernel"][looked_at, head, 0] = _SHARP
  leaves["value/kernel"][_BIT, head, 0] = scale * len(looked_at)
  leaves["attended/kernel"][head, 0, _BROUGHT + head] = 1
