"""Whether a loop fits in memory, before anything is copied or run."""

import math
import pathlib
import re
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from structcomp_jax import trees, types
from structcomp_jax.engine import model_axis, parallel, programs

_GIGABYTE = 1e9


class Estimate:
  """What a loop needs on a device, by how many rows run at once.

  Attributes:
    num_local: rows on a device.
    arguments: what the compiled steps take, wherever it lies by now.
    room: bytes that a device has for the loop, including those of its
      arguments that lie there already; infinite where that is unknown.
  """

  def __init__(self, job: Any, feed: Any, *, room: float | None = None):
    """Compiles nothing yet.

    Args:
      job: `loop.Job`.
      feed: of its batches.
      room: see the class; default: what the system says.
    """
    self._setup, self._feed = job.setup, feed
    self._row_name = job.learner.row_name
    self._state = job.state_shapes()
    self._validation = job.validation
    shared = {"keys": job.keys, **feed.shared}
    counts = {"done": np.int32(0), "num_steps": np.int32(1)}
    self.arguments = (job.rows, job.fixed, {**shared, **counts})
    mesh = self._setup.mesh
    self.num_local = trees.num_rows(job.rows) // mesh.shape[parallel.ROW_AXIS]
    if room is not None:
      self.room = room
      return
    free = free_bytes(mesh)
    here = resident_bytes((job.fixed, shared, job.state), mesh)
    self.room = (
      math.inf
      if free is None
      else -int(parallel.max_over_processes(-free - here))
    )

  def steps(self, width: int) -> tuple[parallel.Program, tuple[Any, ...]]:
    """Returns the program of the steps, and the shapes of its arguments."""
    return (
      programs.advance(self._setup.with_width(width)),
      (self._state, *self.arguments, *self._feed.shapes()),
    )

  def look(self) -> tuple[parallel.Program, tuple[Any, ...]]:
    """Returns the program of a look, and the shapes of its arguments."""
    rows, fixed, shared = self.arguments
    return programs.look(self._setup), (
      self._state,
      rows,
      fixed,
      {"keys": shared["keys"], "validation": self._validation},
    )

  @property
  def beside_look(self) -> int:
    """Bytes of the data set, which stays where it is at a look."""
    return trees.num_bytes(self._feed.shared)

  def of_steps(self, width: int) -> int:
    """Returns bytes on a device; compiles the steps."""
    program, arguments = self.steps(width)
    return peak_bytes(program.compile(*arguments))

  def of_look(self) -> int:
    """Returns bytes at a look, with the data set that stays where it is."""
    program, arguments = self.look()
    return peak_bytes(program.compile(*arguments)) + self.beside_look

  def fits(self, needed: int) -> bool:
    """Whether there is so much room, as far as is known."""
    return needed <= self.room

  def explain(self, needed: int) -> str:
    """Returns why not even one row at once fits, and what would help."""
    state = self._setup.state_layout
    per_row = (
      model_axis.bytes_of_a_part(self._state, state.shardings(self._state))
      // self.num_local
    )
    fitting = (self.room - needed) // per_row + self.num_local
    if fitting > 0:
      total = fitting * self._setup.mesh.shape[parallel.ROW_AXIS]
      remedy = f"run at most {total} at a time"
    elif self.fits(needed - trees.num_bytes(self._feed.shared)):
      remedy = "keep the training set on the host (feed)"
    else:
      remedy = "learn less of the network, e.g. mask fewer layers"
    return (
      f"{self._rows()}, one at once, need {gigabytes(needed)}; a "
      f"device has room for {gigabytes(self.room)}; {remedy}, or choose a "
      "smaller batch_size"
    )

  def narrower(self, width: int, needed: int) -> str:
    """Returns that so many at once do not fit, and the widest that does."""
    for less_wide in reversed([w for w in widths(self.num_local) if w < width]):
      less = self.of_steps(less_wide)
      if self.fits(less):
        return (
          f"{self._rows()}, {width} at once, need {gigabytes(needed)}; a "
          f"device has room for {gigabytes(self.room)}; set vmap_width to "
          f"{less_wide} ({gigabytes(less)})"
        )
      needed = less
    return self.explain(needed)

  def _rows(self) -> str:
    return f"{self.num_local} {self._row_name}s"


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


def program_bytes(compiled: jax.stages.Compiled) -> dict[str, int]:
  """Returns what a compiled program needs on each device while it runs.

  >>> compiled = jax.jit(lambda x: x + 1).lower(np.zeros(3)).compile()
  >>> list(program_bytes(compiled))
  ['arguments', 'temporary', 'total']

  Returns:
    "arguments"; "temporary": beside what it reads and writes; "total":
    arguments, results that do not reuse their memory, and temporary. Zeros
    where the backend does not tell.
  """
  analysis = compiled.memory_analysis()
  if analysis is None:
    return {"arguments": 0, "temporary": 0, "total": 0}
  arguments, temporary = (
    analysis.argument_size_in_bytes,
    analysis.temp_size_in_bytes,
  )
  results = analysis.output_size_in_bytes - analysis.alias_size_in_bytes
  return {
    "arguments": arguments,
    "temporary": temporary,
    "total": arguments + results + temporary,
  }


def peak_bytes(compiled: jax.stages.Compiled) -> int:
  """Returns the memory of a program on each device, arguments included.

  >>> compiled = jax.jit(lambda x: x + 1).lower(np.zeros(3)).compile()
  >>> peak_bytes(compiled) >= 0
  True

  Zero where the backend does not tell.
  """
  return program_bytes(compiled)["total"]


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


def check(job: Any, feed: Any) -> None:
  """Compiles both programs of a loop and asks for their memory.

  Args:
    job: `loop.Job`.
    feed: of its batches.

  Raises:
    UserError: it is more than there is room for; names a width that fits, or
      what else would help.
  """
  estimate = Estimate(job, feed)
  width = job.machine.vmap_width
  needed = estimate.of_steps(width)
  width = min(width or estimate.num_local, estimate.num_local)
  if not estimate.fits(needed):
    raise types.UserError(estimate.narrower(width, needed))
  needed = estimate.of_look()
  if not estimate.fits(needed):
    raise types.UserError(
      f"validation, {width} {job.learner.row_name}s at once, needs "
      f"{gigabytes(needed)}; a device has room for {gigabytes(estimate.room)}; "
      "choose a smaller eval_batch_size, or a smaller vmap_width"
    )


def gigabytes(number: float) -> str:
  """Returns a number of bytes in words.

  >>> gigabytes(1_234_000_000)
  '1.23 GB'
  """
  return f"{number / _GIGABYTE:.3g} GB"
