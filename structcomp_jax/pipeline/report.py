"""Step 5: the verdict, on the terminal and as an HTML page."""

import pathlib
from collections.abc import Sequence

from ml_collections import ConfigDict

from structcomp_jax import types
from structcomp_jax.io import files, hosts
from structcomp_jax.pipeline import experiment as experiments
from structcomp_jax.pipeline import session
from structcomp_jax.studies.break_it_down.page import report

_BEGIN, _END = "<!-- results -->", "<!-- /results -->"


def run(config: ConfigDict, workdir: str | pathlib.Path) -> None:
  """Writes report/index.html in the work directory of `config`."""
  with session.open_experiment(config, workdir, "report") as experiment:
    step(experiment)


@hosts.by_first
def step(experiment: experiments.Experiment) -> None:
  """Writes the report and prints the verdict table and where it lies."""
  workdir = experiment.paths.workdir
  together(
    [workdir],
    experiment.paths.report,
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


def update_readme(
  workdirs: Sequence[str | pathlib.Path], readme: str | pathlib.Path
) -> None:
  """Puts the results table and the figure of a run into a Markdown file.

  What stands between the lines `<!-- results -->` and `<!-- /results -->` is
  replaced; the figure is `docs/overview.svg` beside the file.

  Args:
    workdirs: finished work directories; the figure shows the first.
    readme: the file.

  Raises:
    UserError: the file cannot be read or has no such lines.
  """
  readme = pathlib.Path(readme)
  try:
    text = readme.read_text(encoding="utf-8")
  except OSError as error:
    raise types.UserError(
      f"cannot read {readme}: {error.strerror}; give an existing file"
    ) from error
  before, begin, rest = text.partition(_BEGIN)
  _, end, after = rest.partition(_END)
  if not end:
    raise types.UserError(
      f"{readme} has no lines {_BEGIN} and {_END}; add them where the results "
      "belong"
    )
  table = report.readme_results([pathlib.Path(path) for path in workdirs])
  files.write_atomic(readme, f"{before}{begin}\n\n{table}\n{end}{after}")
  report.write_overview(workdirs[0], readme.parent / "docs" / "overview.svg")
