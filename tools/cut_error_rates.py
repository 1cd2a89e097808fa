"""Measures how often the verdict of cuts is wrong, where the truth is known.

    python -m tools.cut_error_rates --workdir=DIR

The networks are those of `tools.planted_truth` with another seed, on which
nothing was chosen, and only the cut of the verdict is asked. The table of an
architecture is written into docs/results/planted.md between its two comments,
and into structcomp_jax/structure/error_rates.csv, from which reports read it;
both keep what they say of architectures that DIR has not. What is measured of a
class is kept in DIR, and the same command goes on with the next one.
--only=PREFIX measures the classes alone whose names start so.

--steps=N asks what a cut of another length would say: its tables stand between
comments of their own, and reports do not read them.
"""

import argparse
import dataclasses
import pathlib
import sys
from collections.abc import Sequence

import pandas as pd

from structcomp_jax.io import files
from structcomp_jax.report import markup
from structcomp_jax.report.text import markdown_table, replace_between_markers
from structcomp_jax.structure import error_rates
from structcomp_jax.structure.separability import LABELS
from structcomp_jax.studies.planted import analysis
from structcomp_jax.studies.planted.classes.every import OF_KIND
from structcomp_jax.studies.planted.classes.kinds import Kind
from structcomp_jax.studies.planted.classes.planted import Effort
from structcomp_jax.studies.planted.run import Measured, Setup
from structcomp_jax.studies.planted.statistics import JUDGED
from structcomp_jax.types import UserError
from tools import planted_truth
from tools.readme import ROOT, read

RATES = f"structcomp_jax/structure/{error_rates.FILE}"
# Networks that a report judges together, and how many such groups are drawn.
_GROUPS = (3, 4, 6, 8)
_NUM_GROUPS = 200
# Of the cut of the verdict.
_STEPS = JUDGED.search.num_steps


def update(
  root: pathlib.Path,
  workdir: pathlib.Path,
  setup: Setup,
  only: str = "",
  steps: int = _STEPS,
) -> str:
  """Measures what is missing, and writes the page and the file of reports.

  What both say of an architecture that is not in `workdir` stays.

  Args:
    root: the repository.
    workdir: where classes are kept.
    setup: which networks are measured, and against how many controls.
    only: how the names of the classes start that are measured now.
    steps: of the cut; the file of reports has those of the verdict alone.

  Returns:
    The tables of those architectures of which classes with parts and without
    are measured.

  Raises:
    UserError: the page has no place for the tables, or a class cannot be
      measured.
  """
  page, path = root / planted_truth.PAGE, root / RATES
  cut = dataclasses.replace(JUDGED.search, num_steps=steps)
  setup = dataclasses.replace(
    setup,
    statistics=(dataclasses.replace(JUDGED, search=cut),),
    recovers=False,
  )
  for kind in OF_KIND:
    replace_between_markers(read(page), _place(kind, steps), "")
  planted_truth.measure_missing(workdir, setup, only)
  texts: dict[str, str] = {}
  for kind, found in planted_truth.load_all(workdir, setup).items():
    rates = of_kind(kind, found)
    if steps == _STEPS:
      files.write_atomic(path, _merged(path, rates).to_csv(index=False))
    text, place = table(rates), _place(kind, steps)
    text = f"{text}\n\n{_origin(setup, found, steps)}"
    texts[place] = f"{texts[place]}\n\n{text}" if place in texts else text
    files.write_atomic(
      page, replace_between_markers(read(page), place, texts[place])
    )
  return "\n\n".join(texts.values())


def _place(kind: Kind, steps: int) -> str:
  """Returns the comments of the page between which its table stands."""
  if steps != _STEPS:
    return "rates of another length"
  return f"rates {kind.prefix.rstrip('/') or 'mlp'}"


def _merged(path: pathlib.Path, rates: pd.DataFrame) -> pd.DataFrame:
  """Returns the rates with those that a file has of other architectures."""
  if not path.exists():
    return rates
  known = pd.read_csv(path)
  others = ~known["architecture"].isin(rates["architecture"])
  return pd.concat([known[others], rates])


def of_kind(kind: Kind, found: Sequence[Measured]) -> pd.DataFrame:
  """Returns the shares of labels, see `structure.error_rates`."""
  rows = [
    (
      kind.title,
      one.name,
      analysis.truth(one.name),
      one.facts["num_networks"],
      size,
      *analysis.labels(one.scores, group=size, num_groups=_NUM_GROUPS).values(),
    )
    for one in found
    for size in _GROUPS
    if size <= one.facts["num_networks"]
  ]
  return pd.DataFrame(rows, columns=list(error_rates.COLUMNS))


def table(rates: pd.DataFrame) -> str:
  """Returns the percentage of groups that get each label.

  Args:
    rates: columns `error_rates.COLUMNS`.
  """
  lines = [("architecture", "class", *(f"{size} networks" for size in _GROUPS))]
  for (kind, name), rows in rates.groupby(
    ["architecture", "class"], sort=False
  ):
    of_size = rows.set_index("group")[list(LABELS)]
    cells = (
      " / ".join(f"{100 * share:.0f}" for share in of_size.loc[size])
      if size in of_size.index
      else markup.DASH
      for size in _GROUPS
    )
    lines.append((str(kind), str(name), *cells))
  return markdown_table(lines)


def _origin(setup: Setup, found: Sequence[Measured], steps: int) -> str:
  """Returns where the numbers come from."""
  return (
    f"{' / '.join(LABELS)}, in percent of {_NUM_GROUPS} groups of each class"
    " and size. `python -m tools.cut_error_rates"
    f" --networks={setup.effort.num_networks} --nonsense={setup.num_nonsense}"
    f" --seed={setup.seed}{'' if steps == _STEPS else f' --steps={steps}'}`."
    f" Measured by {planted_truth.measured_by(found)}."
  )


def main() -> None:
  """Writes table and file; exit status 1 where that cannot be done."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--workdir", type=pathlib.Path, required=True)
  parser.add_argument("--networks", type=int, default=60)
  parser.add_argument("--nonsense", type=int, default=2)
  parser.add_argument("--seed", type=int, default=3)
  parser.add_argument("--steps", type=int, default=_STEPS)
  parser.add_argument("--only", default="", metavar="PREFIX")
  parser.add_argument("--root", type=pathlib.Path, default=ROOT)
  given = parser.parse_args()
  setup = Setup(Effort(given.networks), given.nonsense, given.seed)
  try:
    print(update(given.root, given.workdir, setup, given.only, given.steps))
  except UserError as error:
    sys.exit(f"error: {error}")


if __name__ == "__main__":
  main()
