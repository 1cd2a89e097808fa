"""Tables of a work directory: CSV files whose columns a schema names.

A table is written whole and read whole. The same numbers give the same
bytes, so that two runs can be compared with `diff`.
"""

import csv
import dataclasses
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from structcomp_jax.io import files
from structcomp_jax.io.values import plain
from structcomp_jax.types import UserError, one_line

# In small letters; spreadsheets write TRUE or 1.
_TRUTH = {"true": True, "1": True, "false": False, "0": False, "": False}


@dataclasses.dataclass(frozen=True)
class Schema:
  """What stands in a table.

  Attributes:
    columns: {name: type of its cells}, in the order of the file. `str` is
      text, in which "none" and the empty text are values, not gaps; `bool` is
      a truth value; `float` is any number, or a gap.
    made_by: the command that writes the table again, for error messages.
    filled: columns without gaps; one in them tells that the file is torn.
    may_be_empty: some experiments have no rows; else no rows tell that the file
      is torn.
  """

  columns: Mapping[str, type]
  made_by: str
  filled: tuple[str, ...] = ()
  may_be_empty: bool = False


def write(
  path: str | os.PathLike[str],
  rows: Iterable[Mapping[str, Any]],
  schema: Schema,
) -> bool:
  """Writes a table, replacing the file at once, unless it is there already.

  Args:
    path: the CSV file.
    rows: {column: scalar}; None is an empty cell. Every row has exactly the
      columns of the schema.
    schema: the columns.

  Returns:
    Whether the file was another one before, or none.

  Raises:
    ValueError: a row lacks a column or has one too many.
    UserError: the file cannot be written.
  """
  buffer = io.StringIO()
  writer = csv.writer(buffer, lineterminator="\n")
  writer.writerow(schema.columns)
  for row in rows:
    if set(row) != set(schema.columns):
      wrong = sorted(set(row) ^ set(schema.columns))
      raise ValueError(f"missing or unknown columns for {path}: {wrong}")
    writer.writerow([_cell(row[column]) for column in schema.columns])
  text = buffer.getvalue()
  if files.exists(path) and files.read_bytes(path) == text.encode():
    return False
  files.write_atomic(path, text)
  return True


def read(path: str | os.PathLike[str], schema: Schema) -> pd.DataFrame:
  """Reads a table that `write` made.

  Args:
    path: the CSV file.
    schema: columns it must have. Further ones are kept: as numbers where all
      of their cells are, as text otherwise.

  Returns:
    Text columns as str ("" where empty), truth values as bool, numbers as
    int64 or float64 (NaN where empty).

  Raises:
    UserError: the file or a column is missing, a cell is no number, or the
      file is torn.
  """
  path = Path(path)
  table = _read_text(path, schema)
  if len(table.columns) == 1 and table.columns[0].count(";"):
    raise _semicolons(path)
  missing = [column for column in schema.columns if column not in table]
  if missing:
    raise UserError(
      f"{path} has no column {', '.join(missing)}; write it again with this "
      f"version ({schema.made_by})"
    )
  if not path.read_bytes().endswith(b"\n"):
    raise torn(path, schema)
  for column in table:
    if schema.columns.get(column) is not str:
      table[column] = _typed(table[column], path, schema)
  if table[list(schema.filled)].isna().any(axis=None):
    raise torn(path, schema)
  return table


def torn(path: str | os.PathLike[str], schema: Schema) -> UserError:
  """Returns the error for a table that breaks off."""
  return UserError(
    f"{os.fspath(path)} is torn or has empty cells; move it away and run "
    f"{schema.made_by} again"
  )


def _semicolons(path: Path) -> UserError:
  return UserError(
    f"{path} separates its columns by semicolons, as some spreadsheets do; "
    "save it with commas, and points in its numbers"
  )


def _cell(value: Any) -> str:
  value = plain(value)
  if value is None:
    return ""
  return repr(value) if isinstance(value, float) else str(value)


def _read_text(path: Path, schema: Schema) -> pd.DataFrame:
  try:
    return pd.read_csv(path, dtype=str, keep_default_na=False)
  except OSError as error:
    raise UserError(
      f"cannot read {path}: {error.strerror}; write it with {schema.made_by}"
    ) from error
  except (ValueError, UnicodeDecodeError) as error:
    header = path.read_bytes().partition(b"\n")[0]
    if b";" in header and b"," not in header:
      raise _semicolons(path) from error
    raise UserError(
      f"{path} is not a table ({one_line(error)}); move it away and write it "
      f"again with {schema.made_by}"
    ) from error


def _typed(cells: pd.Series, path: Path, schema: Schema) -> pd.Series:
  try:
    if schema.columns.get(cells.name) is bool:
      return cells.map(lambda cell: _TRUTH[cell.lower()]).astype(bool)
    if (cells == "").any():
      return cells.map(lambda cell: float(cell or "nan")).astype("float64")
    return _numbers(cells)
  except (KeyError, ValueError) as error:
    if cells.name not in schema.columns:
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
