"""How many rows a device computes at once: the fastest of what fits."""

import contextlib
import dataclasses
import time
from typing import Any

import jax
import numpy as np

from structcomp_jax import types
from structcomp_jax.engine import loop, memory, parallel, programs

# About so long a width is measured, unless a single step takes longer.
_SECONDS = 2.0
# Times that differ by less are equal.
_NOISE = 0.03


@dataclasses.dataclass(frozen=True)
class Width:
  """How many rows a device should compute at once.

  Attributes:
    width: for `Machine.vmap_width`.
    seconds_per_step: {width: one step of all rows}, of those measured; empty
      where only one fits.
    bytes_per_device: {width: memory}, of those compiled.
  """

  width: int
  seconds_per_step: dict[int, float]
  bytes_per_device: dict[int, int]


def choose_width(job: loop.Job) -> Width:
  """Measures some steps at widths 1, 2, 4, ... and takes the fastest.

  Tries divisors of the number of rows on a device, each at least twice the one
  before, until one is slower or does not fit in memory. Of those that are
  equally fast it takes the narrowest. `loop.run` uses what was compiled here.
  Times differ from one measurement to the next: a run that must go on with the
  same bits keeps its first choice.

  Args:
    job: what is measured; the `vmap_width` of its machine is not looked at.

  Returns:
    A `Width`.

  Raises:
    UserError: not even one row at a time fits in memory.
  """
  job = loop.filled_up(job)
  with contextlib.closing(job.make_feed()) as feed:
    estimate = memory.Estimate(job, feed)
    needed: dict[int, int] = {}
    seconds: dict[int, float] = {}
    arguments: tuple[Any, ...] = ()
    for width in memory.widths(estimate.num_local):
      needed[width] = estimate.of_steps(width)
      if not estimate.fits(needed[width]):
        break
      if estimate.num_local == 1:
        return Width(width, {}, needed)
      if not seconds:
        arguments = (*_on_devices(job, estimate), *feed.batches(0))
      seconds[width] = parallel.max_over_processes(
        _seconds_per_step(
          job, width, job.first_state(), arguments, feed.max_steps
        )
      )
      if seconds[width] > (1 + _NOISE) * min(seconds.values()):
        break
    if not seconds:
      raise types.UserError(estimate.explain(needed[width]))
  fast_enough = (1 + _NOISE) * min(seconds.values())
  width = min(width for width, time in seconds.items() if time <= fast_enough)
  return Width(width, seconds, needed)


def _on_devices(job, estimate):
  """Returns the arguments of the steps, copied once and not at every call."""
  rows, fixed, shared = estimate.arguments
  mesh, setup = job.setup.mesh, job.setup
  return rows, setup.fixed_layout.place(fixed), parallel.replicate(shared, mesh)


def _seconds_per_step(job, width, state, arguments, max_steps):
  """Returns the least time of one step of all rows."""
  program = programs.advance(job.setup.with_width(width))
  rows, fixed, shared, *batches = arguments

  def seconds_of(num_steps):
    nonlocal state
    start = time.perf_counter()
    state, _ = program(
      state, rows, fixed, {**shared, "num_steps": np.int32(num_steps)}, *batches
    )
    jax.block_until_ready(state)
    return time.perf_counter() - start

  least = seconds_of(1)
  if least < _SECONDS:  # It has also touched memory for the first time.
    least = seconds_of(1)
  num_steps = int(np.clip(_SECONDS / 4 / least, 1, max_steps))
  left = _SECONDS - least
  while left > 0:
    seconds = seconds_of(num_steps)
    least, left = min(least, seconds / num_steps), left - seconds
  return least
