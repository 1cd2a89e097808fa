"""Base networks: trained together, stored seed by seed."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from absl import logging

from structcomp_jax import training, trees, types
from structcomp_jax.io import checkpoints, files, metrics
from structcomp_jax.pipeline import resumable
from structcomp_jax.pipeline.study import param_shapes
from structcomp_jax.pipeline.workplace import COMPILING, Workplace

# base seed -> weights to start from.
StartFn = Callable[[int], types.Params]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
  """A training of several base networks at once.

  Attributes:
    task: whose problems are learned.
    config: shared settings.
    start: base seed -> weights to start from.
    directory: of its files while it runs.
    label: for progress.
    loss_draws: the loss draws at random, see `training.run`.
    moving_loss_fn: of a network with running statistics, see `training.run`.
  """

  task: str
  config: training.TrainConfig
  start: StartFn
  directory: pathlib.Path
  label: str
  loss_draws: bool = False
  moving_loss_fn: training.MovingLossFn | None = None


def missing_seeds(work: Workplace, regime: str) -> list[int]:
  """Returns the base seeds of a regime whose networks are not there yet."""
  return [
    seed
    for seed in work.base_seeds
    if not files.is_done(work.paths.base(regime, seed))
  ]


def train(
  work: Workplace, job: Training, seeds: Sequence[int]
) -> training.TrainState:
  """Trains some seeds at once, going on where it was.

  Returns:
    The final state; see `training.fetch_best` and `training.failed_seeds`.
  """
  dataset = work.load(job.task, "train")
  state = trees.stack(
    [
      training.init_state(jnp.int32(seed), job.start(seed), job.config)
      for seed in seeds
    ]
  )
  work.say_once(COMPILING)
  with resumable.Run(
    work,
    job.directory,
    state,
    total_steps=job.config.total_steps(job.config.steps_per_epoch(dataset)),
    label=job.label,
    accuracy="validation/accuracy",
  ) as run:
    return training.run(
      work.study.network.loss_fn,
      work.study.network.metrics_fn,
      run.state,
      dataset,
      work.load(job.task, "validation"),
      job.config,
      key=work.key("training"),
      draw_key=work.key("draws") if job.loss_draws else None,
      moving_loss_fn=job.moving_loss_fn,
      on_call=run,
    )


def train_and_store(work: Workplace, regime: str, job: Training) -> None:
  """Trains and stores the base networks of a regime that are not there yet.

  Seeds that are trained together are one program and one checkpoint. A
  training that was interrupted is finished first, before seeds that were added
  to the config since then.

  Raises:
    UserError: a seed never had a finite validation loss; the others are stored.
  """
  missing = missing_seeds(work, regime)
  if not missing:
    skip(work, regime)
    return
  record = job.directory / "seeds.json"
  begun = [seed for seed in files.read_json(record, []) if seed in missing]
  failed: list[int] = []
  for seeds in (begun, [seed for seed in missing if seed not in begun]):
    if seeds:
      files.write_json(record, seeds)
      failed += _train_together(work, regime, job, seeds)
  if failed:
    raise types.UserError(
      f"base seeds {failed} of {regime} never had a finite validation loss, "
      "the others are stored; lower training.learning_rate"
    )


def skip(work: Workplace, regime: str) -> None:
  """Says that the networks of a regime are there, and removes leftovers."""
  forget_training(work.paths.training(regime))
  logging.info("base networks, %s: done before", regime)


def forget_training(directory: pathlib.Path) -> None:
  """Removes what a training needed that is stored seed by seed by now.

  Call it after every seed is marked as done: until then a training that was
  killed goes on from these files, and a kill may leave half of them.
  """
  resumable.forget_checkpoint(directory)
  files.remove(directory / resumable.METRICS)
  files.remove(directory / "seeds.json")


def store(
  work: Workplace,
  regime: str,
  seed: int,
  params: types.Params,
  history: Sequence[dict[str, Any]] = (),
  **info: Any,
) -> None:
  """Writes one finished base network unless it is there.

  Args:
    work: where.
    regime: of the network.
    seed: of the network.
    params: its weights.
    history: rows of its training.
    **info: further fields of the mark of the finished network.
  """
  directory = work.paths.base(regime, seed)
  if files.is_done(directory):
    return
  fingerprint = trees.fingerprint(params)
  checkpoints.save(
    directory / resumable.CHECKPOINT, 0, params, {"fingerprint": fingerprint}
  )
  if history:
    metrics.rewind(directory / resumable.METRICS, lambda row: False)
    with metrics.MetricsWriter(directory / resumable.METRICS) as writer:
      for row in history:
        writer.write(row)
  files.mark_done(directory, {"fingerprint": fingerprint, **info})


def load(work: Workplace, regime: str, seed: int) -> types.Params:
  """Returns the weights of a finished base network.

  Raises:
    UserError: it is not finished, or its files are damaged.
  """
  fingerprint(work, regime, seed)
  return load_params(work, work.paths.base(regime, seed))


def fingerprint(work: Workplace, regime: str, seed: int) -> str:
  """Returns the fingerprint of a finished base network; reads no weights.

  Raises:
    UserError: it is not finished.
  """
  directory = work.paths.base(regime, seed)
  if not files.is_done(directory):
    raise types.UserError(
      f"{directory} holds no finished base network; run "
      f"{types.command('train')} with the same config and work directory"
    )
  found: str = files.read_done(directory)["fingerprint"]
  return found


def load_params(work: Workplace, directory: pathlib.Path) -> types.Params:
  """Returns the weights of the study's network from a checkpoint.

  Raises:
    UserError: the checkpoint is lost or damaged.
  """
  found = checkpoints.restore(
    directory / resumable.CHECKPOINT, param_shapes(work.study.network)
  )
  if found is None:
    raise types.UserError(
      f"{directory} has lost its checkpoint; delete the directory and run "
      f"{types.command('train')} again"
    )
  return jax.tree.map(jnp.asarray, found[1])


def _train_together(
  work: Workplace, regime: str, job: Training, seeds: Sequence[int]
) -> list[int]:
  """Trains some seeds, stores those that succeed, and returns the others."""
  state = train(work, job, seeds)
  best, failed = training.fetch_best(state), training.failed_seeds(state)
  history = metrics.read(job.directory / resumable.METRICS)
  for index, seed in enumerate(seeds):
    if seed in failed:
      continue
    rows = [row for row in history if row["seed"] == seed]
    store(
      work,
      regime,
      seed,
      trees.row(best["params"], index),
      rows,
      best_epoch=int(best["epoch"][index]),
      validation_loss=float(best["loss"][index]),
      learning_rate=job.config.learning_rate,
      batch_size=job.config.batch_size,
    )
  if not failed:
    forget_training(job.directory)
  return failed
