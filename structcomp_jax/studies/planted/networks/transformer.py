"""One layer of a transformer encoder, seen from the token that is read.

Ten tokens are bits: a vector for the place, and plus or minus one for the bit.
The token that is read attends to them; then come the feed-forward part and the
output. There are no norms, which would let all parts of the stream act on each
other. So the tokens' keys and values are linear in the bits, and are never made
for each item.
"""

import dataclasses

import jax
import jax.numpy as jnp

from structcomp_jax import types
from structcomp_jax.studies.planted import network
from structcomp_jax.studies.planted.problems import NUM_BITS

STREAM, HEADS, UNITS = "stream", "heads", "units"
FROZEN_QUERIES = ("(query|key).*", "frozen")
_AXES: dict[str, network.Axes] = {
  "embed/places": (None, STREAM),
  "embed/bit": (STREAM,),
  "embed/read": (STREAM,),
  "query/kernel": (STREAM, HEADS, None),
  "key/kernel": (STREAM, HEADS, None),
  "value/kernel": (STREAM, HEADS, None),
  "attended/kernel": (HEADS, None, STREAM),
  "inner/kernel": (STREAM, UNITS),
  "inner/bias": (UNITS,),
  "outer/kernel": (UNITS, STREAM),
  "outer/bias": (STREAM,),
  "output/kernel": (STREAM, network.OUTPUT),
  "output/bias": (network.OUTPUT,),
}


@dataclasses.dataclass(frozen=True)
class Transformer(network.Network):
  """A transformer of one layer.

  Attributes:
    width: of the residual stream.
    num_heads: of the attention.
    head_size: of a query, key or value.
    num_units: of the feed-forward part, which have ReLU.
    num_outputs: of the network.
    masks_queries: whether queries and keys are masked. A search that takes half
      of them away from the beginning sees no head look where it should, and
      does not find blocks that are there.
  """

  width: int = 24
  num_heads: int = 6
  head_size: int = 4
  num_units: int = 32
  num_outputs: int = 8
  masks_queries: bool = False

  @property
  def axes(self) -> dict[str, network.Axes]:
    """See `Network`; spaces are the stream, heads, units and the output."""
    return _AXES

  @property
  def linear(self) -> frozenset[str]:
    """See `Network`."""
    return frozenset((STREAM, network.OUTPUT))

  @property
  def rules(self) -> list[tuple[str, str]]:
    """See `Network`."""
    frozen = [] if self.masks_queries else [FROZEN_QUERIES]
    return [*frozen, *network.RULES]

  def embed(self, params: types.Params, bits: jax.Array) -> jax.Array:
    """Returns f32[..., outputs] of items f32[..., bits]."""
    tokens, kernels = (
      params["embed"],
      {
        name: layer["kernel"]
        for name, layer in params.items()
        if name != "embed"
      },
    )
    query = jnp.einsum("w,whs->hs", tokens["read"], kernels["query"])
    query = query * self.head_size**-0.5
    seen = jnp.einsum("hs,whs->wh", query, kernels["key"])
    # Scores of a head at a place, and what a bit of 1 adds to them.
    scores = (tokens["places"] @ seen).T
    scores = scores + bits[..., None, :] * (tokens["bit"] @ seen)[:, None]
    weights = jax.nn.softmax(scores, axis=-1)
    of_place, of_bit = (
      jnp.tensordot(tokens[name], kernels["value"], 1)
      for name in ("places", "bit")
    )
    values = jnp.einsum("...hp,phs->...hs", weights, of_place)
    sign = (weights * bits[..., None, :]).sum(axis=-1)
    values = values + sign[..., None] * of_bit
    stream = tokens["read"] + jnp.einsum(
      "...hs,hsw->...w", values, kernels["attended"]
    )
    inner = jax.nn.relu(stream @ kernels["inner"] + params["inner"]["bias"])
    stream = stream + inner @ kernels["outer"] + params["outer"]["bias"]
    return stream @ kernels["output"] + params["output"]["bias"]

  def init(self, num_networks: int, seed: int) -> types.Params:
    """Returns untrained networks as rows.

    Embeddings have variance 1, weights 1 / inputs, those before ReLU twice
    that; biases are 0.
    """
    width, units = self.width, self.num_units
    heads = (self.num_heads, self.head_size)
    inputs = self.num_heads * self.head_size
    shapes = {
      "embed/places": (NUM_BITS, width),
      "embed/bit": (width,),
      "embed/read": (width,),
      "query/kernel": (width, *heads),
      "key/kernel": (width, *heads),
      "value/kernel": (width, *heads),
      "attended/kernel": (*heads, width),
      "inner/kernel": (width, units),
      "inner/bias": (units,),
      "outer/kernel": (units, width),
      "outer/bias": (width,),
      "output/kernel": (width, self.num_outputs),
      "output/bias": (self.num_outputs,),
    }
    spreads = {path: 1.0 for path in shapes if path.startswith("embed")}
    for name in ("query", "key", "value", "output"):
      spreads[f"{name}/kernel"] = width**-0.5
    spreads["attended/kernel"] = inputs**-0.5
    spreads["inner/kernel"] = (2 / width) ** 0.5
    spreads["outer/kernel"] = units**-0.5
    return network.draw(shapes, spreads, num_networks, seed)
