"""Step 5: the verdict, on the terminal and as an HTML page."""

import pathlib
from collections.abc import Sequence

from ml_collections import ConfigDict

from structcomp_jax.analysis import report
from structcomp_jax.recipes import experiment as experiments
from structcomp_jax.recipes import session


def run(config: ConfigDict, workdir: str | pathlib.Path) -> None:
  """Writes report/index.html in the work directory of `config`."""
  with session.open_experiment(config, workdir, "report") as experiment:
    step(experiment)


def step(experiment: experiments.Experiment) -> None:
  """Writes the report and prints the verdict table and where it lies."""
  workdir = experiment.paths.workdir
  together(
    [workdir],
    workdir / "report" / "index.html",
    failed_below=experiment.config.evaluation.failed_below,
  )


def together(
  workdirs: Sequence[str | pathlib.Path],
  out: str | pathlib.Path,
  *,
  failed_below: float = report.BASE_THRESHOLD,
) -> None:
  """Writes one report over several finished work directories."""
  out = pathlib.Path(out)
  workdirs = [pathlib.Path(workdir) for workdir in workdirs]
  summary = report.build(workdirs, out, base_threshold=failed_below)
  print(summary["text"])
  print(f"report: {out.resolve()}")
