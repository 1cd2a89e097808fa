"""Transformers of several layers without norms, as tracr compiles them.

A first token that means nothing stands before the ten bits. One token is read:
some coordinates of its stream are the output.
"""

import dataclasses

import jax
import jax.numpy as jnp

from structcomp_jax import types
from structcomp_jax.models.layers import transformer as layers
from structcomp_jax.studies.planted import network
from structcomp_jax.studies.planted.networks.transformer import (
  FROZEN_QUERIES,
  STREAM,
)
from structcomp_jax.studies.planted.problems import NUM_BITS

# Rows of the tokens' embeddings: bits of -1 and 1, and the first token.
_FIRST, _NUM_TOKENS = 2, 3


@dataclasses.dataclass(frozen=True)
class Encoder(network.Network):
  """A transformer encoder with ReLU.

  Attributes:
    num_layers: attention and units, one after the other.
    width: of the residual stream.
    num_heads: of every layer.
    head_size: of a query, key or value.
    num_units: of every layer.
    num_outputs: numbers that are read off the stream.
    read: the token that is read; 0 is the one before the bits.
  """

  num_layers: int
  width: int
  num_heads: int
  head_size: int
  num_units: int
  num_outputs: int
  read: int = 0

  @property
  def axes(self) -> dict[str, network.Axes]:
    """See `Network`; spaces are the stream, and heads and units of layers."""
    found: dict[str, network.Axes] = {
      "embed/tokens": (None, STREAM),
      "embed/places": (None, STREAM),
      "output/kernel": (STREAM, network.OUTPUT),
    }
    for layer in range(self.num_layers):
      heads, units = f"heads_{layer}", f"units_{layer}"
      for name in ("query", "key", "value"):
        found[f"{name}_{layer}/kernel"] = (STREAM, heads, None)
      found[f"attended_{layer}/kernel"] = (heads, None, STREAM)
      found[f"inner_{layer}/kernel"] = (STREAM, units)
      found[f"inner_{layer}/bias"] = (units,)
      found[f"outer_{layer}/kernel"] = (units, STREAM)
      found[f"outer_{layer}/bias"] = (STREAM,)
    return found

  @property
  def shapes(self) -> dict[str, tuple[int, ...]]:
    """{path: shape of a leaf of one network}."""
    rows = {"embed/tokens": _NUM_TOKENS, "embed/places": NUM_BITS + 1}
    sizes = {STREAM: self.width, network.OUTPUT: self.num_outputs}
    for layer in range(self.num_layers):
      sizes[f"heads_{layer}"] = self.num_heads
      sizes[f"units_{layer}"] = self.num_units
    return {
      path: tuple(
        rows.get(path, self.head_size) if space is None else sizes[space]
        for space in spaces
      )
      for path, spaces in self.axes.items()
    }

  @property
  def linear(self) -> frozenset[str]:
    """See `Network`."""
    return frozenset((STREAM, network.OUTPUT))

  @property
  def rules(self) -> list[tuple[str, str]]:
    """See `Network`."""
    return [FROZEN_QUERIES, *network.RULES]

  def embed(self, params: types.Params, bits: jax.Array) -> jax.Array:
    """Returns f32[..., outputs] of items f32[..., bits]."""
    lead = bits.shape[:-1]
    ids = (bits.reshape(-1, NUM_BITS) > 0).astype(int)
    ids = jnp.pad(ids, [(0, 0), (1, 0)], constant_values=_FIRST)
    stream = params["embed"]["tokens"][ids] + params["embed"]["places"]
    for layer in range(self.num_layers):
      query, key, value = (
        stream @ params[f"{name}_{layer}"]["kernel"].reshape(self.width, -1)
        for name in ("query", "key", "value")
      )
      mixed = layers.attend(query, key, value, num_heads=self.num_heads)
      attended = params[f"attended_{layer}"]["kernel"]
      stream = stream + mixed @ attended.reshape(-1, self.width)
      inner, outer = params[f"inner_{layer}"], params[f"outer_{layer}"]
      units = jax.nn.relu(stream @ inner["kernel"] + inner["bias"])
      stream = stream + units @ outer["kernel"] + outer["bias"]
    outputs = stream[:, self.read] @ params["output"]["kernel"]
    return outputs.reshape(*lead, -1)

  def init(self, num_networks: int, seed: int) -> types.Params:
    """Returns untrained networks as rows.

    Embeddings have variance 1, weights 1 / inputs, those before ReLU twice
    that; biases are 0.
    """
    inputs = {
      "embed": 1.0,
      "attended": self.num_heads * self.head_size,
      "inner": self.width / 2,
      "outer": self.num_units,
    }
    spreads = {
      path: inputs.get(path.split("/")[0].split("_")[0], self.width) ** -0.5
      for path in self.axes
      if not path.endswith("bias")
    }
    return network.draw(self.shapes, spreads, num_networks, seed)
