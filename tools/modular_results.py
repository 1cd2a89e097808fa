"""Writes the results of "Are Neural Nets Modular?" into README and docs.

    python -m tools.modular_results --workdirs=DIR1,DIR2

From finished work directories come

- docs/results/are_nets_modular.md: every number with its origin. The tool
  writes the whole file and keeps the notes between its two comments.
- README.md: a small table between the two comments `modular`.
"""

import pathlib
from collections.abc import Sequence

import pandas as pd

from structcomp_jax.io import files
from structcomp_jax.report import markup
from structcomp_jax.report.text import (
  between_markers,
  markdown_table,
  replace_between_markers,
)
from structcomp_jax.studies.are_nets_modular.findings import (
  accuracies,
  conclude,
  overlaps,
)
from structcomp_jax.studies.are_nets_modular.findings.conclude import Findings
from tools.readme import origin_lines, read, run

PAGE = "docs/results/are_nets_modular.md"
_PAGE = """\
# Results of "Are Neural Nets Modular?"

Written by `python -m tools.modular_results` from the tables of finished runs;
only the notes at the end are written by hand.

Percent, mean ± standard deviation over base networks. A mask named for a
subtask keeps weights for it; "without" is its inverse on every masked matrix,
"io control" and "io free" the inverse with the first and last layer under the
control mask or under none. IoU: weights that both masks keep, of those that
either keeps. IoMin: of the smaller mask. "random": what random masks of the
same sizes share on average.

## Answers

{answers}

## Accuracy

{accuracy}

## Weights that are kept

{kept}

## What masks share

{shared}

## Where the numbers come from

{origin}

## Notes

<!-- notes -->

{notes}

<!-- /notes -->
"""
_MASKS = {
  "none": "{mask}",
  "zero": "without {mask}",
  "zero_io_control": "without {mask}, io control",
  "zero_io_free": "without {mask}, io free",
}


def main() -> None:
  """Writes both files; exit status 1 where that cannot be done."""
  run(update, __doc__.splitlines()[0])


def update(workdirs: Sequence[str | pathlib.Path], root: pathlib.Path) -> None:
  """Writes README and results page of a repository.

  Raises:
    UserError: a work directory cannot be read, or a file has no place for what
      belongs in it.
  """
  found = conclude.load(workdirs)
  readme, page = root / "README.md", root / PAGE
  notes = between_markers(read(page), "notes")
  new_readme = replace_between_markers(
    read(readme), "modular", small_table(found)
  )
  files.write_atomic(page, results_page(found, notes))
  files.write_atomic(readme, new_readme)


def results_page(found: Sequence[Findings], notes: str) -> str:
  """Returns the page of all numbers; `notes` is Markdown."""
  return _PAGE.format(
    answers=answers_table(found),
    accuracy=accuracy_table(found),
    kept=kept_table(found),
    shared=shared_table(found),
    origin=origin_lines([one.evidence.workdir for one in found]),
    notes=notes,
  )


def small_table(found: Sequence[Findings]) -> str:
  """Returns the answers on trained networks, one row for each network."""
  lines = [("experiment", "network", "question", "answer", "effect")]
  for findings in found:
    evidence = findings.evidence
    lines += [
      (
        evidence.experiment,
        evidence.model,
        verdict["question"],
        verdict["label"],
        verdict["effect"] or markup.DASH,
      )
      for verdict in _records(findings)
    ]
  return markdown_table(lines)


def answers_table(found: Sequence[Findings]) -> str:
  """Returns every verdict on networks that are judged."""
  head = ("experiment", "network", "question", "answer", "why", "noise floor")
  lines = [
    (
      findings.evidence.experiment,
      findings.evidence.model,
      verdict["question"],
      verdict["label"],
      verdict["sentence"],
      verdict["noise_floor"] or markup.DASH,
    )
    for findings in found
    for verdict in _records(findings)
  ]
  return markdown_table([head, *lines])


def _records(findings: Findings) -> list[dict[str, str]]:
  """Returns the verdicts on networks in question, not on their controls."""
  return [
    verdict.record()
    for verdict in findings.verdicts
    if verdict.network[2] in findings.evidence.judged
  ]


def accuracy_table(found: Sequence[Findings]) -> str:
  """Returns what networks, masks and inverse masks can do."""
  lines = []
  for findings in found:
    evidence = findings.evidence
    table = accuracies.inverse_table(evidence.results, evidence.subtasks)
    tests = list(dict.fromkeys(table["test_task"]))
    groups = table.groupby(["regime", "subroutine", "ablation"], sort=False)
    for (regime, mask, ablation), rows in groups:
      name = _MASKS[ablation].format(mask=mask) if mask else "whole network"
      by_test = rows.set_index("test_task")
      cells = [
        f"{test} {_percent(by_test.loc[test], 'accuracy')}"
        for test in tests
        if test in by_test.index
      ]
      networks = str(rows["num_networks"].iloc[0])
      lines.append(
        (*_network(findings), regime, name, ", ".join(cells), networks)
      )
  head = ("experiment", "network", "regime", "mask", "accuracy", "networks")
  return markdown_table([head, *lines])


def kept_table(found: Sequence[Findings]) -> str:
  """Returns the share of the maskable weights that masks keep."""
  lines = []
  for findings in found:
    rows = findings.evidence.results
    rows = rows[(rows["ablation"] == "none") & (rows["subroutine"] != "")]
    first = rows.drop_duplicates(
      ["regime", "base_seed", "subroutine", "candidate"]
    )
    table = accuracies.between_networks(
      first, ["regime", "subroutine"], ["density"]
    )
    lines += [
      (
        *_network(findings),
        row["regime"],
        row["subroutine"],
        _percent(row, "density"),
      )
      for _, row in table.iterrows()
    ]
  head = ("experiment", "network", "regime", "mask", "kept")
  return markdown_table([head, *lines])


def shared_table(found: Sequence[Findings]) -> str:
  """Returns the overlap of masks, leaf by leaf and over all leaves."""
  lines = []
  for findings in found:
    evidence = findings.evidence
    pairs = overlaps.of_subtasks(evidence.overlaps, evidence.subtasks)
    if pairs.empty:
      continue
    table = pd.concat(
      [overlaps.per_leaf(pairs), overlaps.pooled(pairs).assign(leaf="all")]
    )
    lines += [
      (
        *_network(findings),
        row["regime"],
        row["kind"],
        row["leaf"].removesuffix("/kernel"),
        *(
          _percent(row, name)
          for name in ("iou", "random_iou", "iomin", "of_first")
        ),
      )
      for _, row in table.iterrows()
    ]
  head = (
    "experiment", "network", "regime", "masks of", "leaf", "IoU",
    "IoU, random", "IoMin", "share of the first mask",
  )  # fmt: skip
  return markdown_table([head, *lines])


def _network(findings: Findings) -> tuple[str, str]:
  return findings.evidence.experiment, findings.evidence.model


def _percent(row: pd.Series, name: str) -> str:
  """Returns mean ± standard deviation in percent."""
  mean, deviation = row[f"{name}_mean"], row[f"{name}_sd"]
  text = markup.number(100 * mean, 1)
  if pd.isna(mean) or pd.isna(deviation):
    return text
  return f"{text} ± {markup.number(100 * deviation, 1)}"


if __name__ == "__main__":
  main()
