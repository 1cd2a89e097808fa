"""BERT encoder (Devlin et al. 2019, arXiv 1810.04805) as named stages.

Computes what the Hugging Face `BertModel` computes in evaluation mode:
post-layer-norm blocks, learned positions, token types, additive attention
mask. There is no dropout (the published experiments set it to 0) and no
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

from structcomp_jax.models import transformer
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
      if field.type in (int, float) and not _is_positive(value, field.type):
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


def _is_positive(value: Any, kind: type) -> bool:
  return isinstance(value, int | kind) and value > 0


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
      embedding_init=_initial_weight(config),
    )
    words = embed(config.vocab_size, name="word_embeddings")(token_ids)
    positions = embed(config.max_positions, name="position_embeddings")(
      jnp.arange(token_ids.shape[1])
    )
    types = embed(config.type_vocab_size, name="token_type_embeddings")(
      token_type_ids
    )
    return _layer_norm(config, self.dtype)(words + positions[None] + types)


class Attention(nn.Module):
  """Multi-head self-attention, residual sum and layer norm."""

  config: BertConfig
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self,
    hidden: Float[Array, "batch length hidden"],
    attention_mask: Bool[Array, "batch length"],
    num_queries: int | None = None,
  ) -> Float[Array, "batch queries hidden"]:
    config = self.config
    project = functools.partial(_dense, config, config.hidden_size, self.dtype)

    residual = hidden[:, :num_queries]
    mixed = transformer.attend(
      project("query")(residual),
      project("key")(hidden),
      project("value")(hidden),
      num_heads=config.num_heads,
      attention_mask=attention_mask,
    )
    output = project("output")(mixed)
    return _layer_norm(config, self.dtype)(output + residual)


class Layer(nn.Module):
  """One block: attention, then the feed-forward part."""

  config: BertConfig
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self,
    hidden: Float[Array, "batch length hidden"],
    attention_mask: Bool[Array, "batch length"],
    num_queries: int | None = None,
  ) -> Float[Array, "batch queries hidden"]:
    """Computes the first `num_queries` positions; None means all."""
    config = self.config
    hidden = Attention(config, self.dtype, name="attention")(
      hidden, attention_mask, num_queries
    )
    inner = _dense(
      config, config.intermediate_size, self.dtype, "intermediate"
    )(hidden)
    inner = _ACTIVATIONS[config.hidden_act](inner)
    output = _dense(config, config.hidden_size, self.dtype, "output")(inner)
    return _layer_norm(config, self.dtype)(output + hidden)


class Bert(nn.Module):
  """BERT encoder without dropout and pooler.

  Attributes:
    config: sizes.
    dtype: of the computation; parameters are float32 always.

  Positions are padded on the right; `attention_mask` is true (or 1) at real
  tokens. Every method raises UserError for sequences longer than
  `config.max_positions`.
  """

  config: BertConfig
  dtype: Any = jnp.float32

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
    return self._layers(hidden, attention_mask, 0, self.config.num_layers)

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
    return self._layers(self._embed(token_ids), attention_mask, 0, stop)

  def first_token_from(
    self,
    hidden: Float[Array, "batch length hidden"],
    attention_mask: Bool[Array, "batch length"],
    *,
    stage: str,
  ) -> Float[Array, "batch hidden"]:
    """Returns the last hidden state at [CLS], given what enters `stage`."""
    last = self.config.num_layers - 1
    hidden = self._layers(hidden, attention_mask, self._index(stage), last)
    return self.layer[last](hidden, _as_bool(attention_mask), num_queries=1)[
      :, 0
    ]

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

  def _layers(self, hidden, attention_mask, start, stop):
    attention_mask = _as_bool(attention_mask)
    for layer in self.layer[start:stop]:
      hidden = layer(hidden, attention_mask)
    return hidden

  def _index(self, stage: str) -> int:
    names = stages(self.config)[1:]
    if stage not in names:
      raise UserError(
        f"BERT model: nothing can be cached before stage {stage!r}; "
        f"use one of {', '.join(names)}"
      )
    return names.index(stage)


def _as_bool(attention_mask: jax.Array) -> jax.Array:
  return jnp.asarray(attention_mask) != 0


def _initial_weight(config: BertConfig) -> nn.initializers.Initializer:
  return nn.initializers.normal(stddev=config.initializer_range)


def _dense(
  config: BertConfig, features: int, dtype: Any, name: str
) -> nn.Dense:
  return transformer.dense(
    features,
    initializer_range=config.initializer_range,
    dtype=dtype,
    name=name,
  )


def _layer_norm(config: BertConfig, dtype: Any) -> nn.LayerNorm:
  return transformer.layer_norm(
    epsilon=config.layer_norm_eps, dtype=dtype, name="layer_norm"
  )
