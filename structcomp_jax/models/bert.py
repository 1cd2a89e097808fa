"""BERT encoder (Devlin et al. 2019, arXiv 1810.04805) as named stages.

Computes what the Hugging Face `BertModel` computes in evaluation mode:
post-layer-norm blocks, learned positions, token types, additive attention
mask. There is no dropout (Lepori et al. 2023 set it to 0) and no
pooler (the sentence vector is the last hidden state at [CLS]).

The stages, in order, are `stages(config)`. A leaf's path starts with its
stage, so what lies below the first masked leaf can be computed once:
`hidden_before` stops in front of a stage, `first_token_from` goes on there.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from structcomp_jax.models.layers import transformer
from structcomp_jax.models.layers.packing import Packing, Rows
from structcomp_jax.types import UserError

# Hugging Face's names of the activations.
_ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
  "gelu": transformer.gelu,
  "gelu_new": functools.partial(jax.nn.gelu, approximate=True),
  "relu": jax.nn.relu,
}

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
# Fields that change what the network computes, with the one value this
# module implements; a file that lacks them means that value.
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
    layer_norm_eps: added to the variance.
    hidden_act: "gelu" (exact, with erf), "gelu_new" (tanh) or "relu".
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
    for field in dataclasses.fields(self):
      value = getattr(self, field.name)
      if field.type in (int, float) and not (
        isinstance(value, int | field.type) and value > 0
      ):
        raise UserError(
          f"BERT config: {field.name} is {value!r}; "
          f"give a positive {field.type.__name__}"
        )
    if self.hidden_size % self.num_heads:
      raise UserError(
        f"BERT config: hidden_size {self.hidden_size} does not divide into "
        f"{self.num_heads} heads; change hidden_size or num_heads"
      )
    if self.hidden_act not in _ACTIVATIONS:
      raise UserError(
        f"BERT config: hidden_act {self.hidden_act!r} is not supported; "
        f"use one of {', '.join(_ACTIVATIONS)}"
      )

  @classmethod
  def from_hugging_face(cls, fields: Mapping[str, Any]) -> "BertConfig":
    """Reads the fields of a Hugging Face `config.json`.

    Raises:
      UserError: a size is missing, or the network is not a plain BERT
        encoder (relative positions, decoder, another architecture).
    """
    for name, only in _ONLY_VALUE.items():
      value = fields.get(name, only)
      if value != only:
        raise UserError(
          f"config.json: {name} is {value!r}; only {only!r} is supported, "
          "take the checkpoint of a plain BERT encoder"
        )
    optional = (
      "type_vocab_size", "layer_norm_eps", "hidden_act", "initializer_range"
    )  # fmt: skip
    values = {}
    for theirs, ours in _FROM_HUGGING_FACE.items():
      if theirs in fields:
        values[ours] = fields[theirs]
      elif ours not in optional:
        raise UserError(
          f"config.json has no {theirs!r}; take the config.json that "
          "belongs to the checkpoint"
        )
    return cls(**values)


def stages(config: BertConfig) -> tuple[str, ...]:
  """Returns the stage names in the order of computation.

  >>> stages(BertConfig(num_layers=2))
  ('embeddings', 'layer_0', 'layer_1')
  """
  layers = tuple(f"layer_{index}" for index in range(config.num_layers))
  return ("embeddings", *layers)


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
    inner = _ACTIVATIONS[self.config.hidden_act](self.intermediate(hidden))
    return self.layer_norm(self.output(inner) + hidden)


class Bert(nn.Module):
  """BERT encoder without dropout and pooler.

  Attributes:
    config: sizes.
    dtype: of the computation; parameters are float32 always.
    tokens_per_sentence: mean number of real tokens, if known: `first_token`
      and `first_token_from` then compute padding only in unusual batches. It
      changes the time and nothing else.

  Positions are padded on the right; `attention_mask` is true (or 1) at real
  tokens. Every method raises UserError for sequences longer than
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

  def __call__(
    self,
    token_ids: Int[Array, "batch length"],
    attention_mask: Bool[Array, "batch length"],
    token_type_ids: Int[Array, "batch length"] | None = None,
  ) -> Float[Array, "batch length hidden"]:
    """Returns the last hidden state of every position."""
    hidden = self._embed(token_ids, token_type_ids)
    return self._layers(hidden, attention_mask, self.config.num_layers)

  def first_token(
    self,
    token_ids: Int[Array, "batch length"],
    attention_mask: Bool[Array, "batch length"],
  ) -> Float[Array, "batch hidden"]:
    """Returns the last hidden state at [CLS].

    Equals `__call__(...)[:, 0]`, but the last layer computes queries and
    everything after them for that position alone.
    """
    return self.first_token_from(
      self._embed(token_ids), attention_mask, stage="layer_0"
    )

  def hidden_before(
    self,
    token_ids: Int[Array, "batch length"],
    attention_mask: Bool[Array, "batch length"],
    *,
    stage: str,
  ) -> Float[Array, "batch length hidden"]:
    """Returns what goes into `stage`, one of `stages(config)[1:]`."""
    stop = self._index(stage)
    return self._layers(self._embed(token_ids), attention_mask, stop)

  def first_token_from(
    self,
    hidden: Float[Array, "batch length hidden"],
    attention_mask: Bool[Array, "batch length"],
    *,
    stage: str,
  ) -> Float[Array, "batch hidden"]:
    """Returns the last hidden state at [CLS], given what enters `stage`."""
    packing = Packing(attention_mask, self.tokens_per_sentence)
    rows = packing.pack(hidden)
    for layer in self.layer[self._index(stage) : -1]:
      rows = layer(rows, packing)
    return self.layer[-1].first_token(rows, packing)

  def _embed(self, token_ids, token_type_ids=None):
    if token_ids.shape[1] > self.config.max_positions:
      raise UserError(
        f"sentences are padded to {token_ids.shape[1]} tokens, the BERT "
        f"model has {self.config.max_positions} positions; shorten the "
        "sentences or set max_positions"
      )
    if token_type_ids is None:
      token_type_ids = jnp.zeros_like(token_ids)
    return self.embeddings(token_ids, token_type_ids)

  def _layers(self, hidden, attention_mask, stop):
    packing = Packing(attention_mask)
    rows = packing.pack(hidden)
    for layer in self.layer[:stop]:
      rows = layer(rows, packing)
    return packing.unpack(rows)

  def _index(self, stage: str) -> int:
    names = stages(self.config)[1:]
    if stage not in names:
      raise UserError(
        f"BERT model: nothing can be cached before stage {stage!r}; "
        f"use one of {', '.join(names)}"
      )
    return names.index(stage)


def _dense(config: BertConfig, features: int, dtype: Any) -> nn.Dense:
  return transformer.dense(features, config.initializer_range, dtype)


def _layer_norm(config: BertConfig, *args: Any) -> nn.LayerNorm:
  return transformer.layer_norm(config.layer_norm_eps, *args)
