"""Networks that calculate: numbers in as digits, digits of results out.

Problems are encoded with -1 for a digit that the network must not see or that
no loss asks for: `jax.nn.one_hot` makes zeros of it.
"""

import dataclasses

import jax
import jax.numpy as jnp
import optax

from structcomp_jax import types
from structcomp_jax.pipeline.staged_network import StagedNetwork

_BASE = 10
# Steps for which an LSTM reads one problem (Csordás et al. 2021).
STEPS = 3


@dataclasses.dataclass(frozen=True)
class Mode:
  """How an LSTM reads two pairs of numbers, and where it answers.

  Attributes:
    reads_both: both pairs at all steps; else each for its own `STEPS`.
    one_input: both pairs enter at the same input units, one after the other.
    answers_at_end: both answers are read at the last step; else each at the end
      of its own steps.
    one_output: both answers leave at the same output units.
  """

  reads_both: bool
  one_input: bool
  answers_at_end: bool
  one_output: bool


MODES = {
  "together": Mode(True, False, True, False),
  "only_one": Mode(False, False, True, False),
  "only_one_io": Mode(False, False, False, False),
  "same_input": Mode(False, True, True, False),
  "same_output": Mode(True, False, False, True),
  "same_io": Mode(False, True, False, True),
}


def one_hot(digits: jax.Array) -> jax.Array:
  """Returns f32[..., 10 digits]: digits one behind the other, -1 as zeros.

  >>> one_hot(jnp.array([2, -1])).shape
  (20,)
  """
  encoded = jax.nn.one_hot(digits, _BASE)
  return encoded.reshape(*digits.shape[:-1], -1)


def metrics_of(logits: jax.Array, targets: jax.Array) -> dict[str, jax.Array]:
  """Returns how good answers are.

  Args:
    logits: f32[batch, digits, 10].
    targets: i32[batch, digits], -1 for a digit that does not count.

  Returns:
    {"loss": mean cross-entropy of the digits that count, "accuracy": whether
    all of them are right}, f32[batch].
  """
  counts = targets >= 0
  losses = optax.softmax_cross_entropy_with_integer_labels(
    logits, jnp.maximum(targets, 0)
  )
  is_right = equals(logits, targets) | ~counts
  return {
    "loss": jnp.mean(losses, axis=1, where=counts),
    "accuracy": is_right.all(axis=1).astype(jnp.float32),
  }


def equals(logits: jax.Array, digits: jax.Array) -> jax.Array:
  """Returns bool[batch, digits]: whether the likeliest digits are these."""
  return jax.lax.argmax(logits, logits.ndim - 1, jnp.int32) == digits


@dataclasses.dataclass(frozen=True)
class AddMulNetwork(StagedNetwork):
  """Reads two numbers and an operation; a feed-forward network or an LSTM.

  Batches are {"numbers": i32[batch, 4 digits], "operation": i32[batch],
  "target", "sum", "product": i32[batch, 2 digits]}.

  Attributes (besides those of `StagedNetwork`):
    is_recurrent: the model is an LSTM: it reads the same at `STEPS` steps.
  """

  is_recurrent: bool = False

  def init(self, key: jax.Array) -> types.Params:
    """Returns fresh weights."""
    blank = {
      "numbers": jnp.zeros((1, 4), jnp.int32),
      "operation": jnp.zeros(1, jnp.int32),
    }
    params: types.Params = self.model.init(key, self._inputs(blank))["params"]
    return params

  def metrics(
    self, params: types.Params, batch: types.Batch
  ) -> dict[str, jax.Array]:
    """Returns {"loss", "accuracy", "is_sum", "is_product": f32[batch]}."""
    inputs = batch if self.stage else self._inputs(batch)
    output = self.apply(params, inputs)
    if self.is_recurrent:
      output = output[:, -1]
    logits = output.reshape(len(output), -1, _BASE)
    return {
      **metrics_of(logits, batch["target"]),
      **{
        f"is_{name}": equals(logits, batch[name])
        .all(axis=1)
        .astype(jnp.float32)
        for name in ("sum", "product")
      },
    }

  def features_before(
    self, params: types.Params, batch: types.Batch, stage: str
  ) -> types.Batch:
    """Returns what enters a stage, and what the answers are compared with."""
    features = self.model.apply(
      {"params": params}, self._inputs(batch), stage, method="features_before"
    )
    kept = ("target", "sum", "product")
    return {**features, **{name: batch[name] for name in kept}}

  def _inputs(self, batch: types.Batch) -> types.Batch:
    features = jnp.concatenate(
      [one_hot(batch["numbers"]), jax.nn.one_hot(batch["operation"], 2)], axis=1
    )
    if self.is_recurrent:
      features = jnp.repeat(features[:, None], STEPS, axis=1)
    return {"features": features}


@dataclasses.dataclass(frozen=True)
class DoubleAdditionNetwork(StagedNetwork):
  """Reads two pairs of numbers and returns two sums.

  Batches are {"numbers": i32[batch, 2 pairs, 4 digits], "target": i32[batch, 2
  pairs, 2 digits]}. A feed-forward network computes one pair at a time, while
  the inputs of the other one are zero; both passes see the same masks.

  Attributes (besides those of `StagedNetwork`):
    mode: how an LSTM reads them, a name in `MODES`; empty: the model is a
      feed-forward network.
  """

  mode: str = ""

  def init(self, key: jax.Array) -> types.Params:
    """Returns fresh weights."""
    blank = {"numbers": jnp.zeros((1, 2, 4), jnp.int32)}
    params: types.Params = self.model.init(key, self._inputs(blank))["params"]
    return params

  def metrics(
    self, params: types.Params, batch: types.Batch
  ) -> dict[str, jax.Array]:
    """Returns {"loss", "accuracy": f32[batch]} of the digits that count."""
    inputs = batch if self.stage else self._inputs(batch)
    output = self.apply(params, inputs)
    batch_size = len(batch["target"])
    logits = self._answers(output).reshape(batch_size, -1, _BASE)
    return metrics_of(logits, batch["target"].reshape(batch_size, -1))

  def features_before(
    self, params: types.Params, batch: types.Batch, stage: str
  ) -> types.Batch:
    """Returns what enters a stage, and what the answers are compared with.

    Raises:
      UserError: the network computes each problem in two passes.
    """
    if not self.mode:
      raise types.UserError(
        "double addition with a feed-forward network has two passes a problem, "
        "so nothing can be computed once; mask from layer_0"
      )
    features = self.model.apply(
      {"params": params}, self._inputs(batch), stage, method="features_before"
    )
    return {**features, "target": batch["target"]}

  def _inputs(self, batch: types.Batch) -> types.Batch:
    pairs = one_hot(batch["numbers"])  # [batch, 2, 40]
    # [batch, pass, pair, 40]: in a pass, only its own pair is there.
    alone = pairs[:, None] * jnp.eye(2)[None, :, :, None]
    alone = alone.reshape(len(pairs), 2, -1)
    if not self.mode:
      return {"features": alone.reshape(2 * len(pairs), -1)}
    mode = MODES[self.mode]
    if mode.one_input:
      steps = pairs
    elif mode.reads_both:
      steps = jnp.repeat(pairs.reshape(len(pairs), 1, -1), 2, axis=1)
    else:
      steps = alone
    return {"features": jnp.repeat(steps, STEPS, axis=1)}

  def _answers(self, output: jax.Array) -> jax.Array:
    """Returns f32[batch, 2 pairs, 20]."""
    if self.mode:
      mode = MODES[self.mode]
      if mode.answers_at_end:
        return output[:, -1].reshape(len(output), 2, -1)
      output = output[:, STEPS - 1 :: STEPS]
      if mode.one_output:
        return output
    # [batch, turn of a pair, pair, 20]: at its turn, a pair's own half counts.
    turns = output.reshape(-1, 2, 2, output.shape[-1] // 2)
    return jnp.stack([turns[:, 0, 0], turns[:, 1, 1]], axis=1)
