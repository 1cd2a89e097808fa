"""Step 2: base networks, all seeds of a regime in one program."""

import pathlib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from absl import logging
from ml_collections import ConfigDict

from structcomp_jax import training, trees, types
from structcomp_jax.engine import batching
from structcomp_jax.io import checkpoints, files, metrics
from structcomp_jax.pipeline import experiment as experiments
from structcomp_jax.pipeline import resumable as long_run
from structcomp_jax.pipeline import session
from structcomp_jax.pipeline.keys import purpose_key
from structcomp_jax.pipeline.study import fresh_params, param_shapes
from structcomp_jax.studies.break_it_down import pruned as prune
from structcomp_jax.studies.break_it_down import simclr as pretrain
from structcomp_jax.studies.break_it_down import sweep


def run(config: ConfigDict, workdir: str | pathlib.Path) -> None:
  """Trains the base networks in the work directory of `config`."""
  with session.open_experiment(config, workdir, "train") as experiment:
    step(experiment)


def step(experiment: experiments.Experiment) -> None:
  """Makes the base networks of every regime that are not there yet."""
  if "simclr" in experiment.config.regimes:
    pretrain.step(experiment)
  # Pruned networks come from trained ones.
  regimes = sorted(experiment.config.regimes, key=lambda one: one == "pruned")
  for regime in regimes:
    seeds = experiment.config.base_seeds
    if all(
      files.is_done(experiment.paths.base(regime, seed)) for seed in seeds
    ):
      _forget(experiment.paths.training(regime))
      logging.info("base networks, %s: done before", regime)
    elif regime == "random_init":
      for seed in seeds:
        params = _start_params(experiment, regime, seed)
        _store(experiment, regime, seed, params)
    elif regime == "pruned":
      for seed in seeds:
        params, _ = load_params(experiment, "scratch", seed)
        params, info = prune.prune(experiment, seed, params)
        _store(experiment, regime, seed, params, pruning=info)
    else:
      _train(experiment, regime)


def load_params(
  experiment: experiments.Experiment, regime: str, base_seed: int
) -> tuple[types.Params, str]:
  """Returns a finished base network and its fingerprint.

  Raises:
    UserError: it is not finished, or its files are damaged.
  """
  directory = experiment.paths.base(regime, base_seed)
  if not files.is_done(directory):
    raise types.UserError(
      f"{directory} holds no finished base network; run python -m "
      "launch.train with the same config and work directory"
    )
  abstract = param_shapes(experiment.network)
  found = checkpoints.restore(directory / long_run.CHECKPOINT, abstract)
  if found is None:
    raise types.UserError(
      f"{directory} has lost its checkpoint; delete the directory and run "
      "python -m launch.train again"
    )
  _, params, metadata = found
  return jax.tree.map(jnp.asarray, params), metadata["fingerprint"]


def _start_params(
  experiment: experiments.Experiment, regime: str, seed: int
) -> types.Params:
  """Returns the weights that a base network starts from.

  `scratch` and `random_init` of one seed start from the same draw: the
  control is the very network before its training.
  """
  if regime == "lm_pretrained":
    return experiment.domain.pretrained
  params = fresh_params(
    experiment.network, purpose_key(experiment.config.seed, "init", seed)
  )
  if regime == "simclr":
    return training.with_backbone(pretrain.load(experiment), params)
  return params


def _train(experiment: experiments.Experiment, regime: str) -> None:
  """Trains all seeds of one regime, going on where it was."""
  seeds = experiment.config.base_seeds
  directory = experiment.paths.training(regime)

  def lowest_loss(directory, config, label):
    best, _ = _run(experiment, regime, seeds[:1], config, directory, label)
    return float(best["loss"][0])

  config = experiment.train_config(
    regime, **sweep.choose(experiment, regime, lowest_loss)
  )
  best, failed = _run(
    experiment, regime, seeds, config, directory, f"training {regime}"
  )
  history = metrics.read(directory / long_run.METRICS)
  for index, seed in enumerate(seeds):
    if seed in failed:
      continue
    rows = [row for row in history if row["seed"] == seed]
    _store(
      experiment,
      regime,
      seed,
      trees.row(best["params"], index),
      rows,
      best_epoch=int(best["epoch"][index]),
      validation_loss=float(best["loss"][index]),
      learning_rate=config.learning_rate,
      batch_size=config.batch_size,
    )
  if failed:
    raise types.UserError(
      f"base seeds {failed} of {regime} never had a finite validation loss, "
      "the others are stored; lower training.learning_rate"
    )
  _forget(directory)


def _run(
  experiment: experiments.Experiment,
  regime: str,
  seeds: Sequence[int],
  config: training.TrainConfig,
  directory: pathlib.Path,
  label: str,
) -> tuple[dict[str, Any], list[int]]:
  """Trains some seeds at once.

  Returns:
    {"params", "epoch", "loss"}, NumPy, of the best epoch of every seed, and
    the seeds that failed.
  """
  dataset = experiment.load("base", "train")
  state = trees.stack(
    [
      training.init_state(
        jnp.int32(seed), _start_params(experiment, regime, seed), config
      )
      for seed in seeds
    ]
  )
  steps_per_epoch = batching.steps_per_epoch(dataset, config.batch_size)
  with long_run.LongRun(
    directory,
    state,
    total_steps=steps_per_epoch * config.num_epochs,
    label=label,
    checkpoint_seconds=experiment.config.runtime.checkpoint_seconds,
    accuracy="validation/accuracy",
  ) as keep:
    state = training.run(
      experiment.network.loss_fn,
      experiment.network.metrics_fn,
      keep.state,
      dataset,
      experiment.load("base", "validation"),
      config,
      key=purpose_key(experiment.config.seed, "training"),
      on_call=keep,
    )
  return training.fetch_best(state), training.failed_seeds(state)


def _forget(directory: pathlib.Path) -> None:
  """Removes what a training needed that is stored seed by seed by now.

  Last, since a kill may leave half of it: until every seed is marked as
  done, the training goes on from here.
  """
  long_run.forget_checkpoint(directory)
  files.remove(directory / long_run.METRICS)


def _store(
  experiment: experiments.Experiment,
  regime: str,
  seed: int,
  params: types.Params,
  history: Sequence[dict[str, Any]] = (),
  **info: Any,
) -> None:
  """Writes one finished base network unless it is there."""
  directory = experiment.paths.base(regime, seed)
  if files.is_done(directory):
    return
  fingerprint = trees.fingerprint(params)
  checkpoints.save(
    directory / long_run.CHECKPOINT, 0, params, {"fingerprint": fingerprint}
  )
  if history:
    metrics.rewind(directory / long_run.METRICS, lambda row: False)
    with metrics.MetricsWriter(directory / long_run.METRICS) as writer:
      for row in history:
        writer.write(row)
  files.mark_done(directory, {"fingerprint": fingerprint, **info})
