"""Writes how the answers of an experiment differ between global seeds.

    python -m tools.verdicts_by_seed --workdirs=DIR1,DIR2

The work directories are finished ones of one config with different
`--config.seed`. The table is written into docs/quickstart.md between its two
comments.
"""

import argparse
import collections
import json
import pathlib
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from structcomp_jax.io import files
from structcomp_jax.report import markup
from structcomp_jax.report.text import markdown_table, replace_between_markers
from structcomp_jax.structure import separability
from structcomp_jax.types import UserError
from tools.readme import CUT_HEAD, ROOT, cut_cells, read

PAGE = "docs/quickstart.md"
_HEAD = ("seed", *CUT_HEAD, "D_abl", "answer of one-sided masks")
# Networks of all seeds that are judged together, and how many such groups.
_GROUPS = (4, 6, 8, 10)
_NUM_GROUPS = 500
# Two runs that differ in one of these differ in more than their seed.
_SAME = ("commit", "jax", "python", "machine")


def update(root: pathlib.Path, workdirs: Sequence[pathlib.Path]) -> str:
  """Writes the table, and returns it.

  Args:
    root: the repository.
    workdirs: finished work directories.

  Raises:
    UserError: one has no report yet, or was made otherwise than the others.
  """
  runs = sorted(map(load, workdirs), key=lambda run: run["seed"])
  check_alike(runs)
  text = table(runs)
  page = root / PAGE
  files.write_atomic(page, replace_between_markers(read(page), "seeds", text))
  return text


def load(workdir: pathlib.Path) -> dict[str, Any]:
  """Returns what the first verdict of a work directory says.

  Raises:
    UserError: there is none.
  """
  path = workdir / "report/verdicts.json"
  if not path.exists():
    raise UserError(f"{workdir} has no report; finish it with launch.run")
  verdict = json.loads(path.read_text())[0]
  config = json.loads((workdir / "config.json").read_text())
  versions = json.loads((workdir / "versions.json").read_text())
  return {
    "seed": config.pop("seed"),
    "config": config,
    "verdict": verdict,
    **{name: versions[name] for name in _SAME},
  }


def check_alike(runs: Sequence[dict[str, Any]]) -> None:
  """Raises UserError unless runs differ in their seeds and in nothing else."""
  for name in ("config", *_SAME):
    if any(run[name] != runs[0][name] for run in runs):
      raise UserError(f"the runs differ in their {name}; make them alike")
  if len({run["seed"] for run in runs}) < len(runs):
    raise UserError("two runs have the same seed; name each of them once")


def table(runs: Sequence[dict[str, Any]]) -> str:
  """Returns a line for every run, and how often each answer was given."""
  lines = [_HEAD, *map(_line, runs)]
  cut = _counts(run["verdict"]["cuts"]["label"] for run in runs)
  one_sided = _counts(run["verdict"]["label"] for run in runs)
  first = runs[0]
  return (
    f"{markdown_table(lines)}\n\nOf {len(runs)} seeds: by the cut {cut}; by"
    f" one-sided masks {one_sided}. {regrouped(runs)} Commit"
    f" {first['commit']}, {first['machine']}, Python {first['python']}, JAX"
    f" {first['jax']}."
  )


def regrouped(runs: Sequence[dict[str, Any]]) -> str:
  """Returns what groups of networks of all seeds would be called."""
  networks = pd.concat(
    [pd.DataFrame(run["verdict"]["cuts"]["networks"]) for run in runs],
    ignore_index=True,
  )
  random, parts = np.random.default_rng(0), []
  for size in _GROUPS:
    labels = [
      separability.judge(
        networks.loc[random.choice(len(networks), size, replace=False)]
      ).label
      for _ in range(_NUM_GROUPS)
      if size <= len(networks)
    ]
    shares = ", ".join(
      f"{markup.percent(labels.count(label) / _NUM_GROUPS)} {label}"
      for label in separability.LABELS
    )
    parts += [f"{size} networks {shares}"] if labels else []
  return (
    f"Of {_NUM_GROUPS} groups drawn among all {len(networks)} networks:"
    f" {'; '.join(parts)}."
  )


def _line(run: dict[str, Any]) -> tuple[str, ...]:
  verdict = run["verdict"]
  ablated = [
    f"{one['subroutine']} {markup.number(one['mean'], sign=True)}"
    for one in verdict["statistics"]
    if one["difference"] == "D_abl"
  ]
  return (
    f"{run['seed']}",
    *cut_cells(verdict["cuts"]),
    ", ".join(ablated),
    verdict["label"],
  )


def _counts(labels: Iterable[str]) -> str:
  """Returns "3 separable, 1 undecided", the most frequent one first."""
  counted = collections.Counter(labels).most_common()
  return ", ".join(f"{number} {label}" for label, number in counted)


def main() -> None:
  """Writes the table; exit status 1 where that cannot be done."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--workdirs", required=True)
  parser.add_argument("--root", type=pathlib.Path, default=ROOT)
  given = parser.parse_args()
  try:
    print(
      update(given.root, list(map(pathlib.Path, given.workdirs.split(","))))
    )
  except UserError as error:
    sys.exit(f"error: {error}")


if __name__ == "__main__":
  main()
