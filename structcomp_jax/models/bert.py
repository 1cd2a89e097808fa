"""BERT encoder (Devlin et al. 2019, arXiv 1810.04805) as named stages.

Computes what the Hugging Face `BertModel` computes in evaluation mode:
post-layer-norm blocks, learned positions, token types, additive attention
mask. There is no dropout (Lepori et al. 2023 set it to 0) and no
pooler (the sentence vector is the last hidden state at [CLS]).

`Bert` is a `staged.Staged` network with the stages embeddings, layer_0,
layer_1, ...
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from structcomp_jax.models import sizes, staged
from structcomp_jax.models.layers import transformer
from structcomp_jax.models.layers.packing import Packing, Rows
from structcomp_jax.types import Batch, UserError

_FROM_HUGGING_FACE = {
  "vocab_size": "vocab_size",
  "hidden_size": "hidden_size",
  "num_hidden_layers": "num_layers",
  "num_attention_heads": "num_heads",
  "intermediate_size": "intermediate_size",
  "max_position_embeddings": "max_positions",
  "type_vocab_size": "type_vocab_size",
  "layer_norm_eps": "layer_norm_eps",
  "hidden_act": "hidden_act",
  "initializer_range": "initializer_range",
}
_OPTIONAL = (
  "type_vocab_size", "layer_norm_eps", "hidden_act", "initializer_range"
)  # fmt: skip
_ONLY_VALUE = {
  "model_type": "bert",
  "position_embedding_type": "absolute",
  "is_decoder": False,
  "add_cross_attention": False,
}


@dataclasses.dataclass(frozen=True)
class BertConfig:
  """Sizes of a BERT encoder; the defaults are those of `bert-small`.

  Attributes:
    vocab_size: number of token ids.
    hidden_size: width of the residual stream; a multiple of `num_heads`.
    num_layers: number of blocks, at least 1.
    num_heads: attention heads per block.
    intermediate_size: width inside the feed-forward part.
    max_positions: longest sequence, in tokens.
    type_vocab_size: number of token types.
    layer_norm_eps: number added to the variance.
    hidden_act: one of `transformer.ACTIVATIONS`: "gelu" (exact, with erf),
      "gelu_new" (tanh), "relu", ...
    initializer_range: standard deviation of fresh weights and embeddings.
  """

  vocab_size: int = 30522
  hidden_size: int = 512
  num_layers: int = 4
  num_heads: int = 8
  intermediate_size: int = 2048
  max_positions: int = 512
  type_vocab_size: int = 2
  layer_norm_eps: float = 1e-12
  hidden_act: str = "gelu"
  initializer_range: float = 0.02

  def __post_init__(self):
    sizes.check(self, "BERT")
    sizes.check_multiple(self, "BERT", "hidden_size", "num_heads")
    sizes.check_choice(self, "BERT", "hidden_act", transformer.ACTIVATIONS)

  @classmethod
  def from_hugging_face(cls, fields: Mapping[str, Any]) -> "BertConfig":
    """Reads the fields of a Hugging Face `config.json`.

    Raises:
      UserError: a size is missing, or the network is not a plain BERT
        encoder (relative positions, decoder, another architecture).
    """
    found = sizes.from_hugging_face(
      fields,
      _FROM_HUGGING_FACE,
      optional=_OPTIONAL,
      only_value=_ONLY_VALUE,
      kind="a plain BERT encoder",
    )
    return cls(**found)


class Embeddings(nn.Module):
  """Sum of word, position and token-type vectors, normalised."""

  config: BertConfig
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self,
    token_ids: Int[Array, "batch length"],
    token_type_ids: Int[Array, "batch length"],
  ) -> Float[Array, "batch length hidden"]:
    config = self.config
    embed = functools.partial(
      nn.Embed,
      features=config.hidden_size,
      dtype=self.dtype,
      embedding_init=nn.initializers.normal(config.initializer_range),
    )
    words = embed(config.vocab_size, name="word_embeddings")(token_ids)
    positions = embed(config.max_positions, name="position_embeddings")(
      jnp.arange(token_ids.shape[1])
    )
    types = embed(config.type_vocab_size, name="token_type_embeddings")(
      token_type_ids
    )
    norm = _layer_norm(config, self.dtype, "layer_norm")
    return norm(words + positions[None] + types)


class Attention(nn.Module):
  """The layers around multi-head self-attention."""

  config: BertConfig
  dtype: Any = jnp.float32

  def setup(self):
    project = functools.partial(_dense, self.config, self.config.hidden_size)
    self.query, self.key, self.value = (project(self.dtype) for _ in range(3))
    self.output = project(self.dtype)
    self.layer_norm = _layer_norm(self.config, self.dtype)


class Layer(nn.Module):
  """One block: attention, then the feed-forward part."""

  config: BertConfig
  dtype: Any = jnp.float32

  def setup(self):
    config, dtype = self.config, self.dtype
    self.attention = Attention(config, dtype)
    self.intermediate = _dense(config, config.intermediate_size, dtype)
    self.output = _dense(config, config.hidden_size, dtype)
    self.layer_norm = _layer_norm(config, dtype)

  def __call__(self, rows: Rows, packing: Packing) -> Rows:
    """Computes all tokens."""
    query, key, value = packing.map(Layer._project, self, rows)
    mixed = self._attend(packing.unpack(query), key, value, packing)
    return packing.map(Layer._finish, self, packing.pack(mixed), rows)

  def first_token(
    self, rows: Rows, packing: Packing
  ) -> Float[Array, "batch hidden"]:
    """Computes the first token of every sentence."""
    first = packing.unpack(rows)[:, 0]
    query = self.attention.query(first)
    key, value = packing.map(Layer._project_others, self, rows)
    mixed = self._attend(query[:, None], key, value, packing)
    return self._finish(mixed[:, 0], first)

  def _project(self, tokens):
    return self.attention.query(tokens), *self._project_others(tokens)

  def _project_others(self, tokens):
    return self.attention.key(tokens), self.attention.value(tokens)

  def _attend(self, query, key, value, packing):
    return transformer.attend(
      query,
      packing.unpack(key),
      packing.unpack(value),
      num_heads=self.config.num_heads,
      attention_mask=packing.attention_mask,
    )

  def _finish(self, mixed, residual):
    """Everything after the attention, of every token by itself."""
    attention = self.attention
    hidden = attention.layer_norm(attention.output(mixed) + residual)
    inner = transformer.ACTIVATIONS[self.config.hidden_act](
      self.intermediate(hidden)
    )
    return self.layer_norm(self.output(inner) + hidden)


class Bert(nn.Module):
  """BERT encoder without dropout and pooler, read out at [CLS].

  >>> Bert(BertConfig(num_layers=2)).stages
  ('embeddings', 'layer_0', 'layer_1')

  Attributes:
    config: sizes.
    dtype: of the computation; parameters are float32 always.
    tokens_per_sentence: mean number of real tokens, if known: `__call__` and
      `from_stage` then compute padding only in unusual batches. It changes the
      time and nothing else.

  Inputs are {"token_ids": i32[N, length], "attention_mask": bool[N, length]}.
  Padding is on the right; the mask is true (or 1) at real tokens. Every method
  that takes them raises UserError for sequences longer than
  `config.max_positions`.
  """

  config: BertConfig
  dtype: Any = jnp.float32
  tokens_per_sentence: float | None = None

  def setup(self):
    self.embeddings = Embeddings(self.config, self.dtype)
    # linen names the entries of a list attribute layer_0, layer_1, ...
    self.layer = [
      Layer(self.config, self.dtype) for _ in range(self.config.num_layers)
    ]

  @property
  def stages(self) -> tuple[str, ...]:
    """Names of the stages, first to last."""
    layers = (f"layer_{index}" for index in range(self.config.num_layers))
    return ("embeddings", *layers)

  def __call__(self, inputs: Batch) -> Float[Array, "batch hidden"]:
    """Returns the last hidden state at [CLS].

    Equals `last_hidden(...)[:, 0]`, but the last layer computes queries and
    everything after them for that position alone.
    """
    return self.from_stage(
      {
        "hidden": self._embed(inputs),
        "attention_mask": inputs["attention_mask"],
      },
      "layer_0",
    )

  def last_hidden(self, inputs: Batch) -> Float[Array, "batch length hidden"]:
    """Returns the last hidden state of every position.

    Args:
      inputs: as of `__call__`, and "token_type_ids" where they are not 0.
    """
    hidden = self._embed(inputs)
    return self._layers(hidden, inputs, self.config.num_layers)

  def features_before(self, inputs: Batch, stage: str) -> Batch:
    """Returns what goes into a layer.

    Args:
      inputs: as of `__call__`.
      stage: one of `stages[1:]`.

    Returns:
      {"hidden": float[N, length, hidden], "attention_mask": as it was}.
    """
    stop = self._layer_index(stage)
    return {
      "hidden": self._layers(self._embed(inputs), inputs, stop),
      "attention_mask": inputs["attention_mask"],
    }

  def from_stage(
    self, features: Batch, stage: str
  ) -> Float[Array, "batch hidden"]:
    """Returns the last hidden state at [CLS], given what enters a layer."""
    packing = Packing(features["attention_mask"], self.tokens_per_sentence)
    rows = packing.pack(features["hidden"])
    for layer in self.layer[self._layer_index(stage) : -1]:
      rows = layer(rows, packing)
    return self.layer[-1].first_token(rows, packing)

  def _embed(self, inputs):
    token_ids = inputs["token_ids"]
    if token_ids.shape[1] > self.config.max_positions:
      raise UserError(
        f"sentences are padded to {token_ids.shape[1]} tokens, the BERT "
        f"model has {self.config.max_positions} positions; shorten the "
        "sentences or set max_positions"
      )
    token_type_ids = inputs.get("token_type_ids")
    if token_type_ids is None:
      token_type_ids = jnp.zeros_like(token_ids)
    return self.embeddings(token_ids, token_type_ids)

  def _layers(self, hidden, inputs, stop):
    """Applies the layers before number `stop` to all tokens."""
    packing = Packing(inputs["attention_mask"])
    rows = packing.pack(hidden)
    for layer in self.layer[:stop]:
      rows = layer(rows, packing)
    return packing.unpack(rows)

  def _layer_index(self, stage: str) -> int:
    return staged.index(self, stage) - 1


def _dense(config: BertConfig, features: int, dtype: Any) -> nn.Dense:
  return transformer.dense(features, config.initializer_range, dtype)


def _layer_norm(config: BertConfig, *args: Any) -> nn.LayerNorm:
  return transformer.layer_norm(config.layer_norm_eps, *args)
