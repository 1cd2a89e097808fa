"""Networks that translate one sequence into another: SCAN, mathematics."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax

from structcomp_jax import types
from structcomp_jax.models.seq2seq import base
from structcomp_jax.pipeline.staged_network import StagedNetwork

# How often the decoder reads the target, in one half of all training batches.
_FORCED = 0.5


@dataclasses.dataclass(frozen=True)
class Seq2SeqNetwork(StagedNetwork):
  """An encoder-decoder; batches are {"source", "target"}, see `seq2seq.base`.

  Attributes (besides those of `StagedNetwork`):
    always_forced: in training the decoder always reads the target; else in a
      random half of all batches, in the others what it has said itself.
  """

  always_forced: bool = False

  def init(self, key: jax.Array) -> types.Params:
    """Returns fresh weights."""
    # Weights do not depend on lengths.
    inputs = {
      name: jnp.zeros((1, 2), jnp.int32) for name in ("source", "target")
    }
    params: types.Params = self.model.init(key, inputs)["params"]
    return params

  def loss(self, params: types.Params, batch: types.Batch) -> jax.Array:
    """Returns the mean loss; "key" in the batch draws dropout and forcing.

    A chunk of the batch, with a mask sample of its own, draws for itself.
    """
    batch = dict(batch)
    coin_key, dropout_key = jax.random.split(batch.pop("key")[0])
    coin = jax.random.bernoulli(coin_key, _FORCED)
    logits = self.apply(
      params,
      batch,
      forced=True if self.always_forced else coin,
      rngs={"dropout": dropout_key},
    )
    return _losses(logits, batch["target"]).mean()

  def metrics(
    self, params: types.Params, batch: types.Batch
  ) -> dict[str, jax.Array]:
    """Returns {"loss", "accuracy": f32[batch]} of what the network says.

    The decoder reads its own words. A sequence is right if all words and its
    end are.
    """
    logits = self.apply(params, batch, forced=False)
    target = batch["target"]
    is_right = (base.most_likely(logits) == target) | (target == base.PADDING)
    return {
      "loss": _losses(logits, target),
      "accuracy": is_right.all(axis=1).astype(jnp.float32),
    }

  def features_before(
    self, params: types.Params, batch: types.Batch, stage: str
  ) -> types.Batch:
    """Returns what enters a stage."""
    features: types.Batch = self.model.apply(
      {"params": params}, batch, stage, method="features_before"
    )
    return features

  def without_dropout(self) -> "Seq2SeqNetwork":
    """Returns the network whose loss drops nothing; it still draws forcing."""
    config: Any = dataclasses.replace(self.model.config, dropout=0.0)
    return dataclasses.replace(self, model=self.model.clone(config=config))


def _losses(logits: jax.Array, target: jax.Array) -> jax.Array:
  """Returns f32[batch]: cross-entropy, summed over words and end."""
  losses = optax.softmax_cross_entropy_with_integer_labels(
    logits, jnp.maximum(target, 0)
  )
  return jnp.sum(losses, axis=1, where=target != base.PADDING)
