"""Dense layers with ReLU between them.

A layer may be linear, so that the basis of what it returns can be changed
without a change of the function.
"""

import dataclasses
import itertools

import jax

from structcomp_jax import types
from structcomp_jax.studies.planted import network
from structcomp_jax.studies.planted.problems import NUM_BITS


@dataclasses.dataclass(frozen=True)
class Mlp(network.Network):
  """A feed-forward network.

  Attributes:
    sizes: of the input, of every hidden layer, and of the output.
    without_relu: numbers of the hidden layers that are linear.
  """

  sizes: tuple[int, ...] = (NUM_BITS, 32, 16, 8)
  without_relu: tuple[int, ...] = ()

  @property
  def axes(self) -> dict[str, network.Axes]:
    """See `Network`; the units of layer n are the space "layer_n"."""
    found: dict[str, network.Axes] = {}
    below = None
    for number in range(self._last + 1):
      name = f"layer_{number}"
      above = network.OUTPUT if number == self._last else name
      found |= {f"{name}/kernel": (below, above), f"{name}/bias": (above,)}
      below = above
    return found

  @property
  def linear(self) -> frozenset[str]:
    """See `Network`."""
    return frozenset(
      (network.OUTPUT, *(f"layer_{number}" for number in self.without_relu))
    )

  def embed(self, params: types.Params, bits: jax.Array) -> jax.Array:
    """Returns f32[..., outputs] of items f32[..., bits]."""
    for number in range(self._last + 1):
      layer = params[f"layer_{number}"]
      bits = bits @ layer["kernel"] + layer["bias"]
      if number < self._last and number not in self.without_relu:
        bits = jax.nn.relu(bits)
    return bits

  def init(self, num_networks: int, seed: int) -> types.Params:
    """Returns untrained networks as rows, He-normal weights and no biases."""
    shapes: dict[str, tuple[int, ...]] = {}
    spreads = {}
    for number, (size, width) in enumerate(itertools.pairwise(self.sizes)):
      name = f"layer_{number}"
      shapes |= {f"{name}/kernel": (size, width), f"{name}/bias": (width,)}
      spreads[f"{name}/kernel"] = (2 / size) ** 0.5
    return network.draw(shapes, spreads, num_networks, seed)

  @property
  def _last(self) -> int:
    return len(self.sizes) - 2
