"""Step 4: every network on every test task, into results.csv."""

import pathlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from absl import logging
from ml_collections import ConfigDict

from structcomp_jax import evaluation, masks, trees, types
from structcomp_jax.io import files, results
from structcomp_jax.io.progress import Progress
from structcomp_jax.recipes import experiment as experiments
from structcomp_jax.recipes import session, train
from structcomp_jax.recipes.paths import purpose_key
from structcomp_jax.recipes.search import MASKS

_RESULTS, _CONTROLS, _DENSITIES = (
  "results.csv",
  "controls.csv",
  "densities.csv",
)


def run(config: ConfigDict, workdir: str | pathlib.Path) -> None:
  """Writes results.csv in the work directory of `config`."""
  with session.open_experiment(config, workdir, "evaluate") as experiment:
    step(experiment)


def step(experiment: experiments.Experiment) -> None:
  """Writes results.csv, controls.csv and densities.csv unless all exist."""
  workdir = experiment.paths.workdir
  names = (_RESULTS, _CONTROLS, _DENSITIES)
  if all((workdir / name).is_file() for name in names):
    logging.info("results.csv: done before")
    return
  config = experiment.config
  tests = {
    task: experiment.load(task, "test") for task in experiment.test_tasks
  }
  rows, controls, densities = [], [], []
  total = len(config.regimes) * len(config.base_seeds)
  with Progress(total, "evaluating base networks") as progress:
    for regime in config.regimes:
      for base_seed in config.base_seeds:
        network = _EvaluatedNetwork(experiment, regime, base_seed, tests)
        rows += network.dense_rows()
        for subroutine in experiment.subroutines:
          found = _load_masks(network, subroutine)
          rows += network.mask_rows(subroutine, *found)
          controls += network.control_rows(subroutine, *found)
          densities += network.density_rows(subroutine, *found)
        progress.update(regime=regime, base_seed=base_seed)
  results.write(workdir / _DENSITIES, densities, results.DENSITY_COLUMNS)
  results.write(workdir / _CONTROLS, controls, results.CONTROL_COLUMNS)
  results.write(workdir / _RESULTS, rows)


def _load_masks(network: "_EvaluatedNetwork", subroutine: str):
  """Returns the finite masks {path: bool[K, ...]} and their settings."""
  directory = network.experiment.paths.masks(
    network.regime, network.base_seed, subroutine
  )
  if not files.is_done(directory):
    raise types.UserError(
      f"{directory} holds no finished masks; run python -m launch.search "
      "with the same config and work directory"
    )
  stacked, settings = masks.load(directory / MASKS, network.fingerprint)
  rows = np.flatnonzero(settings.pop("finite"))
  settings = [
    {name: values[index] for name, values in settings.items()} for index in rows
  ]
  return trees.row(stacked, rows), settings


class _EvaluatedNetwork:
  """One base network, and the rows it adds to the tables."""

  def __init__(
    self,
    experiment: experiments.Experiment,
    regime: str,
    base_seed: int,
    tests: dict[str, types.Batch],
  ):
    self.experiment, self.regime, self.base_seed = experiment, regime, base_seed
    self.params, self.fingerprint = train.load_params(
      experiment, regime, base_seed
    )
    self._tests = tests
    self._dense = evaluation.evaluate_dense(
      experiment.network.metrics_fn,
      self.params,
      tests,
      batch_size=experiment.config.evaluation.batch_size,
    )

  def dense_rows(self) -> list[dict[str, Any]]:
    """Rows of the network without a mask: `subroutine` is empty."""
    empty = dict.fromkeys(
      ("mask_seed", "learning_rate", "mask_init", "penalty", "masked_from",
       "l0", "l0_max", "density", "selected")
    )  # fmt: skip
    return [
      {
        **self._common(task, found),
        **empty,
        "subroutine": "",
        "ablation": "none",
      }
      for task, found in self._dense.items()
    ]

  def mask_rows(self, subroutine, stacked, settings) -> list[dict[str, Any]]:
    """Rows of every mask, ablation and test task."""
    return list(self._rows(subroutine, stacked, settings))

  def control_rows(self, subroutine, stacked, settings):
    """The same for random masks that keep as many weights in every leaf."""
    key = purpose_key(
      self.experiment.config.seed,
      "control",
      self.base_seed,
      self.experiment.subroutines.index(subroutine),
    )
    keys = jax.vmap(lambda seed: jax.random.fold_in(key, seed))(
      np.array([setting["mask_seed"] for setting in settings])
    )
    matched = jax.jit(jax.vmap(masks.random_like))(stacked, keys)
    return [
      {**row, "control": "random_matched"}
      for row in self._rows(
        subroutine, matched, settings, ablations=("none", "zero")
      )
    ]

  def density_rows(self, subroutine, stacked, settings):
    """Kept units of every leaf of every mask."""
    spec = self._spec(subroutine)
    counts = jax.device_get(jax.vmap(masks.kept)(stacked))
    return [
      {
        "regime": self.regime,
        "base_seed": self.base_seed,
        "subroutine": subroutine,
        **setting,
        "masked_from": self._masked_from(subroutine),
        "leaf": leaf.path,
        "kept": int(counts[leaf.path][index]),
        "size": leaf.num_units,
      }
      for index, setting in enumerate(settings)
      for leaf in spec.leaves
    ]

  def _rows(
    self, subroutine, stacked, settings, ablations=evaluation.ABLATIONS
  ) -> Iterator[dict[str, Any]]:
    config = self.experiment.config
    spec = self._spec(subroutine)
    found = evaluation.evaluate_masks(
      self.experiment.network.metrics_fn,
      self.params,
      stacked,
      spec,
      self._tests,
      seeds=[setting["mask_seed"] for setting in settings],
      key=purpose_key(config.seed, "ablation"),
      ablations=ablations,
      batch_size=config.evaluation.batch_size,
      width=config.runtime.vmap_width,
    )
    kept = evaluation.kept_weights(stacked, spec)
    for index, setting in enumerate(settings):
      for ablation, tasks in found.items():
        l0 = int(kept[ablation][index])
        for task, metrics in tasks.items():
          values = {name: value[index] for name, value in metrics.items()}
          yield {
            **self._common(task, values),
            "subroutine": subroutine,
            **setting,
            "masked_from": self._masked_from(subroutine),
            "ablation": ablation,
            "l0": l0,
            "l0_max": spec.num_weights,
            "density": l0 / spec.num_weights,
            "selected": True,
          }

  def _common(self, task: str, found: dict[str, Any]) -> dict[str, Any]:
    return {
      "experiment": self.experiment.config.experiment,
      "model": self.experiment.config.model.name,
      "regime": self.regime,
      "base_seed": self.base_seed,
      "test_task": task,
      "accuracy": found["accuracy"],
      "loss": found["loss"],
      "margin": found["margin"],
      "num_problems": trees.num_rows(self._tests[task]),
      "base_accuracy": self._dense["base"]["accuracy"],
    }

  def _masked_from(self, subroutine: str) -> int:
    directory = self.experiment.paths.masks(
      self.regime, self.base_seed, subroutine
    )
    return files.read_done(directory)["masked_from"]

  def _spec(self, subroutine: str) -> masks.MaskSpec:
    return self.experiment.mask_spec(self.params, self._masked_from(subroutine))
