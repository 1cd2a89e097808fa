"""Whether a search fits in memory, before anything is copied or run."""

import dataclasses
import math
import pathlib
import re
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from structcomp_jax import masks, trees, types
from structcomp_jax.engine import parallel
from structcomp_jax.search import programs, step
from structcomp_jax.search.config import SearchConfig
from structcomp_jax.search.feed import DeviceFeed, HostFeed

_GIGABYTE = 1e9


class Needs:
  """What the steps of a search need, by how many candidates run at once.

  Attributes:
    rows: all candidates.
    num_local: candidates on a device.
    shared: what `programs.advance` reads at every call.
    room: bytes that a device has for the search, with what is there of it
      already; infinitely many if that is unknown.
  """

  def __init__(
    self,
    loss_fn: types.LossFn,
    spec: masks.MaskSpec,
    config: SearchConfig,
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
    free = free_bytes(mesh)
    here = resident_bytes((shared, state), mesh)
    self.room = (
      math.inf
      if free is None
      else -int(parallel.max_over_processes(-free - here))
    )

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
    return peak_bytes(compiled)

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
    return peak_bytes(compiled) + kept + dataset

  def fit(self, needed: int) -> bool:
    """Whether there is so much room, as far as is known."""
    return needed <= self.room

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


def resident_bytes(tree: Any, mesh: Mesh) -> int:
  """Returns the memory that arrays take on each device of a mesh already.

  >>> mesh = parallel.row_mesh(2)
  >>> array = parallel.replicate(np.zeros(3, np.float32), mesh)
  >>> resident_bytes({"kernel": array}, mesh)
  12

  Arrays that do not lie on all of its devices do not count.
  """
  devices = set(mesh.devices.flat)
  return sum(
    math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
    for leaf in jax.tree.leaves(tree)
    if isinstance(leaf, jax.Array) and leaf.sharding.device_set == devices
  )


def peak_bytes(compiled: jax.stages.Compiled) -> int:
  """Returns the memory of a program on each device, arguments included.

  >>> compiled = jax.jit(lambda x: x + 1).lower(np.zeros(3)).compile()
  >>> peak_bytes(compiled) >= 0
  True

  Zero where the backend does not tell.
  """
  memory = compiled.memory_analysis()
  if memory is None:
    return 0
  return (
    memory.argument_size_in_bytes
    + memory.output_size_in_bytes
    - memory.alias_size_in_bytes
    + memory.temp_size_in_bytes
  )


def free_bytes(mesh: Mesh) -> int | None:
  """Returns the memory that is free on each device of a mesh.

  >>> free = free_bytes(parallel.row_mesh(1))
  >>> free is None or free > 0
  True

  Of an accelerator what its allocator has left; for CPU devices an equal part
  of what the machine has left. None where the system does not tell.
  """
  stats = mesh.local_devices[0].memory_stats()
  if stats and "bytes_limit" in stats:
    return stats["bytes_limit"] - stats["bytes_in_use"]
  try:
    text = pathlib.Path("/proc/meminfo").read_text(encoding="ascii")
  except OSError:
    return None
  available = re.search(r"MemAvailable: +(\d+) kB", text)
  if available is None:
    return None
  return int(available[1]) * 1024 // len(mesh.local_devices)


def widths(num_local: int) -> list[int]:
  """Returns 1, ..., `num_local`: divisors at least twice the one before.

  >>> widths(12)
  [1, 2, 4, 12]
  """
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

  >>> spec = masks.select({"kernel": np.ones(2)}, [(".*", "weight")])
  >>> config, mesh = SearchConfig(batch_size=2), parallel.row_mesh(1)
  >>> loss_fn = lambda params, batch: (params["kernel"] * batch["x"]).mean()
  >>> feed = DeviceFeed({"x": np.ones((4, 2), np.float32)}, config)
  >>> frozen = {"frozen": {"kernel": np.ones(2)}, "key": jax.random.key(0)}
  >>> shared = {**frozen, **feed.shared}
  >>> needs = Needs(loss_fn, spec, config, mesh, shared, feed)
  >>> end_epoch = programs.end_epoch(None, spec, config, mesh, 2)
  >>> check(needs, 0, end_epoch, {**frozen, "validation": None})  # It fits.

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


def gigabytes(number: float) -> str:
  """Returns a number of bytes in words.

  >>> gigabytes(1_234_000_000)
  '1.23 GB'
  """
  return f"{number / _GIGABYTE:.3g} GB"
