"""Transformer encoder-decoder with a norm after every part.

It is the transformer that Csordás et al. 2021 (arXiv 2010.02066) train on SCAN:
Vaswani et al. 2017 with attention without biases, keys and values of one
matrix, and norms that divide by a standard deviation (`transformer.StdNorm`).
Other than that of the LSTMs, its encoder reads the end token of the source.

With `ties_embeddings` it is the one that they train on DeepMind Mathematics: a
single table of vectors is the embedding of source and target, and the output
layer, whose logits are divided by the square root of the width.

`Seq2SeqTransformer` is a `staged.Staged` network with the stages
encoder_embedding, encoder_layer_0, ..., decoder.
"""

import dataclasses
import functools
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from structcomp_jax import varying
from structcomp_jax.models import sizes
from structcomp_jax.models.layers import transformer
from structcomp_jax.models.layers.dense import glorot_dense
from structcomp_jax.models.layers.dropout import Dropout
from structcomp_jax.models.layers.transformer import position_vectors
from structcomp_jax.models.seq2seq import base
from structcomp_jax.types import Batch, UserError

# Keys and values, each float[N, tokens, hidden]: what an attention reads.
KeysValues: TypeAlias = tuple[jax.Array, jax.Array]


@dataclasses.dataclass(frozen=True)
class Seq2SeqTransformerConfig:
  """Sizes of a transformer encoder-decoder; the defaults are those for SCAN.

  Attributes:
    source_vocabulary: number of source tokens; the last is the end token.
    target_vocabulary: number of target tokens; the last is the end token.
    hidden_size: width of the residual stream, an even multiple of `num_heads`.
    num_layers: layers of the encoder, and of the decoder.
    num_heads: attention heads per layer.
    intermediate_size: width inside the feed-forward part.
    dropout: share of values that is set to zero, if there is an rng named
      "dropout": of embeddings, attention weights, inside the feed-forward part,
      and of what each part adds to the residual stream.
    ties_embeddings: source, target and output share one table of vectors, which
      lies where that of the source does. Both vocabularies must be one.
  """

  source_vocabulary: int = 14
  target_vocabulary: int = 7
  hidden_size: int = 100
  num_layers: int = 3
  num_heads: int = 4
  intermediate_size: int = 200
  dropout: sizes.Rate = 0.1
  ties_embeddings: bool = False

  def __post_init__(self):
    name = "transformer encoder-decoder"
    sizes.check(self, name)
    sizes.check_multiple(self, name, "hidden_size", "num_heads")
    if self.ties_embeddings and self.source_vocabulary != (
      self.target_vocabulary
    ):
      raise UserError(
        f"{name} config: ties_embeddings needs one vocabulary, but there are "
        f"{self.source_vocabulary} source and {self.target_vocabulary} target "
        "tokens; make them equal"
      )


class Attention(nn.Module):
  """Multi-head attention without biases."""

  config: Seq2SeqTransformerConfig
  dtype: Any = jnp.float32

  def setup(self):
    size = self.config.hidden_size
    project = functools.partial(glorot_dense, dtype=self.dtype, use_bias=False)
    self.query = project(size)
    # Keys and values begin as two square matrices: each counts `size` outputs,
    # so the mean of inputs and outputs is 2/3 of that of the whole matrix.
    self.key_value = project(2 * size, gain=1.5**0.5)
    self.output = project(size)
    self.dropout = Dropout(self.config.dropout)

  def read(self, tokens: Float[Array, "batch tokens hidden"]) -> KeysValues:
    """Returns keys and values; columns lie in the order head, key or value."""
    both = self.key_value(tokens)
    shape = (*tokens.shape[:-1], self.config.num_heads, 2, -1)
    keys, values = jnp.unstack(both.reshape(shape), axis=-2)
    return keys.reshape(tokens.shape), values.reshape(tokens.shape)

  def __call__(
    self,
    tokens: Float[Array, "batch queries hidden"],
    keys_values: KeysValues,
    is_seen: Bool[Array, "..."],
  ) -> Float[Array, "batch queries hidden"]:
    """Returns what every token finds among keys and values."""
    mixed = transformer.attend(
      self.query(tokens),
      *keys_values,
      num_heads=self.config.num_heads,
      attention_mask=is_seen,
      dropout=self.dropout,
    )
    return self.output(mixed)


class Layer(nn.Module):
  """Self-attention, attention to the encoder if asked for, feed-forward part.

  What each part returns is added to its input, and the sum is normed.
  """

  config: Seq2SeqTransformerConfig
  reads_encoder: bool
  dtype: Any = jnp.float32

  def setup(self):
    config = self.config
    norm = functools.partial(transformer.StdNorm, dtype=self.dtype)
    self.self_attention = Attention(config, self.dtype)
    self.self_attention_norm = norm()
    if self.reads_encoder:
      self.cross_attention = Attention(config, self.dtype)
      self.cross_attention_norm = norm()
    self.intermediate = glorot_dense(
      config.intermediate_size, self.dtype, gain=2**0.5
    )
    self.output = glorot_dense(config.hidden_size, self.dtype)
    self.output_norm = norm()
    self.dropout = Dropout(config.dropout)

  def __call__(
    self,
    tokens: Float[Array, "batch queries hidden"],
    own: tuple[KeysValues, Bool[Array, "..."]],
    encoder: tuple[KeysValues, Bool[Array, "..."]] | None = None,
  ) -> Float[Array, "batch queries hidden"]:
    """Computes some tokens.

    Args:
      tokens: their vectors.
      own: keys and values of this side's tokens, and which of them are seen.
      encoder: the same of the encoder's, for layers that read it.
    """
    found = self.self_attention(tokens, *own)
    tokens = self.self_attention_norm(tokens + self.dropout(found))
    if encoder is not None:
      found = self.cross_attention(tokens, *encoder)
      tokens = self.cross_attention_norm(tokens + self.dropout(found))
    inner = self.dropout(jax.nn.relu(self.intermediate(tokens)))
    return self.output_norm(tokens + self.dropout(self.output(inner)))


class Embedding(nn.Module):
  """Vectors of tokens plus those of their positions."""

  config: Seq2SeqTransformerConfig
  vocabulary: int
  dtype: Any = jnp.float32

  def setup(self):
    self.embedding = self.param(
      "embedding",
      nn.initializers.normal(1.0),
      (self.vocabulary, self.config.hidden_size),
    )
    self.dropout = Dropout(self.config.dropout)

  def __call__(
    self,
    tokens: Int[Array, "batch length"],
    positions: Float[Array, "length hidden"],
  ) -> Float[Array, "batch length hidden"]:
    vectors = (self.embedding[tokens] + positions).astype(self.dtype)
    return self.dropout(vectors)

  def logits(
    self, hidden: Float[Array, "batch length hidden"]
  ) -> Float[Array, "batch length vocabulary"]:
    """Returns the products with all vectors, for networks that tie them."""
    table = self.embedding.astype(self.dtype) * self.config.hidden_size**-0.5
    return hidden @ table.T


class Decoder(nn.Module):
  """Reads all target tokens at once, or its own one by one.

  Attributes:
    config: sizes.
    dtype: of the computation.
    tied: the embedding of the source, which is that of the target and the
      output layer, too; None: they have tables of their own.
  """

  config: Seq2SeqTransformerConfig
  dtype: Any = jnp.float32
  tied: Embedding | None = None

  def setup(self):
    config = self.config
    # linen names the entries of a list attribute layer_0, layer_1, ...
    self.layer = [
      Layer(config, True, self.dtype) for _ in range(config.num_layers)
    ]
    if self.tied is None:
      self.embedding = Embedding(config, config.target_vocabulary, self.dtype)
      self.output = glorot_dense(config.target_vocabulary, self.dtype)

  def __call__(
    self,
    hidden: Float[Array, "batch source_length hidden"],
    is_real: Bool[Array, "batch source_length"],
    tokens: Int[Array, "batch length"],
    forced: Any,
  ) -> Float[Array, "batch length vocabulary"]:
    """Returns the logits of the next token after each.

    Args:
      hidden: what the encoder returns.
      is_real: false at padding of the source.
      tokens: what to read, if forced; the first is read in any case.
      forced: whether to read `tokens` rather than what the network says. If
        traced, both are computed.
    """
    encoder = [
      (layer.cross_attention.read(hidden), is_real) for layer in self.layer
    ]
    if self.is_initializing() or (isinstance(forced, bool) and forced):
      return self.read_all(tokens, encoder)
    own = self.read_own(tokens, encoder)
    if isinstance(forced, bool):
      return own
    return jnp.where(forced, self.read_all(tokens, encoder), own)

  def read_all(self, tokens, encoder):
    """Returns the logits after given tokens."""
    length = tokens.shape[1]
    is_before = jnp.tril(jnp.ones((1, length, length), bool))
    hidden = self._embed(tokens, position_vectors(length, self._size))
    for layer, memory in zip(self.layer, encoder, strict=True):
      own = layer.self_attention.read(hidden), is_before
      hidden = layer(hidden, own, memory)
    return self._logits(hidden)

  def read_own(self, tokens, encoder):
    """Returns the logits after the first token and its own; a step for each.

    Keys and values of past tokens are kept: a step computes one token.
    """
    length = tokens.shape[1]
    empty = jnp.zeros((*tokens.shape, self._size), self.dtype)
    kept = [(empty, empty) for _ in self.layer]
    start = varying.with_axes_of(
      (tokens[:, 0], kept), (encoder, self.variables)
    )
    loop = nn.scan(
      Decoder.step,
      variable_broadcast="params",
      split_rngs={"params": False, "dropout": True},
      in_axes=(0, nn.broadcast),
      out_axes=1,
    )
    positions = position_vectors(length, self._size)
    _, logits = loop(self, start, (jnp.arange(length), positions), encoder)
    return logits

  def step(self, carry, at_step, encoder):
    """Computes the logits after one token; for `nn.scan`."""
    token, kept = carry
    time, position = at_step
    hidden = self._embed(token[:, None], position[None])
    after = []
    for layer, (keys, values), memory in zip(
      self.layer, kept, encoder, strict=True
    ):
      key, value = layer.self_attention.read(hidden)
      after.append((_put(keys, key, time), _put(values, value, time)))
      is_before = jnp.arange(keys.shape[1]) <= time
      hidden = layer(hidden, (after[-1], is_before[None, None]), memory)
    logits = self._logits(hidden)[:, 0]
    return (base.most_likely(logits), after), logits

  def _embed(self, tokens, positions):
    embedding = self.embedding if self.tied is None else self.tied
    return embedding(tokens, positions)

  def _logits(self, hidden):
    if self.tied is None:
      return self.output(hidden)
    return self.tied.logits(hidden)

  @property
  def _size(self) -> int:
    return self.config.hidden_size


def _put(
  kept: Float[Array, "batch length hidden"],
  new: Float[Array, "batch 1 hidden"],
  time: Int[Array, ""],
) -> Float[Array, "batch length hidden"]:
  return jax.lax.dynamic_update_slice_in_dim(kept, new, time, axis=1)


class Seq2SeqTransformer(base.EncoderDecoder):
  """Transformer encoder-decoder; `base` says what it reads and returns.

  >>> Seq2SeqTransformer(Seq2SeqTransformerConfig(num_layers=2)).stages
  ('encoder_embedding', 'encoder_layer_0', 'encoder_layer_1', 'decoder')

  Attributes:
    config: sizes.
    dtype: of the computation; parameters are float32 always.

  Features are {"hidden": float[N, source length, hidden], "is_real": bool[N,
  source length], false at padding, "target"}.
  """

  config: Seq2SeqTransformerConfig
  dtype: Any = jnp.float32

  def setup(self):
    config = self.config
    self.encoder_embedding = Embedding(
      config, config.source_vocabulary, self.dtype
    )
    # linen names the entries encoder_layer_0, encoder_layer_1, ...
    self.encoder_layer = [
      Layer(config, False, self.dtype) for _ in range(config.num_layers)
    ]
    tied = self.encoder_embedding if config.ties_embeddings else None
    self.decoder = Decoder(config, self.dtype, tied)

  @property
  def stages(self) -> tuple[str, ...]:
    """Names of the stages, first to last."""
    layers = (f"encoder_layer_{i}" for i in range(self.config.num_layers))
    return ("encoder_embedding", *layers, "decoder")

  def _encode(self, features: Batch, stage: str) -> Batch:
    if stage == "encoder_embedding":
      source = features["source"]
      positions = position_vectors(source.shape[1], self.config.hidden_size)
      return {
        "hidden": self.encoder_embedding(jnp.maximum(source, 0), positions),
        "is_real": source != base.PADDING,
        "target": features["target"],
      }
    layer = self.encoder_layer[int(stage.removeprefix("encoder_layer_"))]
    hidden = features["hidden"].astype(self.dtype)
    own = layer.self_attention.read(hidden), features["is_real"]
    return {**features, "hidden": layer(hidden, own)}

  def _decode(self, features, forced):
    tokens = base.read_before(features["target"], self.config.target_vocabulary)
    hidden = features["hidden"].astype(self.dtype)
    return self.decoder(hidden, features["is_real"], tokens, forced)
