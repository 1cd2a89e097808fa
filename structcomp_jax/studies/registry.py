"""Which study an experiment belongs to."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from ml_collections import ConfigDict

from structcomp_jax import types
from structcomp_jax.pipeline.study import Study
from structcomp_jax.report import workdir
from structcomp_jax.studies.are_nets_modular import study as are_nets_modular
from structcomp_jax.studies.are_nets_modular import transfer_study
from structcomp_jax.studies.are_nets_modular.page import (
  report as are_nets_modular_report,
)
from structcomp_jax.studies.are_nets_modular.page import transfer_report
from structcomp_jax.studies.break_it_down import study as break_it_down
from structcomp_jax.studies.break_it_down.page import (
  report as break_it_down_report,
)


@dataclasses.dataclass(frozen=True)
class Entry:
  """How a study is made, and how its results are shown.

  Attributes:
    make: config -> the study; raises UserError for values that fit nothing.
    report: (finished work directories, file) -> None; writes one page.
  """

  make: Callable[[ConfigDict], Study]
  report: Callable[[Sequence[str | pathlib.Path], str | pathlib.Path], None]


_BREAK_IT_DOWN = Entry(break_it_down.make, break_it_down_report.write)
_ARE_NETS_MODULAR = Entry(are_nets_modular.make, are_nets_modular_report.write)
_TRANSFER = Entry(transfer_study.make, transfer_report.write)
# {experiment: its study}
STUDIES: Mapping[str, Entry] = {
  **dict.fromkeys(break_it_down.EXPERIMENTS, _BREAK_IT_DOWN),
  **dict.fromkeys(are_nets_modular.EXPERIMENTS, _ARE_NETS_MODULAR),
  **dict.fromkeys(transfer_study.EXPERIMENTS, _TRANSFER),
}


def make_study(config: ConfigDict) -> Study:
  """Returns the study of a config; reads no data yet.

  Raises:
    UserError: there is no such experiment, or a value names or fits nothing.
  """
  return _entry(config.experiment).make(config)


def report_together(
  workdirs: Sequence[str | pathlib.Path], out: str | pathlib.Path
) -> None:
  """Writes one page over finished work directories of one study.

  Raises:
    UserError: they belong to several studies, or one cannot be read.
  """
  experiments = [workdir.read_experiment(path) for path in workdirs]
  entries = {_entry(name) for name in experiments}
  if len(entries) > 1:
    raise types.UserError(
      f"--workdirs hold the experiments {_listed(experiments)}, which belong "
      "to different studies; report each study by itself"
    )
  (entry,) = entries
  entry.report(workdirs, out)


def _entry(experiment: str) -> Entry:
  if experiment not in STUDIES:
    raise types.UserError(
      f"experiment {experiment!r} is unknown; choose from {_listed(STUDIES)}"
    )
  return STUDIES[experiment]


def _listed(names: Iterable[str]) -> str:
  return ", ".join(dict.fromkeys(names))
