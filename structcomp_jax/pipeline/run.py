"""The whole road: data, base networks, masks, results, report."""

import pathlib

from ml_collections import ConfigDict

from structcomp_jax.pipeline import (
  evaluate,
  prepare_data,
  report,
  search,
  session,
  train,
)

STEPS = {
  "prepare_data": prepare_data.step,
  "train": train.step,
  "search": search.step,
  "evaluate": evaluate.step,
  "report": report.step,
}


def run(config: ConfigDict, workdir: str | pathlib.Path) -> None:
  """Runs every step; what is complete is skipped, the rest goes on."""
  with session.open_experiment(config, workdir, "run") as experiment:
    for name, step in STEPS.items():
      with session.timed(experiment, name):
        step(experiment)
