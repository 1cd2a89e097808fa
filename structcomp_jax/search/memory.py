"""Whether a search fits in memory, before anything is copied or run."""

import dataclasses
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from structcomp_jax import masks, parallel, trees, types
from structcomp_jax.search import programs, step
from structcomp_jax.search.feed import DeviceFeed, HostFeed

_GIGABYTE = 1e9


class Needs:
  """What the steps of a search need, by how many candidates run at once.

  Attributes:
    rows: all candidates.
    num_local: candidates on a device.
    shared: what `programs.advance` reads at every call.
    room: bytes that a device has for the search, with what is there of it
      already; None: unknown.
  """

  def __init__(
    self,
    loss_fn: types.LossFn,
    spec: masks.MaskSpec,
    config: step.SearchConfig,
    mesh: Mesh,
    shared: dict[str, Any],
    feed: DeviceFeed | HostFeed,
    state: step.SearchState | None = None,
  ):
    """Compiles nothing yet.

    Args:
      loss_fn, spec, config: of the search.
      mesh: where it runs.
      shared: "frozen", "key" and what the feed adds, wherever they lie.
      feed: of its batches.
      state: where it begins, if it is in memory already.
    """
    self._loss_fn, self._spec, self._config = loss_fn, spec, config
    self._mesh, self._feed = mesh, feed
    self.shared = {**shared, "done": np.int32(0), "num_steps": np.int32(1)}
    self.rows = config.candidates()
    self.num_local = trees.num_rows(self.rows) // mesh.shape[parallel.ROW_AXIS]
    self.state = jax.eval_shape(
      lambda rows: step.initial_state(rows, spec), self.rows
    )
    free = parallel.free_bytes(mesh)
    here = parallel.resident_bytes((shared, state), mesh)
    self.room = None if free is None else -int(parallel.largest(-free - here))

  def program(self, width: int) -> parallel.Program:
    """Returns the steps with so many candidates at once."""
    return programs.advance(
      self._loss_fn,
      self._spec,
      dataclasses.replace(self._config, vmap_width=width),
      self._mesh,
      self._feed.steps_per_epoch,
    )

  def of_width(self, width: int) -> int:
    """Returns bytes on a device; compiles the steps."""
    compiled = self.program(width).compile(
      self.state, self.rows, self.shared, *self._feed.shapes()
    )
    return parallel.peak_bytes(compiled)

  def of_metrics(
    self, end_epoch: parallel.Program, for_validation: dict[str, Any]
  ) -> int:
    """Returns bytes at the end of an epoch, beside what the steps keep."""
    compiled = end_epoch.compile(
      self.state.replace(opt_state=()), for_validation
    )
    num_devices = self._mesh.shape[parallel.ROW_AXIS]
    kept = trees.num_bytes(self.state.opt_state) // num_devices
    dataset = trees.num_bytes(self._feed.shared)
    return parallel.peak_bytes(compiled) + kept + dataset

  def fit(self, needed: int) -> bool:
    """Whether there is so much room, as far as is known."""
    return self.room is None or needed <= self.room

  def explain(self, needed: int) -> str:
    """Returns why not even one candidate at once fits, and what would help."""
    per_candidate = trees.num_bytes(self.state) // trees.num_rows(self.rows)
    fitting = (self.room - needed) // per_candidate + self.num_local
    if fitting > 0:
      total = fitting * self._mesh.shape[parallel.ROW_AXIS]
      remedy = f"search at most {total} at a time"
    elif self.fit(needed - trees.num_bytes(self._feed.shared)):
      remedy = "keep the training set on the host (feed)"
    else:
      remedy = "mask fewer layers"
    return (
      f"{self.num_local} candidates, one at once, need {gigabytes(needed)}; a "
      f"device has room for {gigabytes(self.room)}; {remedy}, or choose a "
      "smaller batch_size"
    )


def widths(num_local: int) -> list[int]:
  """Returns 1, ..., `num_local`: divisors at least twice the one before."""
  found = [1]
  for divisor in range(2, num_local + 1):
    if num_local % divisor == 0 and divisor >= 2 * found[-1]:
      found.append(divisor)
  return found


def check(
  needs: Needs,
  width: int,
  end_epoch: parallel.Program,
  for_validation: dict[str, Any],
) -> None:
  """Compiles both programs of a search and asks for their memory.

  Args:
    needs: of its steps.
    width: candidates at once on a device; 0: all.
    end_epoch: see `programs.end_epoch`.
    for_validation: its second argument.

  Raises:
    UserError: it is more than there is room for; names a width that fits, or
      what else would help.
  """
  needed = needs.of_width(width)
  width = min(width or needs.num_local, needs.num_local)
  if not needs.fit(needed):
    raise types.UserError(_narrower(needs, width, needed))
  needed = needs.of_metrics(end_epoch, for_validation)
  if not needs.fit(needed):
    raise types.UserError(
      f"validation, {width} candidates at once, needs "
      f"{gigabytes(needed)}; a device has room for {gigabytes(needs.room)}; "
      "choose a smaller eval_batch_size, or a smaller vmap_width"
    )


def _narrower(needs, width, needed):
  for narrower in reversed([w for w in widths(needs.num_local) if w < width]):
    less = needs.of_width(narrower)
    if needs.fit(less):
      return (
        f"{needs.num_local} candidates, {width} at once, need "
        f"{gigabytes(needed)}; a device has room for {gigabytes(needs.room)}; "
        f"set vmap_width to {narrower} ({gigabytes(less)})"
      )
    needed = less
  return needs.explain(needed)


def gigabytes(number: int) -> str:
  """Returns e.g. 1.23 GB."""
  return f"{number / _GIGABYTE:.3g} GB"
