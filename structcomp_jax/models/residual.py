"""What each part of a transformer adds to its residual stream.

The house's transformers name their parts alike, so that what a part adds is
what a linen module returns: nothing in the networks knows that it is read.
"""

import re
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from structcomp_jax.types import Batch, Params, UserError

# What is read of a block: {end of the site: the module that returns it}.
_PARTS = {
  "attention": "attention/output",
  "feed_forward": "output",
  "stream": "",
}


def sites(model: Any) -> dict[str, str]:
  """Returns {site: path of the module that returns it}, first to last.

  >>> from structcomp_jax.models.bert import Bert, BertConfig
  >>> sites(Bert(BertConfig(num_layers=1)))["layer_0/attention"]
  'layer_0/attention/output'

  Args:
    model: `bert.Bert` or `gpt.Gpt`.

  Raises:
    UserError: it is another kind of network.
  """
  layers = [name for name in model.stages if re.fullmatch(r"layer_\d+", name)]
  if not layers or not hasattr(model, "last_hidden"):
    raise UserError(
      f"{type(model).__name__} has no residual stream that can be read here; "
      "give a Bert or a Gpt, or write a function that returns {site: features}"
    )
  found = {"embeddings/stream": "embeddings"}
  for layer in layers:
    for part, module in _PARTS.items():
      found[f"{layer}/{part}"] = f"{layer}/{module}".rstrip("/")
  return found


def updates(model: Any, params: Params, inputs: Batch) -> dict[str, jax.Array]:
  """Returns what every part adds, and the stream after every block.

  Of a Gpt the stream is a sum: `layer_1/stream` = `layer_0/stream` +
  `layer_1/attention` + `layer_1/feed_forward`. A Bert norms it after each
  addition.

  Args:
    model: `bert.Bert` or `gpt.Gpt`.
    params: its weights.
    inputs: what it reads, of N items.

  Returns:
    {site: float[N, length, hidden]}: "embeddings/stream", and of every layer
    "<layer>/attention", "<layer>/feed_forward", "<layer>/stream". What is at
    padding means nothing.

  Raises:
    UserError: the network is of another kind.
  """
  modules = sites(model)
  wanted = set(modules.values())

  def is_wanted(module: nn.Module, method: str) -> bool:
    return method == "__call__" and "/".join(module.path) in wanted

  _, state = model.apply(
    {"params": params},
    inputs,
    method="last_hidden",
    capture_intermediates=is_wanted,
    mutable=["intermediates"],
  )
  num_items, length = inputs["token_ids"].shape

  def returned(path: str) -> jax.Array:
    found = state["intermediates"]
    for name in path.split("/"):
      found = found[name]
    # Bert computes rows of tokens, in one part where all are computed.
    rows = jnp.concatenate(jax.tree.leaves(found["__call__"]))
    return rows.reshape(num_items, length, -1)

  return {site: returned(path) for site, path in modules.items()}
