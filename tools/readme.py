"""Writes the results of the first study into README and docs.

    python -m tools.readme --workdirs=DIR1,DIR2

From finished work directories come

- docs/results/break_it_down.md: every number with its origin. The tool writes
  the whole file and keeps the notes between its two comments.
- README.md: a small table between the two comments `results`.
- docs/overview.svg: the figure of the method, with numbers of the first one.
"""

import argparse
import pathlib
import re
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from structcomp_jax.io import files
from structcomp_jax.pipeline import rounds
from structcomp_jax.pipeline.tables import SETTINGS
from structcomp_jax.report import markup, origin, style
from structcomp_jax.report.estimate import probability_words
from structcomp_jax.report.text import (
  between_markers,
  markdown_table,
  replace_between_markers,
)
from structcomp_jax.report.workdir import Workdir
from structcomp_jax.studies.break_it_down.findings import conclude, published
from structcomp_jax.studies.break_it_down.findings.collect import Evidence
from structcomp_jax.studies.break_it_down.findings.conclude import Findings
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  UNTRAINED_REGIME,
  clamp,
  usable,
)
from structcomp_jax.studies.break_it_down.page import overview, tables
from structcomp_jax.types import UserError

ROOT = pathlib.Path(__file__).parents[1]
PAGE = "docs/results/break_it_down.md"
# Fewer base networks say nothing that a README should repeat.
_FEWEST_BASES = 2
_PAGE = """\
# Results of "Break It Down"

Written by `python -m tools.readme` from the tables of finished runs; only the
notes at the end are written by hand.

Mean ± standard deviation over mask searches; n searches in so many base
networks. D = accuracy on the task that only the mask's own subroutine solves,
minus accuracy on the one that only the other solves, both clamped at chance.
D_sub is measured in the subnetwork, D_abl in the ablated network; modular parts
give D_sub > 0 and D_abl < 0. `random_init` networks were never trained. The
published columns are the release of Lepori et al. 2023 with BERT-small and
ResNet50; ours are far smaller networks. `make small` makes the language rows.

{results}

## Cut in two

The [answer of cuts](../design/cuts.md) beside that of the published, one-sided
masks, over the same base networks. S says how soon a network is cut between its
subroutines (0: never, 1: at once), beside it how soon the controls are; the
excess is over the higher one, with its 95 % interval.

{cuts}

## At equal settings

The selection may give a trained network another setting than an untrained one.
Here is D_abl of every setting that was tried, on validation problems, one mask
a network:

{grid}

## Where the numbers come from

{origin}

## Notes

<!-- notes -->

{notes}

<!-- /notes -->
"""


def main() -> None:
  """Writes the three files; exit status 1 where that cannot be done."""
  run(update, __doc__.splitlines()[0])


def run(
  write: Callable[[Sequence[str | pathlib.Path], pathlib.Path], None],
  description: str,
) -> None:
  """Writes what the command line asks for; exit status 1 on a UserError.

  Args:
    write: (work directories, root of the repository) -> None.
    description: of the tool.
  """
  parser = argparse.ArgumentParser(description=description)
  parser.add_argument("--workdirs", required=True, help="DIR1,DIR2,...")
  parser.add_argument("--root", type=pathlib.Path, default=ROOT)
  arguments = parser.parse_args()
  try:
    write(arguments.workdirs.split(","), arguments.root)
  except UserError as error:
    sys.exit(f"error: {error}")


def update(workdirs: Sequence[str | pathlib.Path], root: pathlib.Path) -> None:
  """Writes README, results page and figure of a repository.

  Args:
    workdirs: finished work directories; the figure shows the first.
    root: the repository.

  Raises:
    UserError: a work directory cannot be read, or a file has no place for what
      belongs in it.
  """
  found = conclude.load(workdirs)
  readme, page = root / "README.md", root / PAGE
  texts = {path: read(path) for path in (readme, page)}
  try:
    notes = between_markers(texts[page], "notes")
    new_readme = replace_between_markers(
      texts[readme], "results", small_table(found)
    )
  except UserError as error:
    raise UserError(f"{readme} or {page}: {error}") from error
  files.write_atomic(page, results_page(found, notes))
  files.write_atomic(readme, new_readme)
  write_overview(found[0].evidence, root / "docs" / "overview.svg")


def read(path: pathlib.Path) -> str:
  """Returns a text file of the repository.

  Raises:
    UserError: there is none.
  """
  try:
    return path.read_text(encoding="utf-8")
  except OSError as error:
    raise UserError(
      f"cannot read {path}: {error.strerror}; give --root an existing file"
    ) from error


def results_page(found: Sequence[Findings], notes: str) -> str:
  """Returns the page of all numbers; `notes` is Markdown."""
  workdirs = [one for findings in found for one in findings.evidence.workdirs]
  return _PAGE.format(
    results=results_table(found),
    cuts=cut_table(found),
    grid=grid_table(workdirs) or "No run had more than one setting.",
    origin=origin_lines(workdirs),
    notes=notes,
  )


def small_table(found: Sequence[Findings]) -> str:
  """Returns trained against never trained networks, two rows an experiment.

  Of every architecture the first trained regime is shown, where there are at
  least two base networks that work.
  """
  lines = [
    (
      "experiment",
      "mask for",
      "D_sub: trained / never trained",
      "D_abl: trained / never trained",
      "published D_sub",
      "published D_abl",
    )
  ]
  for findings in found:
    summary = findings.summary
    for regime in findings.evidence.trained_regimes()[:1]:
      trained = summary[summary["regime"] == regime]
      if trained["num_bases"].min() >= _FEWEST_BASES:
        lines += [_small_line(summary, row) for _, row in trained.iterrows()]
  return markdown_table(lines)


def _small_line(summary: pd.DataFrame, row: pd.Series) -> tuple[str, ...]:
  untrained = summary[
    (summary["regime"] == UNTRAINED_REGIME)
    & (summary["subroutine"] == row["subroutine"])
  ]
  ours = [row, untrained.iloc[0] if len(untrained) else None]
  theirs = [
    published.lookup(row["experiment"], regime, row["subroutine"], row["model"])
    for regime in (row["regime"], UNTRAINED_REGIME)
  ]
  cells = [
    " / ".join(_mean(one, measure) for one in pair)
    for pair in (ours, theirs)
    for measure in ("d_sub", "d_abl")
  ]
  return (row["experiment"], row["subroutine"], *cells)


def _mean(row: pd.Series | None, measure: str) -> str:
  mean = None if row is None else row[f"{measure}_mean"]
  return markup.number(mean, sign=True)


def results_table(found: Sequence[Findings]) -> str:
  """Returns a Markdown table: ours beside the published numbers."""
  lines = [
    (
      "experiment",
      "network",
      "regime",
      "subroutine",
      "own task",
      "D_sub",
      "D_abl",
      "kept",
      "n (bases)",
      "published D_sub",
      "published D_abl",
      "n (bases)",
    )
  ]
  for findings in found:
    for _, row in findings.summary.iterrows():
      lines.append(
        (
          row["experiment"],
          row["model"],
          row["regime"],
          row["subroutine"],
          markup.spread(row["own_accuracy_mean"], row["own_accuracy_sd"]),
          *tables.differences(row),
          markup.percent(row["density_mean"]),
          f"{row['n']} ({row['num_bases']})",
          *tables.published_differences(row),
        )
      )
  return markdown_table(lines).replace("\u00a0", " ")


def cut_table(found: Sequence[Findings]) -> str:
  """Returns a Markdown table: what cuts say, and what one-sided masks say."""
  records = [one for one in conclude.as_records(found) if "cuts" in one]
  lines = [
    (
      *(one[name] for name in ("experiment", "model", "regime")),
      f"{len(one['cuts']['networks'])}",
      *cut_cells(one["cuts"]),
      _answer(one),
    )
    for one in records
  ]
  if not lines:
    return "No run has cuts."
  return markdown_table(
    [
      (
        "experiment",
        "network",
        "regime",
        "networks",
        *CUT_HEAD,
        "answer of one-sided masks",
      ),
      *lines,
    ]
  )


# Names of `cut_cells`.
CUT_HEAD = (
  "S of the cut",
  "nonsense",
  "untrained",
  "excess (95 %)",
  "answer of the cut",
)


def cut_cells(cut: Mapping[str, Any]) -> tuple[str, ...]:
  """Returns what a cut says, from `separability.record`, as cells of a table.

  Examples:
    >>> networks = [{"separability": 0.75, "nonsense": 0.25, "untrained": 0.0}]
    >>> cut_cells({"networks": networks, "excess": None, "label": "undecided"})
    ('0.75', '0.25', '0.00', '–', 'undecided')
  """
  excess = markup.number(None)
  if cut["excess"]:
    excess = " to ".join(
      markup.number(limit, sign=True) for limit in cut["excess"]["interval"]
    )
  return (
    *(
      markup.number(statistics.mean(one[name] for one in cut["networks"]))
      for name in ("separability", "nonsense", "untrained")
    ),
    excess,
    cut["label"],
  )


def _answer(verdict: Mapping[str, Any]) -> str:
  """Returns the label of one-sided masks, with its probability."""
  if verdict["probability"] is None:
    return verdict["label"]
  words = probability_words(verdict["probability"])
  return f"{verdict['label']} (all effects there: {words})"


def grid_table(workdirs: Sequence[Workdir]) -> str:
  """Returns a Markdown table: D_abl of every setting that was tried.

  On validation problems, mean over base networks. It sets networks beside
  each other at equal settings, which the selected masks may not have. Empty
  where no run had more than one setting.
  """
  rows = pd.DataFrame(
    [row for one in workdirs for row in _grid_rows(one)],
    columns=["experiment", "subroutine", "setting", "regime", "d_abl"],
  )
  if rows.empty:
    return ""
  table = rows.pivot_table(
    index=["experiment", "subroutine", "setting"],
    columns="regime",
    values="d_abl",
    sort=False,
  )
  lines = [
    (*names, *(markup.number(value, sign=True) for value in values))
    for names, values in table.iterrows()
  ]
  return markdown_table([(*table.index.names, *table.columns), *lines])


def _grid_rows(one: Workdir) -> list[tuple[Any, ...]]:
  """Returns (experiment, subroutine, setting, regime, D_abl) of a grid."""
  rows = []
  for (regime, _, subroutine), content in one.selections.items():
    for setting in content["settings"]:
      d_abl = clamp(setting["ablated_target"]) - clamp(setting["ablated_other"])
      # The first masked layer of a BERT is a number, of a ResNet a name.
      label = ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in ((name, setting[name]) for name in SETTINGS)
      )
      rows.append((one.config["experiment"], subroutine, label, regime, d_abl))
  return rows


def origin_lines(workdirs: Sequence[Workdir]) -> str:
  """Returns a Markdown list: which run made the numbers."""
  lines = []
  for one in workdirs:
    made = one.versions
    seeds = [
      f"{name} seeds {', '.join(map(str, values))}"
      for name, values in (
        ("base", rounds.reached(one.config, one.path)),
        ("mask", one.config.get("search", {}).get("seeds", ())),
      )
    ]
    command = made.get("command", "command unknown")
    # Where somebody keeps their runs is nobody's business.
    command = re.sub(r"--workdir[= ]\S+", "--workdir=DIR", command)
    _, seconds = origin.times(one)[-1]
    took = f"{seconds / 60:.0f} minutes" if seconds else "time not recorded"
    lines.append(
      f"- {one.config.get('experiment', one.path.name)}: "
      f"`{command}`; {'; '.join(seeds)}; "
      f"{made.get('machine', 'machine unknown')}; commit "
      f"{made.get('commit', 'unknown')}; {took}"
    )
  return "\n".join(lines)


def write_overview(
  evidence: Evidence, out: pathlib.Path, *, subroutine: str = ""
) -> None:
  """Writes the figure that explains the method with a run's numbers.

  Args:
    evidence: of one network; its first trained regime is shown.
    out: `.svg` or `.png` file.
    subroutine: whose masks to show; the first by default.

  Raises:
    UserError: no base network of a trained regime works, there is no such
      subroutine, or the file cannot be written.
  """
  rows = usable(evidence.differences)
  rows = rows[rows["regime"].isin(evidence.trained_regimes()[:1])]
  names = sorted(rows["subroutine"].unique())
  if not names or (subroutine and subroutine not in names):
    raise UserError(
      f"{evidence.title} has no usable masks for"
      f" {subroutine or 'any subroutine'}; choose one of:"
      f" {', '.join(names) or 'none, train longer'}"
    )
  drawing = overview.overview_figure(rows, subroutine or names[0])
  content = style.svg(drawing) if out.suffix == ".svg" else style.png(drawing)
  files.write_atomic(out, content)


if __name__ == "__main__":
  main()
