"""Metrics as scalars that TensorBoard shows, beside `metrics.jsonl`."""

import importlib
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from structcomp_jax.io import files
from structcomp_jax.io.values import json_value
from structcomp_jax.types import UserError

# What tells the rows of a run apart: every network or mask has its own curves.
_NAMES = (
  "seed", "base_seed", "mask_seed", "learning_rate", "mask_init", "penalty"
)  # fmt: skip
_NO_SCALARS = ("step", "candidate", "seed", "base_seed", "mask_seed")


def load_package() -> Any:
  """Returns the package that writes event files.

  Raises:
    UserError: it is not installed.
  """
  try:
    return importlib.import_module("tensorboardX")
  except ImportError as error:
    raise UserError(
      "runtime.tensorboard needs tensorboardX; "
      "pip install 'structcomp_jax[tensorboard]', or leave it out"
    ) from error


class Scalars:
  """The event files of one run, a directory for each network or mask.

  A curve that an earlier launch has begun is written again from the rows of
  `metrics.jsonl`, so that no point is there twice.
  """

  def __init__(
    self, directory: pathlib.Path, rows: Iterable[Mapping[str, Any]]
  ):
    """Writes what is there.

    Args:
      directory: of the event files of this run.
      rows: of `metrics.jsonl`, those that the run goes on after.
    """
    self._directory = directory
    self._writers: dict[str, Any] = {}
    for row in rows:
      self.write(row)

  def write(self, row: Mapping[str, Any]) -> None:
    """Writes the finite numbers of a row at its step."""
    writer = self._writer(row)
    for name, value in row.items():
      if name not in _NO_SCALARS and _is_number(json_value(value)):
        writer.add_scalar(name, float(value), int(row["step"]))
    writer.flush()

  def close(self) -> None:
    """Closes the files."""
    for writer in self._writers.values():
      writer.close()

  def _writer(self, row):
    name = ",".join(f"{key}_{row[key]:g}" for key in _NAMES if key in row)
    if name not in self._writers:
      directory = self._directory / name
      files.remove(directory)
      self._writers[name] = load_package().SummaryWriter(str(directory))
    return self._writers[name]


def _is_number(value: Any) -> bool:
  return isinstance(value, (bool, int, float))
