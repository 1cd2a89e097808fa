"""What encoder-decoders read and return, whatever they are made of.

Inputs are

    {"source": i32[N, source length], "target": i32[N, target length]}

tokens with the end token behind them (the last id of the vocabulary), then
padding with -1. How far sequences are padded changes no result. Features carry
"target" along, because the decoder reads it.

At every position the decoder reads the token before it: the target's if it is
*forced*, else its own most likely one. Before the first position it reads the
end token, in both.
"""

import abc
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from structcomp_jax.models import staged
from structcomp_jax.types import Batch

PADDING = -1


class EncoderDecoder(nn.Module):
  """A `staged.Staged` network whose last stage is "decoder".

  Attributes:
    config: sizes, `target_vocabulary` among them.
    dtype: of the computation; parameters are float32 always.
  """

  config: Any
  dtype: Any = jnp.float32

  @property
  @abc.abstractmethod
  def stages(self) -> tuple[str, ...]:
    """Names of the stages: those of the encoder, then "decoder"."""

  @abc.abstractmethod
  def _encode(self, features: Batch, stage: str) -> Batch:
    """Returns what one stage of the encoder makes of its features."""

  @abc.abstractmethod
  def _decode(
    self, features: Batch, forced: bool | Bool[Array, ""]
  ) -> Float[Array, "batch length vocabulary"]:
    """Returns the logits, given what the decoder reads."""

  def __call__(
    self, inputs: Batch, forced: bool | Bool[Array, ""] = True
  ) -> Float[Array, "batch length vocabulary"]:
    """Returns the logits of the token at every position of the target.

    Args:
      inputs: see the module.
      forced: whether the decoder reads the target, for the whole batch; may be
        traced. If not, "target" says by its length how many steps to take.

    Returns:
      Logits; those at padding mean nothing.
    """
    return self._run(inputs, self.stages, forced)

  def features_before(self, inputs: Batch, stage: str) -> Batch:
    """Returns what goes into `stage`, one of `stages[1:]`."""
    features = inputs
    for name in self.stages[: staged.index(self, stage)]:
      features = self._encode(features, name)
    return features

  def from_stage(
    self, features: Batch, stage: str, forced: bool | Bool[Array, ""] = True
  ) -> Float[Array, "batch length vocabulary"]:
    """Returns the logits, given what enters `stage`."""
    names = self.stages[staged.index(self, stage) :]
    return self._run(features, names, forced)

  def decode(
    self, inputs: Batch, max_length: int
  ) -> Int[Array, "batch max_length"]:
    """Returns the most likely token at every position, read one by one.

    Args:
      inputs: "source" alone is read.
      max_length: number of steps to take, whatever is said.

    Returns:
      Tokens; those after the first end token mean nothing.
    """
    shape = (len(inputs["source"]), max_length)
    blank = {**inputs, "target": jnp.full(shape, PADDING, jnp.int32)}
    return most_likely(self(blank, forced=False))

  def _run(self, features, names, forced):
    for name in names[:-1]:
      features = self._encode(features, name)
    return self._decode(features, forced)


def read_before(
  target: Int[Array, "batch length"], vocabulary: int
) -> Int[Array, "batch length"]:
  """Returns the token that a forced decoder reads at every position.

  Padding becomes some token: no position of a target reads it.

  >>> read_before(jnp.array([[2, 0, 4, -1, -1]]), vocabulary=5).tolist()
  [[4, 2, 0, 4, 0]]
  """
  before = target[:, :-1].astype(jnp.int32)
  first = jnp.full((len(target), 1), vocabulary - 1, jnp.int32)
  return jnp.concatenate([first, jnp.maximum(before, 0)], axis=1)


def most_likely(
  logits: Float[Array, "*shape vocabulary"],
) -> Int[Array, "*shape"]:
  """Returns the ids with the largest logits."""
  return jax.lax.argmax(logits, logits.ndim - 1, jnp.int32)
