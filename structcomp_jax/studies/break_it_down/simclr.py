"""SimCLR pretraining, one run that all networks of the regime start from."""

from typing import cast

import jax
import jax.numpy as jnp
from absl import logging

from structcomp_jax import training, trees, types
from structcomp_jax.engine import batching
from structcomp_jax.io import checkpoints, files
from structcomp_jax.pipeline import experiment as experiments
from structcomp_jax.pipeline import resumable as long_run
from structcomp_jax.pipeline.keys import purpose_key
from structcomp_jax.pipeline.study import fresh_params
from structcomp_jax.studies.break_it_down.domain import PictureDomain
from structcomp_jax.tasks import datasets
from structcomp_jax.training import simclr

# What the run itself needs; its result lies one level higher.
_RUN = "run"


def data_sets(experiment: experiments.Experiment) -> dict[str, dict[str, int]]:
  """Returns {builder/config: sizes} of the pictures to learn from.

  The composite tasks of several experiments, so that one backbone serves all
  of them (published); nothing where no network is pretrained.
  """
  if "simclr" not in experiment.config.regimes:
    return {}
  return {
    _domain(experiment).dataset_name("base", task): experiment.num_problems(
      "base"
    )
    for task in experiment.config.simclr.tasks
  }


def step(experiment: experiments.Experiment) -> None:
  """Pretrains the backbone unless it is there."""
  directory = experiment.paths.pretraining()
  if files.is_done(directory):
    logging.info("pretraining: done before")
    long_run.forget_checkpoint(directory / _RUN)
    return
  config = experiment.simclr_config()
  dataset = _pictures(experiment, "train")
  steps_per_epoch = batching.steps_per_epoch(dataset, config.batch_size)
  state = simclr.init_state(
    jnp.int32(experiment.config.seed), _fresh_params(experiment), config
  )
  with long_run.LongRun(
    directory / _RUN,
    trees.stack([state]),
    total_steps=steps_per_epoch * config.num_epochs,
    label="SimCLR pretraining",
    checkpoint_seconds=experiment.config.runtime.checkpoint_seconds,
    accuracy="validation/top_5",
  ) as keep:
    state = simclr.run(
      _domain(experiment).embed_images,
      keep.state,
      dataset,
      _pictures(experiment, "validation"),
      config,
      key=purpose_key(experiment.config.seed, "pretraining", 1),
      on_call=keep,
    )
  if training.failed_seeds(state):
    raise types.UserError(
      "the pretraining never had a finite validation loss; lower "
      "simclr.learning_rate"
    )
  best = training.fetch_best(state)
  params = trees.row(best["params"], 0)
  checkpoints.save(directory / long_run.CHECKPOINT, 0, params, {})
  files.mark_done(
    directory,
    {
      "best_epoch": int(best["epoch"][0]),
      "validation_top_5": -float(best["loss"][0]),
    },
  )
  long_run.forget_checkpoint(directory / _RUN)


def load(experiment: experiments.Experiment) -> types.Params:
  """Returns the pretrained network, head included.

  Raises:
    UserError: its files are damaged.
  """
  directory = experiment.paths.pretraining()
  found = checkpoints.restore(
    directory / long_run.CHECKPOINT, _fresh_params(experiment)
  )
  if found is None:
    raise types.UserError(
      f"{directory} has lost its checkpoint; delete the directory and run "
      "python -m launch.train again"
    )
  return jax.tree.map(jnp.asarray, found[1])


def _domain(experiment: experiments.Experiment) -> PictureDomain:
  """Returns the domain; only vision offers the regime (`CHOICES`)."""
  return cast(PictureDomain, experiment.domain)


def _fresh_params(experiment: experiments.Experiment) -> types.Params:
  key = purpose_key(experiment.config.seed, "pretraining", 0)
  return fresh_params(experiment.network, key)


def _pictures(experiment: experiments.Experiment, split: str) -> types.Batch:
  """Returns two pictures of every problem of the composite tasks."""
  return simclr.make_dataset(
    [
      experiment.domain.encode(datasets.load(name, experiment.data_dir, split))[
        "images"
      ]
      for name in data_sets(experiment)
    ]
  )
