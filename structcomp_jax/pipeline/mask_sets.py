"""Stored masks of one network: read, written, and added to."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from structcomp_jax import masks, trees, types
from structcomp_jax.io import (
  files,
  hosts,
  layout,
  logit_files,
  mask_files,
  metrics,
)
from structcomp_jax.pipeline.frozen import FrozenNetwork


@dataclasses.dataclass(frozen=True, eq=False)
class MaskSet:
  """Stored masks of one network.

  Attributes:
    stacked: {path: bool[K, ...]}.
    settings: K dicts of the columns that tell the masks apart. `candidate` is
      the row of a mask in its file.
    finite: bool[K]. False: the search stopped, do not use.
    spec: the masked leaves.
    masked_from: the first masked stage.
  """

  stacked: types.Mask
  settings: list[dict[str, Any]]
  finite: np.ndarray
  spec: masks.MaskSpec
  masked_from: Any

  @property
  def seeds(self) -> list[int]:
    """The mask seeds."""
    return [setting["mask_seed"] for setting in self.settings]

  def rows(self, rows: Sequence[int] | np.ndarray) -> "MaskSet":
    """Returns some of the masks."""
    return dataclasses.replace(
      self,
      stacked=trees.row(self.stacked, np.asarray(rows, int)),
      settings=[self.settings[row] for row in rows],
      finite=self.finite[np.asarray(rows, int)],
    )

  def usable(self) -> "MaskSet":
    """Returns the masks whose search stayed finite."""
    return self.rows(np.flatnonzero(self.finite))


def load(
  frozen: FrozenNetwork, directory: pathlib.Path, masked_from: Any
) -> MaskSet:
  """Returns the masks in a directory.

  Raises:
    UserError: the file is missing, torn, or of another network.
  """
  stacked, columns = hosts.by_first(mask_files.load)(
    directory / layout.MASKS, frozen.fingerprint
  )
  finite = np.array(columns.pop("finite"), bool)
  return MaskSet(
    stacked=stacked,
    settings=[
      {name: values[row] for name, values in columns.items()}
      | {"masked_from": masked_from, "candidate": row}
      for row in range(len(finite))
    ],
    finite=finite,
    spec=frozen.mask_spec(masked_from),
    masked_from=masked_from,
  )


def load_finished(frozen: FrozenNetwork, directory: pathlib.Path) -> MaskSet:
  """Returns the masks of a finished search.

  Raises:
    UserError: it is not finished, or its files are damaged.
  """
  if not files.is_done(directory):
    raise types.UserError(
      f"{directory} holds no finished masks; run {types.command('search')} "
      "with the same config and work directory"
    )
  return load(frozen, directory, files.read_done(directory)["masked_from"])


def save(
  frozen: FrozenNetwork,
  directory: pathlib.Path,
  stacked: Any,
  mask_logits: Any,
  columns: Mapping[str, Any],
) -> None:
  """Writes logits and masks; the masks last, which tell how many there are."""
  hosts.by_first(logit_files.save)(
    directory / layout.LOGITS, mask_logits, fingerprint=frozen.fingerprint
  )
  hosts.by_first(mask_files.save)(
    directory / layout.MASKS,
    stacked,
    fingerprint=frozen.fingerprint,
    stacked=True,
    metadata=columns,
  )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
  """Masks that a search found, and what is stored beside them.

  Attributes:
    masks: {path: bool[K, ...]}.
    logits: {path: f32[K, ...]}.
    columns: {column: K values} that tell the masks apart.
    history: rows of metrics.jsonl; `candidate` counts these masks from 0.
  """

  masks: types.AnyMask
  logits: Mapping[str, Any]
  columns: Mapping[str, list[Any]]
  history: Sequence[dict[str, Any]]


def read(directory: pathlib.Path, fingerprint: str) -> Found:
  """Returns what a search has stored in a directory."""
  masks, columns = hosts.by_first(mask_files.load)(
    directory / layout.MASKS, fingerprint
  )
  return Found(
    masks=masks,
    logits=hosts.by_first(logit_files.load)(
      directory / layout.LOGITS, fingerprint
    ),
    columns=columns,
    history=metrics.read(directory / layout.METRICS),
  )


def append(frozen: FrozenNetwork, directory: pathlib.Path, new: Found) -> None:
  """Writes masks after those that the mark of the directory knows.

  Where a kill came after masks were written and before the mark, the files
  hold more rows than the mark knows.
  """
  num_old = 0
  masks, logits, columns = new.masks, new.logits, new.columns
  if files.is_done(directory):
    num_old = len(files.read_done(directory)["mask_seeds"])
    old = read(directory, frozen.fingerprint)

    def appended(first, last):
      return np.concatenate([first[:num_old], last])

    masks = jax.tree.map(appended, old.masks, masks)
    logits = jax.tree.map(appended, old.logits, logits)
    columns = {
      name: old.columns[name][:num_old] + columns[name] for name in columns
    }
  _append_metrics(directory, new.history, num_old)
  save(frozen, directory, masks, logits, columns)


def _append_metrics(
  directory: pathlib.Path, history: Sequence[dict[str, Any]], num_old: int
) -> None:
  """Appends the history of added candidates, numbered after the others."""
  path = directory / layout.METRICS
  metrics.rewind(path, lambda row: row["candidate"] < num_old)
  with metrics.MetricsWriter(path) as writer:
    for row in history:
      writer.write(row | {"candidate": row["candidate"] + num_old})
