"""SimCLR pretraining, one run that all networks of the regime start from."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from absl import logging

from structcomp_jax import training, trees, types
from structcomp_jax.io import checkpoints, files
from structcomp_jax.pipeline import base_networks, resumable
from structcomp_jax.pipeline.experiment import Experiment
from structcomp_jax.pipeline.study import fresh_params
from structcomp_jax.pipeline.workplace import COMPILING
from structcomp_jax.studies.break_it_down import config as sections
from structcomp_jax.tasks import datasets
from structcomp_jax.training import simclr

# What the run itself needs; its result lies one level higher.
_RUN = "run"


def settings(study: Any) -> training.SimclrConfig:
  """Returns how the backbone is pretrained."""
  return _section(study).simclr_config(study.runtime)


def data_sets(study: Any) -> dict[str, Mapping[str, int]]:
  """Returns {builder/config: sizes} of the pictures to learn from.

  The composite tasks of several experiments: as in Lepori et al. 2023, one
  backbone serves all of them.
  """
  return {
    study.domain.dataset_name("base", task): study.datasets["base"].sizes
    for task in _section(study).tasks
  }


def pretrain(study: Any, work: Experiment) -> None:
  """Pretrains the backbone unless it is there."""
  directory = work.paths.pretraining()
  if files.is_done(directory):
    logging.info("pretraining: done before")
    resumable.forget_checkpoint(directory / _RUN)
    return
  state = _run(study, work)
  if training.failed_seeds(state):
    raise types.UserError(
      "the pretraining never had a finite validation loss; lower "
      "simclr.learning_rate"
    )
  best = training.fetch_best(state)
  params = trees.row(best["params"], 0)
  checkpoints.save(directory / resumable.CHECKPOINT, 0, params, {})
  files.mark_done(
    directory,
    {
      "best_epoch": int(best["epoch"][0]),
      "validation_top_5": -float(best["loss"][0]),
    },
  )
  resumable.forget_checkpoint(directory / _RUN)


def load(work: Experiment) -> types.Params:
  """Returns the pretrained network, head included.

  Raises:
    UserError: its files are damaged.
  """
  return base_networks.load_params(work, work.paths.pretraining())


def _section(study: Any) -> sections.Pretraining:
  return sections.Pretraining(**study.config.simclr.to_dict())


def _run(study: Any, work: Experiment) -> training.TrainState:
  """Runs the pretraining, going on where it was."""
  config = settings(study)
  dataset = _pictures(study, work, "train")
  params = fresh_params(study.network, work.key("pretraining", 0))
  state = simclr.init_state(jnp.int32(work.config.seed), params, config)
  work.say_once(COMPILING)
  with resumable.Run(
    work,
    work.paths.pretraining() / _RUN,
    trees.stack([state]),
    total_steps=config.total_steps(config.steps_per_epoch(dataset)),
    label="SimCLR pretraining",
    accuracy="validation/top_5",
  ) as run:
    return simclr.run(
      study.domain.embed_images,
      run.state,
      dataset,
      _pictures(study, work, "validation"),
      config,
      key=work.key("pretraining", 1),
      on_call=run,
    )


def _pictures(study: Any, work: Experiment, split: str) -> types.Batch:
  """Returns two pictures of every problem of the composite tasks."""
  return simclr.make_dataset(
    [
      study.domain.encode(datasets.load(name, work.data_dir, split))["images"]
      for name in data_sets(study)
    ]
  )
