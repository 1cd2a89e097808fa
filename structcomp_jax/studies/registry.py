"""Which study an experiment belongs to."""

import pathlib
from collections.abc import Callable, Mapping, Sequence

from ml_collections import ConfigDict

from structcomp_jax import types
from structcomp_jax.pipeline.study import Study
from structcomp_jax.studies.break_it_down import study as break_it_down
from structcomp_jax.studies.break_it_down.page import report

# {experiment: makes its study of a config}
STUDIES: Mapping[str, Callable[[ConfigDict], Study]] = {
  name: break_it_down.make
  for domain in break_it_down.DOMAINS
  for name in domain.EXPERIMENTS
}


def make_study(config: ConfigDict) -> Study:
  """Returns the study of a config; reads no data yet.

  Raises:
    UserError: there is no such experiment, or a value names or fits nothing.
  """
  make = STUDIES.get(config.experiment)
  if make is None:
    raise types.UserError(
      f"experiment {config.experiment!r} is unknown; choose from "
      f"{', '.join(STUDIES)}"
    )
  return make(config)


def report_together(
  workdirs: Sequence[str | pathlib.Path], out: str | pathlib.Path
) -> None:
  """Writes one page over finished work directories of one study."""
  report.write(workdirs, out)
