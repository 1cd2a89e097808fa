"""Step 3: masks for both subroutines in every base network."""

import functools
import pathlib
from typing import Any

import jax
import numpy as np
from absl import logging
from ml_collections import ConfigDict

from structcomp_jax import batching, masks, search, trees, types
from structcomp_jax.io import files
from structcomp_jax.io.values import plain
from structcomp_jax.recipes import experiment as experiments
from structcomp_jax.recipes import long_run, selection, session, train
from structcomp_jax.recipes.paths import MASKS, purpose_key


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
  if not (directory / MASKS).is_file():
    raise types.UserError(
      f"{directory} has lost {MASKS}; delete the directory to search again"
    )


def _search_subroutine(experiment, regime, base_seed, subroutine, label):
  """Selects a setting where there are several, then runs all its seeds."""
  directory = experiment.paths.masks(regime, base_seed, subroutine)
  params, fingerprint = train.load_params(experiment, regime, base_seed)
  key = purpose_key(
    experiment.config.seed,
    "search",
    base_seed,
    experiment.subroutines.index(subroutine),
  )

  def search_in(directory, masked_from, config, label, **setting):
    if not files.is_done(directory):
      finite = _search(
        experiment,
        directory,
        params,
        fingerprint,
        subroutine,
        experiment.mask_spec(params, masked_from),
        config,
        key,
        label,
      )
      files.mark_done(
        directory,
        {
          **setting,
          "masked_from": masked_from,
          "fingerprint": fingerprint,
          "finite": finite,
        },
      )
    long_run.forget_checkpoint(directory)

  setting = selection.choose(
    experiment, directory, params, subroutine, search_in, label
  )
  config = experiment.search_config(
    learning_rates=(setting["learning_rate"],),
    init_logits=(setting["mask_init"],),
    penalties=(setting["penalty"],),
  )
  search_in(directory, config=config, label=label, **setting)


def _search(
  experiment: experiments.Experiment,
  directory: pathlib.Path,
  params: types.Params,
  fingerprint: str,
  subroutine: str,
  spec: masks.MaskSpec,
  config: search.SearchConfig,
  key: jax.Array,
  label: str,
) -> list[bool]:
  """Runs one search, going on where it was, and stores its masks.

  Returns:
    Which candidates are finite.
  """
  candidates = config.candidates()
  directory.mkdir(parents=True, exist_ok=True)
  _say_what_is_masked(spec)
  dataset = experiment.load(subroutine, "train")
  steps_per_epoch = batching.steps_per_epoch(dataset, config.batch_size)
  say_stopped = _SayStopped(directory, candidates)
  with long_run.LongRun(
    directory,
    search.initial_state(candidates, spec),
    total_steps=steps_per_epoch * config.num_epochs,
    label=label,
    checkpoint_seconds=experiment.config.runtime.checkpoint_seconds,
    accuracy="validation/hard/accuracy",
    fingerprint=fingerprint,
  ) as keep:

    def on_call(state, rows):
      say_stopped(state)
      keep(state, rows)

    result = search.run(
      experiment.network.loss_fn,
      params,
      spec,
      dataset,
      config,
      key=key,
      validation=experiment.load(subroutine, "validation"),
      metrics_fn=experiment.network.metrics_fn,
      state=keep.state,
      on_call=on_call,
    )
  if trees.fingerprint(params) != fingerprint:
    raise RuntimeError(f"the search in {directory} changed frozen weights")
  masks.save(
    directory / MASKS,
    result.masks,
    fingerprint=fingerprint,
    stacked=True,
    metadata=describe_candidates(result),
  )
  return result.finite.tolist()


def describe_candidates(result: search.SearchResult) -> dict[str, Any]:
  """Returns the columns of all candidates as JSON lists."""
  rows = jax.device_get(result.candidates)
  columns = {
    "mask_seed": rows.seed,
    "learning_rate": rows.learning_rate,
    "mask_init": rows.init_logit,
    "penalty": rows.penalty,
    "finite": result.finite,
  }
  return {
    name: [plain(value) for value in values] for name, values in columns.items()
  }


@functools.cache
def _say_what_is_masked(spec: masks.MaskSpec) -> None:
  """Logs the table of masked leaves, once for each selection."""
  logging.info("masked leaves:\n%s", spec.describe())


class _SayStopped:
  """Names every candidate that stops, once."""

  def __init__(
    self, directory: pathlib.Path, candidates: search.Candidate
  ) -> None:
    self._directory, self._candidates = directory, candidates
    self._said = set()

  def __call__(self, state: search.SearchState) -> None:
    stopped = set(np.flatnonzero(~np.asarray(state.finite)))
    for index in sorted(stopped - self._said):
      logging.warning(
        "%s: candidate %d (%s) stopped by step %d: its loss is not a finite "
        "number; the others go on",
        self._directory,
        index,
        trees.row(self._candidates, index).describe(),
        int(state.step[0]),
      )
    self._said |= stopped
