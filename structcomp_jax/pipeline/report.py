"""Step 5: the verdict, on the terminal and as an HTML page."""

import pathlib
from collections.abc import Sequence

from ml_collections import ConfigDict

from structcomp_jax.io import hosts
from structcomp_jax.pipeline import experiment as experiments
from structcomp_jax.pipeline import session
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  BASE_THRESHOLD,
)
from structcomp_jax.studies.break_it_down.page import report


def run(config: ConfigDict, workdir: str | pathlib.Path) -> None:
  """Writes report/index.html in the work directory of `config`."""
  with session.open_experiment(config, workdir, "report") as experiment:
    step(experiment)


@hosts.by_first
def step(experiment: experiments.Experiment) -> None:
  """Writes the report and prints the verdict table and where it lies."""
  together(
    [experiment.paths.workdir],
    experiment.paths.report,
    failed_below=experiment.config.evaluation.failed_below,
  )


def together(
  workdirs: Sequence[str | pathlib.Path],
  out: str | pathlib.Path,
  *,
  failed_below: float = BASE_THRESHOLD,
) -> None:
  """Writes one report over several finished work directories."""
  out = pathlib.Path(out)
  workdirs = [pathlib.Path(workdir) for workdir in workdirs]
  summary = report.build(workdirs, out, base_threshold=failed_below)
  print(summary["text"])
  print(f"report: {out.resolve()}")
