"""Writes and reads `metrics.jsonl`: one JSON object per line."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from structcomp_jax.io import files, hosts
from structcomp_jax.io.values import json_value
from structcomp_jax.types import UserError


class MetricsWriter:
  """Appends rows to a metrics file; use it in a `with` statement.

  Opening drops a last line that a killed run left incomplete. Call `rewind`
  before a run is resumed, or rows after the checkpoint appear twice. If there
  are several processes, only the first one writes.
  """

  def __init__(self, path: str | os.PathLike[str]):
    """Opens `path` for appending, with its parent directories.

    Raises:
      UserError: the file cannot be written.
    """
    self._path = Path(path) if hosts.is_first() else Path(os.devnull)
    try:
      self._path.parent.mkdir(parents=True, exist_ok=True)
      _cut_torn_line(self._path)
      self._file = open(self._path, "a", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
      raise files.storage_error(self._path, error) from error

  def write(self, row: Mapping[str, Any]) -> None:
    """Appends one row and flushes it.

    Args:
      row: {name: scalar}, written in this order. JSON has neither NaN nor
        infinities, so they become null.
    """
    line = json.dumps(json_value(row))
    try:
      self._file.write(line + "\n")
      self._file.flush()
    except OSError as error:
      raise files.storage_error(self._path, error) from error

  def close(self) -> None:
    """Closes the file.

    Raises:
      UserError: the end of the file cannot be written.
    """
    try:
      self._file.close()
    except OSError as error:
      raise files.storage_error(self._path, error) from error

  def __enter__(self) -> "MetricsWriter":
    return self

  def __exit__(self, *unused: object) -> None:
    self.close()


@hosts.by_first
def read(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
  """Returns the rows of a metrics file, without a torn last line.

  Raises:
    UserError: the file is missing, or a line before the last is not a row.
  """
  path = Path(path)
  try:
    lines = path.read_bytes().split(b"\n")
  except OSError as error:
    raise UserError(
      f"cannot read {path}: {error.strerror}; run the step that writes it"
    ) from error
  # What follows the last newline is empty, or torn by a kill.
  return [_parse(line, path, i + 1) for i, line in enumerate(lines[:-1])]


@hosts.by_first
def rewind(
  path: str | os.PathLike[str], keep: Callable[[dict[str, Any]], bool]
) -> None:
  """Drops the rows that a resumed run is going to write again.

  Args:
    path: the metrics file; nothing is done if it does not exist.
    keep: called with each row, e.g. `lambda row: row["step"] <= step`.

  Raises:
    UserError: the file cannot be read or written.
  """
  path = Path(path)
  if not path.exists():
    return
  kept = [json.dumps(row) + "\n" for row in read(path) if keep(row)]
  files.write_atomic(path, "".join(kept))


def _parse(line: bytes, path: Path, number: int) -> dict[str, Any]:
  try:
    row = json.loads(line)
  except ValueError:
    row = None
  if not isinstance(row, dict):
    raise UserError(
      f"{path} line {number} is not a JSON object; delete that line"
    )
  return row


def _cut_torn_line(path: Path) -> None:
  """Truncates `path` after its last newline."""
  if not path.is_file():  # it is missing, or /dev/null
    return
  with open(path, "r+b") as file:
    content = file.read()
    file.truncate(content.rfind(b"\n") + 1)
