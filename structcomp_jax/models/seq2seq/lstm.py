"""Encoder-decoder of LSTMs without attention.

It is the network that Csordás et al. 2021 (arXiv 2010.02066) train on SCAN. As
in theirs, the decoder starts from the state of the encoder *before* it reads
the end token of the source.

`Seq2SeqLstm` is a `staged.Staged` network with the stages encoder_embedding,
encoder_cell_0, encoder_cell_1, ..., decoder.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Int

from structcomp_jax import varying
from structcomp_jax.models import sizes
from structcomp_jax.models.layers import recurrence
from structcomp_jax.models.layers.dense import dense
from structcomp_jax.models.layers.dropout import Dropout
from structcomp_jax.models.seq2seq import base
from structcomp_jax.types import Batch


@dataclasses.dataclass(frozen=True)
class Seq2SeqLstmConfig:
  """Sizes of an LSTM encoder-decoder; the defaults are those for SCAN.

  Attributes:
    source_vocabulary: number of source tokens; the last is the end token.
    target_vocabulary: number of target tokens; the last is the end token.
    embedding_size: width of the vectors of tokens.
    hidden_size: units of every cell.
    num_layers: cells of the encoder, and of the decoder.
    dropout: share of the embeddings, and of the values between two cells, that
      is set to zero, if there is an rng named "dropout".
  """

  source_vocabulary: int = 14
  target_vocabulary: int = 7
  embedding_size: int = 16
  hidden_size: int = 200
  num_layers: int = 2
  dropout: sizes.Rate = 0.5

  def __post_init__(self):
    sizes.check(self, "LSTM encoder-decoder")


class Decoder(nn.Module):
  """Reads a token at a time and says which is next."""

  config: Seq2SeqLstmConfig
  dtype: Any = jnp.float32

  def setup(self):
    config = self.config
    self.embedding = _embedding(config.target_vocabulary, config, self.dtype)
    # linen names the entries of a list attribute cell_0, cell_1, ...
    self.cell = _cells(config, self.dtype)
    self.output = dense(
      config.hidden_size, config.target_vocabulary, self.dtype
    )
    self.dropout = Dropout(config.dropout)

  def __call__(
    self,
    states: list[recurrence.State],
    tokens: Int[Array, "batch length"],
    forced: Any,
  ) -> Float[Array, "batch length vocabulary"]:
    """Returns the logits of the next token after each.

    Args:
      states: of every cell before the first step.
      tokens: what to read, if forced; the first is read in any case.
      forced: whether to read `tokens` rather than what the network says.
    """
    if self.is_initializing():
      self.step((states, tokens[:, 0]), (tokens[:, 0], forced))
    start = varying.with_axes_of(
      (states, tokens[:, 0]), (forced, self.variables)
    )
    loop = nn.scan(
      Decoder.step,
      variable_broadcast="params",
      split_rngs={"params": False, "dropout": True},
      in_axes=1,
      out_axes=1,
    )
    is_forced = jnp.broadcast_to(forced, tokens.shape)
    _, logits = loop(self, start, (tokens, is_forced))
    return logits

  def step(self, carry, given):
    """Takes one step; for `nn.scan`."""
    states, said = carry
    token, is_forced = given
    features = self.embedding(jnp.where(is_forced, token, said))
    after = []
    for cell, state in zip(self.cell, states, strict=True):
      weights = cell()
      gates = recurrence.gates(weights, self.dropout(features))
      after.append(recurrence.step(weights, gates, state))
      features = after[-1].hidden
    logits = self.output(features)
    return (after, base.most_likely(logits)), logits


class Seq2SeqLstm(base.EncoderDecoder):
  """LSTM encoder-decoder; `base` says what it reads and returns.

  >>> Seq2SeqLstm(Seq2SeqLstmConfig()).stages
  ('encoder_embedding', 'encoder_cell_0', 'encoder_cell_1', 'decoder')

  Attributes:
    config: sizes.
    dtype: of the computation; parameters are float32 always.

  Before "decoder", features are {"states": float[N, layers, 2, units], hidden
  state and memory of every cell, "target"}.
  """

  config: Seq2SeqLstmConfig
  dtype: Any = jnp.float32

  def setup(self):
    config = self.config
    self.encoder_embedding = _embedding(
      config.source_vocabulary, config, self.dtype
    )
    # linen names the entries encoder_cell_0, encoder_cell_1, ...
    self.encoder_cell = _cells(config, self.dtype)
    self.decoder = Decoder(config, self.dtype)
    self.dropout = Dropout(config.dropout)

  @property
  def stages(self) -> tuple[str, ...]:
    """Names of the stages, first to last."""
    cells = (f"encoder_cell_{i}" for i in range(self.config.num_layers))
    return ("encoder_embedding", *cells, "decoder")

  def _encode(self, features: Batch, stage: str) -> Batch:
    if stage == "encoder_embedding":
      # The last column holds end tokens and padding, none of which is read.
      source = features["source"][:, :-1]
      is_read = (source >= 0) & (source < self.config.source_vocabulary - 1)
      return {
        "hidden": self.encoder_embedding(jnp.maximum(source, 0)),
        "is_read": is_read,
        "target": features["target"],
      }
    number = int(stage.removeprefix("encoder_cell_"))
    hidden, last = recurrence.run_long(
      self.encoder_cell[number](),
      self.dropout(features["hidden"]),
      features["is_read"],
    )
    states = jnp.stack(last, axis=1)[:, None]
    if number > 0:
      states = jnp.concatenate([features["states"], states], axis=1)
    features = {**features, "hidden": hidden, "states": states}
    if number + 1 < self.config.num_layers:
      return features
    return {name: features[name] for name in ("states", "target")}

  def _decode(self, features, forced):
    states = [
      recurrence.State(*jnp.unstack(pair, axis=1))
      for pair in jnp.unstack(features["states"].astype(self.dtype), axis=1)
    ]
    tokens = base.read_before(features["target"], self.config.target_vocabulary)
    return self.decoder(states, tokens, forced)


def _embedding(
  num_tokens: int, config: Seq2SeqLstmConfig, dtype: Any
) -> nn.Embed:
  return nn.Embed(
    num_tokens,
    config.embedding_size,
    dtype=dtype,
    embedding_init=nn.initializers.normal(1.0),
  )


def _cells(config: Seq2SeqLstmConfig, dtype: Any) -> list[recurrence.Cell]:
  widths = (config.embedding_size, *[config.hidden_size] * config.num_layers)
  return [
    recurrence.Cell(width, config.hidden_size, dtype) for width in widths[:-1]
  ]
