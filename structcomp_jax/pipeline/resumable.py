"""A training or search while it runs: progress, metrics, checkpoints."""

import pathlib
import time
from typing import Any

import chex
import jax
import jax.numpy as jnp
from absl import logging

from structcomp_jax import trees
from structcomp_jax.engine import parallel
from structcomp_jax.io import checkpoints, files, hosts, metrics, scalars
from structcomp_jax.io.layout import METRICS
from structcomp_jax.io.progress import Progress
from structcomp_jax.pipeline.workplace import Workplace

CHECKPOINT = "checkpoint"


class Run:
  """Goes on from the last checkpoint and keeps the files of a run.

      with Run(...) as run:
        search.run(..., state=run.state, on_call=run)

  Attributes:
    state: where to go on: the checkpoint's state, or the one given.
  """

  def __init__(
    self,
    work: Workplace,
    directory: pathlib.Path,
    state: chex.ArrayTree,
    *,
    total_steps: int,
    label: str,
    accuracy: str,
    fingerprint: str | None = None,
  ):
    """Restores what there is.

    Args:
      work: where, and how the machine is used.
      directory: of `work`; holds `checkpoint/` and `metrics.jsonl`.
      state: stacked state of a run that begins, with a field `step`.
      total_steps: steps of the whole run, for the time that is left.
      label: shown with the progress.
      accuracy: metric whose least value over the rows is shown.
      fingerprint: of the frozen network the state belongs to.

    Raises:
      UserError: the checkpoint is torn or of another network.
    """
    self._directory = directory
    self._every = work.runtime.checkpoint_seconds
    self._accuracy = accuracy
    self._fingerprint = fingerprint
    restored = checkpoints.restore(
      directory / CHECKPOINT, state, fingerprint=fingerprint
    )
    self.state = state if restored is None else restored[1]
    # The loop reuses the arrays of its state, and the caller may need theirs.
    self.state = jax.tree.map(jnp.asarray, self.state)
    self._num_rows = trees.num_rows(state)
    self._step = int(self.state.step[0])
    if restored is not None:
      logging.info("%s: goes on at step %d", label, self._step)
    metrics.rewind(directory / METRICS, lambda row: row["step"] <= self._step)
    self._scalars = _open_scalars(work, directory)
    self._writer = metrics.MetricsWriter(directory / METRICS)
    self._progress = Progress(total_steps, label, start=self._step)
    self._saved_at = time.monotonic()

  def __call__(self, state: Any, rows: list[dict[str, Any]]) -> None:
    """Takes the state and the new metrics rows of a run."""
    for row in rows:
      self._writer.write(row)
      if self._scalars:
        self._scalars.write(row)
    least = min((row[self._accuracy] for row in rows), default=None)
    values = {} if least is None else {"val_accuracy": least}
    step = int(parallel.fetch(state.step)[0])
    self._progress.update(step - self._step, **values)
    self._step = step
    # All processes save together, and their clocks differ.
    if hosts.agree(time.monotonic() - self._saved_at > self._every):
      checkpoints.save(
        self._directory / CHECKPOINT,
        step,
        # Rows that fill up these devices are of no use to others.
        trees.row(parallel.fetch(state), slice(self._num_rows)),
        {"fingerprint": self._fingerprint},
      )
      self._saved_at = time.monotonic()

  def __enter__(self) -> "Run":
    return self

  def __exit__(self, *unused: object) -> None:
    self._progress.close()
    self._writer.close()
    if self._scalars:
      self._scalars.close()


def _open_scalars(
  work: Workplace, directory: pathlib.Path
) -> scalars.Scalars | None:
  """Returns the event files of a run, with the rows that are there."""
  if not work.runtime.tensorboard:
    return None
  path = directory / METRICS
  # All processes read; the first one writes.
  rows = metrics.read(path) if files.exists(path) else []
  if not hosts.is_first():
    return None
  place = directory.relative_to(work.paths.workdir)
  return scalars.Scalars(work.paths.tensorboard / place, rows)


def forget_checkpoint(directory: pathlib.Path) -> None:
  """Removes the checkpoint of a run whose result is marked as done.

  Call it after the mark is written. A kill may leave half of the checkpoint,
  which would be refused as torn if there were no mark.
  """
  files.remove(directory / CHECKPOINT)
