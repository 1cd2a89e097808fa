"""Base networks: several seeds in one program, early stopping, best kept."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from structcomp_jax import trees, types
from structcomp_jax.engine import batching, parallel

# {name: mean validation metric} -> f32 scalar, the lower the better.
ScoreFn = Callable[[dict[str, jax.Array]], jax.Array]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
  """How base networks are trained.

  Attributes:
    num_epochs: at most; early stopping may end before.
    batch_size: examples per step.
    learning_rate: Adam's step size, constant.
    patience: epochs without a lower validation loss before a seed stops
      (published: 30 for language, 75 for vision).
    steps_per_call: steps between two looks of the host; 0: one epoch.
    vmap_width: seeds computed at once on a device; 0: all.
    eval_batch_size: validation examples held in memory at a time.
  """

  num_epochs: int = 100
  batch_size: int = 32
  learning_rate: float = 1e-4
  patience: int = 30
  steps_per_call: int = 0
  vmap_width: int = 0
  eval_batch_size: int = 256

  def __post_init__(self):
    """Raises UserError for values no training can run with."""
    for name in ("num_epochs", "patience"):
      if getattr(self, name) < 1:
        raise types.UserError(
          f"{name} {getattr(self, name)} must be at least 1"
        )
    if not (np.isfinite(self.learning_rate) and self.learning_rate > 0):
      raise types.UserError(
        f"learning_rate {self.learning_rate} must be a positive number"
      )


class TrainState(flax.struct.PyTreeNode):
  """Everything training needs to go on; stacked over seeds.

  Attributes:
    seed: i32.
    step: i32, optimiser steps done.
    params: weights now.
    opt_state: Adam's moments.
    best_params: weights at the lowest validation score so far.
    best_loss: f32, that score: the loss, unless a `score_fn` was given.
    best_epoch: i32, the epoch (from 1) it was reached in; 0: none yet.
    active: bool. False once patience ran out; the seed then stands still.
    loss_sum: f32, training loss summed over the steps of this epoch.
  """

  seed: jax.Array
  step: jax.Array
  params: types.Params
  opt_state: Any
  best_params: types.Params
  best_loss: jax.Array
  best_epoch: jax.Array
  active: jax.Array
  loss_sum: jax.Array


def init_state(
  seed: jax.Array,
  params: types.Params,
  config: TrainConfig,
  *,
  optimizer: optax.GradientTransformation | None = None,
) -> TrainState:
  """Returns the state of one seed before its first step.

  Args:
    seed: decides the order of the data.
    params: weights to start from.
    config: shared settings.
    optimizer: the one given to `run`.
  """
  return TrainState(
    seed=seed,
    step=jnp.int32(0),
    params=params,
    opt_state=(optimizer or _adam(config)).init(params),
    # A copy: donated buffers must not appear twice.
    best_params=jax.tree.map(jnp.copy, params),
    best_loss=jnp.float32(jnp.inf),
    best_epoch=jnp.int32(0),
    active=jnp.bool_(True),
    loss_sum=jnp.float32(0),
  )


def validation_loss(metrics: dict[str, jax.Array]) -> jax.Array:
  """The published score of a base network: its mean validation loss."""
  return metrics["loss"]


def train_steps(
  state: TrainState,
  shared: dict[str, Any],
  *,
  loss_fn: types.LossFn,
  optimizer: optax.GradientTransformation,
  config: TrainConfig,
) -> TrainState:
  """Returns the state `shared["num_steps"]` steps on, within one epoch."""
  dataset = shared["dataset"]
  steps_per_epoch = batching.steps_per_epoch(dataset, config.batch_size)
  order = batching.epoch_order(
    jax.random.fold_in(shared["key"], state.seed),
    state.step // steps_per_epoch,
    trees.num_rows(dataset),
    config.batch_size,
  )
  is_first = state.step % steps_per_epoch == 0
  state = state.replace(loss_sum=jnp.where(is_first, 0, state.loss_sum))

  def body(_, state):
    batch = batching.take(dataset, order[state.step % steps_per_epoch])
    if shared["draw_key"] is not None:
      key = jax.random.fold_in(shared["draw_key"], state.seed)
      key = jax.random.fold_in(key, state.step)
      batch = {**batch, "key": jax.random.split(key, config.batch_size)}
    loss, gradient = jax.value_and_grad(loss_fn)(state.params, batch)
    updates, opt_state = optimizer.update(
      gradient, state.opt_state, state.params
    )
    new_state = state.replace(
      params=optax.apply_updates(state.params, updates),
      opt_state=opt_state,
      loss_sum=state.loss_sum + loss,
    )
    state = jax.tree.map(
      lambda new, old: jnp.where(state.active, new, old), new_state, state
    )
    return state.replace(step=state.step + 1)

  return jax.lax.fori_loop(0, shared["num_steps"], body, state)


def end_epoch(
  state: TrainState,
  shared: dict[str, Any],
  *,
  metrics_fn: types.MetricsFn,
  score_fn: ScoreFn,
  steps_per_epoch: int,
  config: TrainConfig,
) -> tuple[TrainState, dict[str, jax.Array]]:
  """Validates one seed, keeps the best weights and stops when due."""
  epoch = state.step // steps_per_epoch
  metrics = batching.mean_over(
    functools.partial(metrics_fn, state.params),
    shared["validation"],
    config.eval_batch_size,
  )
  score = score_fn(metrics)
  is_better = state.active & (score < state.best_loss)
  best_epoch = jnp.where(is_better, epoch, state.best_epoch)
  row = {
    "seed": state.seed,
    "active": state.active,
    "train/loss": state.loss_sum / steps_per_epoch,
    **{f"validation/{name}": value for name, value in metrics.items()},
  }
  state = state.replace(
    best_params=jax.tree.map(
      lambda new, old: jnp.where(is_better, new, old),
      state.params,
      state.best_params,
    ),
    best_loss=jnp.where(is_better, score, state.best_loss),
    best_epoch=best_epoch,
    active=state.active & (epoch - best_epoch < config.patience),
  )
  return state, row


def run(
  loss_fn: types.LossFn,
  metrics_fn: types.MetricsFn,
  state: TrainState,
  dataset: types.Batch,
  validation: types.Batch,
  config: TrainConfig,
  *,
  key: jax.Array,
  draw_key: jax.Array | None = None,
  optimizer: optax.GradientTransformation | None = None,
  score_fn: ScoreFn = validation_loss,
  on_call: Callable[[TrainState, list[dict[str, Any]]], None] | None = None,
  devices: Sequence[Any] | None = None,
) -> TrainState:
  """Trains stacked seeds until the last has stopped.

  Args:
    loss_fn: (params, batch) -> mean loss.
    metrics_fn: (params, batch) -> {"loss", ...: f32[batch]}.
    state: stacked, from `init_state` or a checkpoint; its arrays are reused.
    dataset: training examples {name: array [examples, ...]}.
    validation: the same, for early stopping.
    config: shared settings.
    key: base key of the data order, folded with the seed.
    draw_key: for a loss that draws at random. If given, every training batch
      has a field "key", keys[batch], that depends on `draw_key`, the seed and
      the step. It must not be the `key` of the order.
    optimizer: default: Adam with the learning rate of `config`.
    score_fn: {name: mean validation metric} -> f32; the weights with the
      lowest score are kept, and `patience` waits for a lower one.
    on_call: called with the state and one row per active seed each time an
      epoch ends (no rows in between): for checkpoints and progress.
    devices: default: all of `jax.devices()`.

  Returns:
    The final state; the result is `best_params`, except in `failed_seeds`.
  """
  steps_per_epoch = batching.steps_per_epoch(dataset, config.batch_size)
  mesh = parallel.row_mesh(trees.num_rows(state), devices)
  advance, finish = _programs(
    loss_fn, metrics_fn, score_fn, optimizer, config, steps_per_epoch, mesh
  )
  shared, validation = parallel.replicate(
    ({"dataset": dataset, "key": key, "draw_key": draw_key}, validation), mesh
  )
  max_steps = config.steps_per_call or steps_per_epoch
  done = int(parallel.fetch(state.step)[0])
  while (
    done < steps_per_epoch * config.num_epochs
    and parallel.fetch(state.active).any()
  ):
    num_steps = min(max_steps, steps_per_epoch - done % steps_per_epoch)
    state = advance(state, {**shared, "num_steps": jnp.int32(num_steps)})
    done += num_steps
    rows = []
    if done % steps_per_epoch == 0:
      state, metrics = finish(state, {"validation": validation})
      rows = _history_rows(
        parallel.fetch(metrics), done, done // steps_per_epoch
      )
    if on_call is not None:
      on_call(state, rows)
  return state


def fetch_best(state: TrainState) -> dict[str, Any]:
  """Returns NumPy {"params", "epoch", "loss"} of every seed's best epoch."""
  return parallel.fetch(
    {
      "params": state.best_params,
      "epoch": state.best_epoch,
      "loss": state.best_loss,
    }
  )


def failed_seeds(state: TrainState) -> list[int]:
  """Returns the seeds that never had a finite validation score."""
  seeds, losses = parallel.fetch((state.seed, state.best_loss))
  return seeds[~np.isfinite(losses)].tolist()


@functools.lru_cache(maxsize=4)
def _programs(
  loss_fn, metrics_fn, score_fn, optimizer, config, steps_per_epoch, mesh
):
  """Compiled once for all trainings that differ in data and weights only."""
  advance = parallel.over_rows(
    functools.partial(
      train_steps,
      loss_fn=loss_fn,
      optimizer=optimizer or _adam(config),
      config=config,
    ),
    mesh,
    width=config.vmap_width,
    in_place=True,
  )
  finish = parallel.over_rows(
    functools.partial(
      end_epoch,
      metrics_fn=metrics_fn,
      score_fn=score_fn,
      steps_per_epoch=steps_per_epoch,
      config=config,
    ),
    mesh,
    width=config.vmap_width,
    donate=True,
  )
  return advance, finish


def _adam(config):
  return optax.adam(config.learning_rate)


def _history_rows(metrics, step, epoch):
  """Returns one dict of NumPy scalars per seed that was still training."""
  return [
    {"step": step, "epoch": epoch}
    | {
      name: values[index]
      for name, values in metrics.items()
      if name != "active"
    }
    for index in range(len(metrics["seed"]))
    if metrics["active"][index]
  ]
