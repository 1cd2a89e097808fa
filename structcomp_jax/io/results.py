"""`results.csv`, `controls.csv` and `densities.csv`.

A table is written whole and read whole. The same numbers give the same
bytes, so that two runs can be compared with `diff`.
"""

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from structcomp_jax.io import files
from structcomp_jax.io.values import plain
from structcomp_jax.types import UserError, one_line

# One row per (base seed, subroutine, candidate, ablation, test task).
# margin: mean score margin; density: l0 / l0_max; selected: whether this is
# the candidate to report; base_accuracy: the dense network on task `base`.
COLUMNS = (
  "experiment",
  "model",
  "regime",
  "base_seed",
  "subroutine",
  "mask_seed",
  "learning_rate",
  "mask_init",
  "penalty",
  "masked_from",
  "ablation",
  "test_task",
  "accuracy",
  "loss",
  "num_problems",
  "l0",
  "l0_max",
  "margin",
  "density",
  "selected",
  "base_accuracy",
)
# Random masks with the kept counts of a learned one.
CONTROL_COLUMNS = (*COLUMNS, "control")
# One row per masked leaf: how many of its `size` units are kept.
DENSITY_COLUMNS = (
  "regime",
  "base_seed",
  "subroutine",
  "mask_seed",
  "learning_rate",
  "mask_init",
  "penalty",
  "masked_from",
  "leaf",
  "kept",
  "size",
)

# Columns of text: "none" and the empty text are values, not gaps.
_TEXT = {
  "experiment",
  "model",
  "regime",
  "subroutine",
  "masked_from",
  "ablation",
  "test_task",
  "control",
  "leaf",
}
_BOOLEAN = {"selected"}
_TRUTH = {"True": True, "False": False, "": False}


def write(
  path: str | os.PathLike[str],
  rows: Iterable[Mapping[str, Any]],
  columns: Sequence[str] = COLUMNS,
) -> None:
  """Writes a table, replacing the file at once.

  Args:
    path: the CSV file.
    rows: {column: scalar}; None is an empty cell.
    columns: the columns, in order. Every row has exactly these.

  Raises:
    ValueError: a row lacks a column or has one too many.
    UserError: the file cannot be written.
  """
  buffer = io.StringIO()
  writer = csv.writer(buffer, lineterminator="\n")
  writer.writerow(columns)
  for row in rows:
    if set(row) != set(columns):
      wrong = sorted(set(row) ^ set(columns))
      raise ValueError(f"missing or unknown columns for {path}: {wrong}")
    writer.writerow([_cell(row[column]) for column in columns])
  files.write_atomic(path, buffer.getvalue())


def read(
  path: str | os.PathLike[str], columns: Sequence[str] = COLUMNS
) -> pd.DataFrame:
  """Reads a table that `write` made.

  Args:
    path: the CSV file.
    columns: columns it must have; further ones are kept.

  Returns:
    Text columns as str ("" where empty), `selected` as bool, numbers as
    int64 or float64 (NaN where empty).

  Raises:
    UserError: the file or a column is missing, or a cell is no number.
  """
  path = Path(path)
  table = _read_text(path)
  missing = [column for column in columns if column not in table]
  if missing:
    raise UserError(
      f"{path} has no column {', '.join(missing)}; write it again with this "
      "version (python -m launch.evaluate)"
    )
  for column in table:
    if column not in _TEXT:
      table[column] = _typed(table[column], path)
  return table


def _cell(value: Any) -> str:
  value = plain(value)
  if value is None:
    return ""
  return repr(value) if isinstance(value, float) else str(value)


def _read_text(path: Path) -> pd.DataFrame:
  try:
    return pd.read_csv(path, dtype=str, keep_default_na=False)
  except OSError as error:
    raise UserError(
      f"cannot read {path}: {error.strerror}; write it with "
      "python -m launch.evaluate"
    ) from error
  except (ValueError, UnicodeDecodeError) as error:
    raise UserError(
      f"{path} is not a table ({one_line(error)}); delete it and write it "
      "again with python -m launch.evaluate"
    ) from error


def _typed(cells: pd.Series, path: Path) -> pd.Series:
  try:
    if cells.name in _BOOLEAN:
      return cells.map(lambda cell: _TRUTH[cell]).astype(bool)
    if (cells == "").any():
      return cells.map(lambda cell: float(cell or "nan")).astype("float64")
    return _numbers(cells)
  except (KeyError, ValueError) as error:
    if cells.name not in {*CONTROL_COLUMNS, *DENSITY_COLUMNS}:
      return cells
    raise UserError(
      f"{path} column {cells.name} holds a cell that is no number or truth "
      f"value ({one_line(error)}); write the table again"
    ) from error


def _numbers(cells: pd.Series) -> pd.Series:
  try:
    return cells.map(int).astype("int64")
  except ValueError:
    # Python's float, since the parser of pandas may miss the last bit.
    return cells.map(float).astype("float64")
