"""A linear probe as what is learned: one step, and a look."""

import dataclasses
import functools
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from structcomp_jax import types
from structcomp_jax.engine import batching
from structcomp_jax.engine.best import Best
from structcomp_jax.engine.learner import Now
from structcomp_jax.probing import softmax


class LinearRow(flax.struct.PyTreeNode):
  """One probe, as data.

  Attributes:
    seed: i32, decides the order of the examples.
    site: i32, which features it reads.
    target: i32, which column of labels it learns.
  """

  seed: jax.Array
  site: jax.Array
  target: jax.Array


class LinearState(flax.struct.PyTreeNode):
  """Everything a probe needs to go on; stacked over rows.

  Attributes:
    step: i32, optimiser steps done.
    probe: weights now.
    opt_state: Adam's.
    best: weights at the lowest validation loss so far.
    loss_sum: f32, training loss summed over the steps since the last look.
  """

  step: jax.Array
  probe: softmax.Probe
  opt_state: Any
  best: Best
  loss_sum: jax.Array

  @classmethod
  def start(cls, width: int, num_classes: int) -> "LinearState":
    """Returns the state of one probe before its first step."""
    probe = softmax.zeros(width, num_classes)
    return cls(
      step=jnp.int32(0),
      probe=probe,
      opt_state=softmax.ADAM.init(probe),
      best=Best.start(probe),
      loss_sum=jnp.float32(0),
    )


@dataclasses.dataclass(frozen=True)
class LinearLearner:
  """Learns one linear probe per row; rows are `LinearRow`s.

  What is fixed are all features and labels of a split, {"features":
  f32[sites, N, width], "labels": i32[N, targets]}; a batch has the numbers of
  its examples alone, {"example": i32[batch]}. Each row then takes the features
  of its site and not of all.

  Attributes:
    learning_rate, weight_decay, patience: see `ProbeConfig`.
  """

  learning_rate: float
  weight_decay: float
  patience: int
  row_name = "probe"
  num_chunks = 1

  def step(
    self,
    state: LinearState,
    row: LinearRow,
    fixed: types.Batch,
    batch: types.Batch,
    *,
    now: Now,
  ) -> LinearState:
    """Takes one Adam step; see `engine.Learner`."""
    features, labels = read(fixed, row, batch)

    def loss_of(probe):
      loss = softmax.mean_loss(probe, features, labels, now.setup.data_axis)
      return loss + softmax.decay(probe, self.weight_decay), loss

    (_, loss), gradient = jax.value_and_grad(loss_of, has_aux=True)(state.probe)
    direction, opt_state = softmax.ADAM.update(gradient, state.opt_state)
    moved = optax.apply_updates(
      state.probe, optax.tree.scale(-self.learning_rate, direction)
    )
    is_first = now.steps_since_look == 0
    new = state.replace(
      probe=moved,
      opt_state=opt_state,
      loss_sum=jnp.where(is_first, 0, state.loss_sum) + loss,
    )
    return jax.tree.map(
      functools.partial(jnp.where, state.best.active), new, state
    )

  def look(
    self,
    state: LinearState,
    row: LinearRow,
    fixed: types.Batch,
    validation: types.Batch,
    *,
    now: Now,
  ) -> tuple[LinearState, dict[str, jax.Array]]:
    """Validates, keeps the best weights and stops when due."""
    means = batching.mean_over(
      lambda batch: softmax.metrics(state.probe, *read(validation, row, batch)),
      examples_of(validation),
      now.setup.machine.eval_batch_size,
      data_axis=now.setup.data_axis,
    )
    best = state.best.after(state.probe, means["loss"], now.look, self.patience)
    return state.replace(best=best), {
      "seed": row.seed,
      "site": row.site,
      "target": row.target,
      "active": state.best.active,
      "train/loss": state.loss_sum / now.steps_since_look,
      **{f"validation/{name}": value for name, value in means.items()},
    }

  def active(self, state: LinearState) -> jax.Array:
    """Returns bool[probes], those whose patience has not run out."""
    return state.best.active


def examples_of(split: types.Batch) -> types.Batch:
  """Returns the numbers of all examples, of which batches are taken.

  >>> examples_of({"labels": np.zeros((2, 1))})["example"].tolist()
  [0, 1]
  """
  return {"example": np.arange(len(split["labels"]), dtype=np.int32)}


def read(
  split: types.Batch, row: LinearRow, batch: types.Batch
) -> tuple[jax.Array, jax.Array]:
  """Returns features f32[batch, width] and labels i32[batch] of a row.

  >>> split = {"features": jnp.ones((1, 2, 3)), "labels": jnp.array([[0], [1]])}
  >>> row = LinearRow(seed=0, site=0, target=0)
  >>> read(split, row, {"example": jnp.array([1])})[1].tolist()
  [1]

  Args:
    split: see `LinearLearner`.
    row: one probe.
    batch: {"example": i32[batch]}.
  """
  examples = batch["example"]
  return (
    split["features"][row.site, examples],
    split["labels"][examples, row.target],
  )


def metrics(
  probe: softmax.Probe, row: LinearRow, split: types.Batch, batch: types.Batch
) -> dict[str, jax.Array]:
  """Returns {"loss", "accuracy"}: f32[batch].

  >>> split = {"features": jnp.ones((1, 2, 3)), "labels": jnp.array([[0], [1]])}
  >>> row, batch = LinearRow(seed=0, site=0, target=0), examples_of(split)
  >>> metrics(softmax.zeros(3, 2), row, split, batch)["accuracy"].tolist()
  [0.5, 0.5]

  Args:
    probe: weights.
    row, split, batch: as for `read`.
  """
  return softmax.metrics(probe, *read(split, row, batch))
