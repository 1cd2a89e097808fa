"""What probes found: accuracies beside control tasks, seed by seed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from structcomp_jax.probing.controls import TASKS

_MEASURES = (
  "accuracy",
  "control",
  "selectivity",
  "kept",
  "control_kept",
  "density",
)


def summarise(
  rows: Sequence[Mapping[str, Any]], by: Sequence[str]
) -> list[dict[str, Any]]:
  """Returns a line for each kind of probe: means and spreads over seeds.

  >>> rows = [
  ...   {"site": "a", "task": "labels", "seed": 0, "accuracy": 1.0},
  ...   {"site": "a", "task": "labels", "seed": 1, "accuracy": 0.5},
  ...   {"site": "a", "task": "control", "seed": 0, "accuracy": 0.5},
  ...   {"site": "a", "task": "control", "seed": 1, "accuracy": 0.5},
  ... ]
  >>> (line,) = summarise(rows, ["site"])
  >>> line["accuracy"], line["control"], line["selectivity"]
  (0.75, 0.5, 0.25)
  >>> round(line["selectivity_spread"], 3)
  0.354

  Args:
    rows: of a result: {"task": one of `controls.TASKS`, "seed", "accuracy",
      ...}.
    by: the fields that tell kinds of probes apart.

  Returns:
    For each kind, in the order of its first row: its fields, "seeds" (how
    many), "accuracy" and, if there is a control task, "control" and
    "selectivity" (accuracy minus control of the same seed), means over seeds;
    where rows have them "kept" and "density" of the task's masks, and
    "control_kept" of the control's. Each has its standard deviation over seeds
    beside it, "<name>_spread", NaN for one seed. Probes that are not "finite"
    are left out.
  """
  kinds: dict[tuple[Any, ...], dict[str, dict[int, Any]]] = {}
  for row in rows:
    found = kinds.setdefault(tuple(row[name] for name in by), {})
    if row.get("finite", True):
      found.setdefault(row["task"], {})[row["seed"]] = row
  return [
    {**dict(zip(by, kind, strict=True)), **_line(found)}
    for kind, found in kinds.items()
  ]


def _line(found: Mapping[str, Mapping[int, Any]]) -> dict[str, Any]:
  """Returns means and spreads of one kind of probe."""
  task, control = (found.get(name, {}) for name in TASKS)
  values: dict[str, list[float]] = {
    "accuracy": [row["accuracy"] for row in task.values()],
    "control": [row["accuracy"] for row in control.values()],
    "selectivity": [
      task[seed]["accuracy"] - control[seed]["accuracy"]
      for seed in task
      if seed in control
    ],
  }
  for name, group in (
    ("kept", task),
    ("density", task),
    ("control_kept", control),
  ):
    field = name.removeprefix("control_")
    values[name] = [row[field] for row in group.values() if field in row]
  line: dict[str, Any] = {"seeds": len(task)}
  for name in _MEASURES:
    if values[name] or name == "accuracy":
      line[name] = float(np.mean(values[name])) if values[name] else math.nan
      line[f"{name}_spread"] = spread(values[name])
  return line


def spread(values: Sequence[float]) -> float:
  """Returns the standard deviation of a sample, NaN of less than two values.

  >>> spread([1.0, 3.0]), spread([1.0])
  (1.4142135623730951, nan)
  """
  return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def describe(lines: Sequence[Mapping[str, Any]], by: Sequence[str]) -> str:
  """Returns lines of `summarise` as a table of text.

  >>> lines = [{"site": "a", "seeds": 2, "accuracy": 0.75,
  ...           "accuracy_spread": 0.25}]
  >>> print(describe(lines, ["site"]))
  site  accuracy
  a     0.75 ± 0.25

  Args:
    lines: of `summarise`.
    by: the fields that tell kinds of probes apart.
  """
  names = [name for name in _MEASURES if any(name in line for line in lines)]
  table = [[*by, *names]]
  for line in lines:
    kind = ["-" if line[name] is None else str(line[name]) for name in by]
    table.append(kind + [_cell(line, name) for name in names])
  widths = [max(map(len, column)) for column in zip(*table, strict=True)]
  return "\n".join(
    "  ".join(
      cell.ljust(width) for cell, width in zip(row, widths, strict=True)
    ).rstrip()
    for row in table
  )


def _cell(line: Mapping[str, Any], name: str) -> str:
  """Returns mean and spread of a measure, as text."""
  if name not in line:
    return "-"
  digits = 0 if name.endswith("kept") else 2
  text = f"{line[name]:.{digits}f}"
  beside = line[f"{name}_spread"]
  return text if math.isnan(beside) else f"{text} ± {beside:.{digits}f}"
