"""Step 3: masks for both subroutines in every base network."""

import functools
import pathlib

from absl import logging
from ml_collections import ConfigDict

from structcomp_jax import types
from structcomp_jax.io import files
from structcomp_jax.io.layout import MASKS
from structcomp_jax.pipeline import experiment as experiments
from structcomp_jax.pipeline import mask_search, session, train
from structcomp_jax.pipeline import resumable as long_run
from structcomp_jax.pipeline.frozen import FrozenNetwork
from structcomp_jax.pipeline.keys import purpose_key
from structcomp_jax.studies.break_it_down import selection


def run(config: ConfigDict, workdir: str | pathlib.Path) -> None:
  """Searches the masks in the work directory of `config`."""
  with session.open_experiment(config, workdir, "search") as experiment:
    step(experiment)


def step(experiment: experiments.Experiment) -> None:
  """Searches every mask that is not there yet."""
  config = experiment.config
  todo = [
    (regime, base_seed, subroutine)
    for regime in config.regimes
    for base_seed in config.base_seeds
    for subroutine in experiment.subroutines
  ]
  for number, which in enumerate(todo, start=1):
    label = f"mask {number}/{len(todo)}: {which[0]} {which[1]} {which[2]}"
    directory = experiment.paths.masks(*which)
    if files.is_done(directory):
      _check_masks(experiment, directory, *which[:2])
      long_run.forget_checkpoint(directory)
      logging.info("%s: done before", label)
    else:
      _search_subroutine(experiment, *which, label)


def _check_masks(
  experiment: experiments.Experiment,
  directory: pathlib.Path,
  regime: str,
  base_seed: int,
) -> None:
  """Raises UserError unless finished masks belong to the base network."""
  base = files.read_done(experiment.paths.base(regime, base_seed))
  stored = files.read_done(directory).get("fingerprint")
  if stored != base["fingerprint"]:
    raise types.UserError(
      f"{directory} holds masks of another base network; delete it to search "
      "again"
    )
  if not files.exists(directory / MASKS):
    raise types.UserError(
      f"{directory} has lost {MASKS}; delete the directory to search again"
    )


def _search_subroutine(experiment, regime, base_seed, subroutine, label):
  """Selects a setting where there are several, then runs all its seeds."""
  directory = experiment.paths.masks(regime, base_seed, subroutine)
  params, _ = train.load_params(experiment, regime, base_seed)
  frozen = FrozenNetwork(experiment, params)
  search_masks = functools.partial(
    mask_search.search_masks,
    frozen,
    task=subroutine,
    key=purpose_key(
      experiment.config.seed,
      "search",
      base_seed,
      experiment.subroutines.index(subroutine),
    ),
  )
  setting = selection.choose(frozen, directory, subroutine, search_masks, label)
  config = experiment.search_config(
    learning_rates=(setting["learning_rate"],),
    init_logits=(setting["mask_init"],),
    penalties=(setting["penalty"],),
  )
  search_masks(directory, config=config, label=label, **setting)
  frozen.forget_features()
