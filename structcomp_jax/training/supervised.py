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
from structcomp_jax.engine import batching, data, loop, parallel, width
from structcomp_jax.engine.best import Best
from structcomp_jax.engine.learner import Keys, Now
from structcomp_jax.engine.plan import Machine, Plan
from structcomp_jax.training import problems
from structcomp_jax.training.config import TrainConfig, make_optimizer

# {name: mean validation metric} -> f32 scalar, the lower the better.
ScoreFn = Callable[[dict[str, jax.Array]], jax.Array]
# (params, batch) -> mean loss, and {path: new value} of leaves that follow the
# batches and are not learned, such as running statistics.
MovingLossFn = Callable[
  [types.Params, types.Batch], tuple[jax.Array, dict[str, jax.Array]]
]


class TrainState(flax.struct.PyTreeNode):
  """Everything training needs to go on; stacked over seeds.

  Attributes:
    seed: i32.
    step: i32, optimiser steps done.
    params: weights now.
    opt_state: the optimiser's.
    best: weights at the lowest validation score so far, or of the last look.
    loss_sum: f32, training loss summed over the steps since the last look.
  """

  seed: jax.Array
  step: jax.Array
  params: types.Params
  opt_state: Any
  best: Best
  loss_sum: jax.Array


class Seed(flax.struct.PyTreeNode):
  """One row of a training.

  Attributes:
    seed: i32, decides the order of the data and all draws.
  """

  seed: jax.Array


def validation_loss(metrics: dict[str, jax.Array]) -> jax.Array:
  """The score of a base network that was used by both published systems."""
  return metrics["loss"]


@dataclasses.dataclass(frozen=True)
class Supervised:
  """Learns the weights of one network per row; nothing is fixed.

  Attributes:
    loss_fn: (params, batch) -> mean loss.
    metrics_fn: (params, batch) -> {"loss", ...: f32[batch]}.
    optimizer: with `init` and `update`, as of optax; hashable.
    score_fn: of validation metrics; the weights of the lowest score are kept.
    patience: looks without a lower score before a row stops.
    loss_draws: the loss draws at random: every batch has a field "key".
    keeps_last: no row stops, and its last weights are kept.
    moving_loss_fn: the loss of a network with leaves that follow the batches;
      then `loss_fn` is not used in steps.
  """

  loss_fn: types.LossFn
  metrics_fn: types.MetricsFn
  optimizer: Any
  score_fn: ScoreFn
  patience: int
  loss_draws: bool = False
  keeps_last: bool = False
  moving_loss_fn: MovingLossFn | None = None
  row_name = "seed"
  num_chunks = 1

  def step(
    self,
    state: TrainState,
    row: Seed,
    fixed: None,
    batch: types.Batch,
    *,
    now: Now,
  ) -> TrainState:
    """Takes one step of the optimiser; see `engine.Learner`."""
    if self.loss_draws:
      batch = {**batch, "key": now.example_keys()}

    def mean_loss(params):
      if self.moving_loss_fn is None:
        loss = self.loss_fn(params, batch)
        moved: dict[str, jax.Array] = {}
      else:
        loss, moved = self.moving_loss_fn(params, batch)
      data_axis = now.setup.data_axis
      if data_axis:
        loss, moved = jax.lax.pmean((loss, moved), data_axis)
      return loss, moved

    (loss, moved), gradient = jax.value_and_grad(mean_loss, has_aux=True)(
      state.params
    )
    loss_sum = jnp.where(now.steps_since_look == 0, 0, state.loss_sum)
    state = state.replace(loss_sum=loss_sum)

    def update(state: TrainState) -> TrainState:
      updates, opt_state = self.optimizer.update(
        gradient, state.opt_state, state.params
      )
      params = optax.apply_updates(state.params, updates)
      return state.replace(
        # An optimiser may decay what is not learned: its value is set.
        params=trees.replace_leaves(params, moved) if moved else params,
        opt_state=opt_state,
        loss_sum=state.loss_sum + loss,
      )

    # `where` would write the new state, read both states and write again.
    return jax.lax.cond(state.best.active, update, lambda state: state, state)

  def look(
    self,
    state: TrainState,
    row: Seed,
    fixed: None,
    validation: types.Batch,
    *,
    now: Now,
  ) -> tuple[TrainState, dict[str, jax.Array]]:
    """Validates, keeps the best weights and stops when due."""
    metrics = batching.mean_over(
      functools.partial(self.metrics_fn, state.params),
      validation,
      now.setup.machine.eval_batch_size,
      data_axis=now.setup.data_axis,
    )
    score = self.score_fn(metrics)
    if self.keeps_last:
      best = state.best.latest(state.params, score, now.look)
    else:
      best = state.best.after(state.params, score, now.look, self.patience)
    return state.replace(best=best), {
      "seed": state.seed,
      "active": state.best.active,
      "train/loss": state.loss_sum / now.steps_since_look,
      **{f"validation/{name}": value for name, value in metrics.items()},
    }

  def active(self, state: TrainState) -> jax.Array:
    """Returns bool[seeds], those whose patience has not run out."""
    return state.best.active


def init_state(
  seed: jax.Array,
  params: types.Params,
  config: TrainConfig,
  *,
  optimizer: Any = None,
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
    opt_state=(optimizer or make_optimizer(config)).init(params),
    best=Best.start(params),
    loss_sum=jnp.float32(0),
  )


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
  optimizer: Any = None,
  score_fn: ScoreFn = validation_loss,
  moving_loss_fn: MovingLossFn | None = None,
  on_call: loop.OnCall | None = None,
  devices: Sequence[Any] | None = None,
) -> TrainState:
  """Trains stacked seeds until the plan ends or the last has stopped.

  Args:
    loss_fn: (params, batch) -> mean loss.
    metrics_fn: (params, batch) -> {"loss", ...: f32[batch]}.
    state: stacked, from `init_state` or a checkpoint; its arrays are reused.
    dataset: training examples {name: array [examples, ...]}; NumPy arrays,
      also `np.memmap`, if `config.feed` is "host".
    validation: the same, for early stopping.
    config: shared settings.
    key: base key of the data order, folded with the seed.
    draw_key: for a loss that draws at random. If given, every training batch
      has a field "key", keys[batch], that depends on `draw_key`, the seed and
      the step. It must not be the `key` of the order.
    optimizer: default: that of `config`.
    score_fn: {name: mean validation metric} -> f32; the weights with the
      lowest score are kept, and `patience` waits for a lower one.
    moving_loss_fn: of a network with leaves that follow the batches, see
      `Supervised`.
    on_call: called with the state and the new history rows (one per active
      seed and look) each time the host sees the devices: for checkpoints and
      progress.
    devices: default: all of `jax.devices()`.

  Returns:
    The final state; the result is `best`, except in `failed_seeds`.

  Raises:
    UserError: data, loss or metrics that do not fit each other or the settings,
      or a training that does not fit in memory.
  """
  trees.check_key(key)
  problems.check(
    (loss_fn, dataset), (metrics_fn, validation), state.params, config, draw_key
  )
  job = make_job(
    loss_fn,
    metrics_fn,
    lambda: state,
    # A copy, since the arrays of the state are reused.
    Seed(jnp.array(parallel.fetch(state.seed))),
    dataset,
    validation,
    config,
    key=key,
    draw_key=draw_key,
    optimizer=optimizer,
    score_fn=score_fn,
    moving_loss_fn=moving_loss_fn,
    devices=devices,
  )
  final, _ = loop.run(dataclasses.replace(job, state=state), on_call=on_call)
  return final


def make_job(
  loss_fn: types.LossFn,
  metrics_fn: types.MetricsFn,
  init: Callable[[], TrainState],
  rows: Seed,
  dataset: types.Batch,
  validation: types.Batch,
  config: TrainConfig,
  *,
  key: jax.Array,
  draw_key: jax.Array | None = None,
  optimizer: Any = None,
  score_fn: ScoreFn = validation_loss,
  moving_loss_fn: MovingLossFn | None = None,
  devices: Sequence[Any] | None = None,
) -> loop.Job:
  """Returns the loop of a training, which it does not check and not run.

  Args: those of `run`, with what makes the stacked state (`init`) and the
    seeds (`rows`) in its place.
  """
  return loop.Job(
    learner=Supervised(
      loss_fn=loss_fn,
      metrics_fn=metrics_fn,
      optimizer=optimizer or make_optimizer(config),
      score_fn=score_fn,
      patience=config.patience,
      loss_draws=draw_key is not None,
      keeps_last=config.keep == "last",
      moving_loss_fn=moving_loss_fn,
    ),
    init=init,
    rows=rows,
    dataset=dataset,
    plan=Plan.of(config),
    machine=Machine.of(config),
    keys=Keys(key, key if draw_key is None else draw_key),
    validation=validation,
    devices=devices,
  )


def choose_width(
  loss_fn: types.LossFn,
  make_state: Callable[[], TrainState],
  dataset: types.Batch,
  config: TrainConfig,
  *,
  key: jax.Array,
  devices: Sequence[Any] | None = None,
) -> width.Width:
  """Measures how many seeds a device should train at once.

  See `engine.width.choose_width`.

  Args:
    loss_fn, dataset, config, key, devices: as for `run`; the `vmap_width` of
      `config` is not looked at.
    make_state: returns stacked states to step, again for every width.

  Raises:
    UserError: not even one seed at a time fits in memory.
  """
  data.check(dataset, "dataset")
  job = loop.Job(
    learner=Supervised(
      loss_fn=loss_fn,
      metrics_fn=_no_metrics,
      optimizer=make_optimizer(config),
      score_fn=validation_loss,
      patience=config.patience,
    ),
    init=make_state,
    rows=Seed(make_state().seed),
    dataset=dataset,
    plan=Plan.of(config),
    machine=Machine.of(config),
    keys=Keys(key, key),
    devices=devices,
  )
  return width.choose_width(job)


def _no_metrics(params: types.Params, batch: types.Batch) -> dict[str, Any]:
  """Stands in where nothing is validated."""
  return {}


def fetch_best(state: TrainState) -> dict[str, Any]:
  """Returns NumPy {"params", "epoch", "loss"} of every seed's best look.

  "epoch" is the number of that look, and "loss" its score.
  """
  return parallel.fetch(
    {
      "params": state.best.value,
      "epoch": state.best.look,
      "loss": state.best.score,
    }
  )


def failed_seeds(state: TrainState) -> list[int]:
  """Returns the seeds that never had a finite validation score."""
  seeds, losses = parallel.fetch((state.seed, state.best.score))
  return seeds[~np.isfinite(losses)].tolist()
