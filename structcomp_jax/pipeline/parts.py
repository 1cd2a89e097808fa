"""What every mask adds to the tables, kept so that it is computed once.

A part is the dense network, or one mask. Parts are known by a digest of all
that they depend on: masks that are added later leave the others as they are,
and a mask that is another by now is tested again.
"""

import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from absl import logging

from structcomp_jax.io import files
from structcomp_jax.io.tables import Schema
from structcomp_jax.io.values import plain

# {table: rows}
Part = dict[str, list[dict[str, Any]]]


def recall(
  path: pathlib.Path,
  digests: Sequence[str],
  tables: Mapping[str, Schema],
  make: Callable[[list[str]], Mapping[str, Part]],
) -> tuple[list[Part], bool]:
  """Returns the parts of one base network, making those that are not stored.

  Args:
    path: of the file that keeps them.
    digests: of the parts that are wanted, in the order of the tables.
    tables: {table: its columns}; parts with other columns are made again.
    make: digests -> {digest: part}, of those that are missing.

  Returns:
    The parts in that order, and whether some had to be made.
  """
  stored = {
    digest: part
    for digest, part in _read(path).items()
    if _has_columns(part, tables)
  }
  missing = [digest for digest in digests if digest not in stored]
  if missing:
    stored |= {digest: _plain(part) for digest, part in make(missing).items()}
  wanted = {digest: stored[digest] for digest in digests}
  if missing or set(stored) != set(digests):
    files.write_atomic(path, json.dumps({"parts": wanted}) + "\n")
  return list(wanted.values()), bool(missing)


def join(parts: Sequence[Part], tables: Sequence[str]) -> Part:
  """Returns {table: rows of all parts}."""
  return {
    table: [row for part in parts for row in part.get(table, [])]
    for table in tables
  }


def _has_columns(part: Part, tables: Mapping[str, Schema]) -> bool:
  return all(
    set(row) == set(tables[table].columns)
    for table, rows in part.items()
    for row in rows
  )


def _plain(part: Part) -> Part:
  return {
    table: [
      {column: plain(value) for column, value in row.items()} for row in rows
    ]
    for table, rows in part.items()
  }


def _read(path: pathlib.Path) -> dict[str, Part]:
  if not files.exists(path):
    return {}
  try:
    return dict(json.loads(files.read_text(path))["parts"])
  except (ValueError, KeyError, TypeError):
    logging.warning("%s is torn and is made again", path)
    return {}
