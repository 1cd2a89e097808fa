"""A loop of the library, to be timed and asked for its memory."""

import dataclasses
import functools
import time
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks import measure
from structcomp_jax import masks, search, types
from structcomp_jax.engine import cost, loop, parallel, programs

# No look comes in between, so that the sums of a state are over all its steps.
NO_LOOK = 2**30


@dataclasses.dataclass(frozen=True, eq=False)
class Steps:
  """A loop over steps of many rows, compiled when it is first asked for.

  Attributes:
    job: rows, what is learned, and the data.
  """

  job: loop.Job

  @functools.cached_property
  def program(self) -> parallel.Program:
    """(state, rows, fixed, shared) -> (state, {}); takes the state's memory."""
    return programs.advance(self.job.setup)

  @functools.cached_property
  def compiled(self) -> jax.stages.Compiled:
    """The program, ahead of its first run, to be asked for its memory."""
    return self.program.compile(*self.argument_shapes())

  @property
  def flops(self) -> float:
    """What XLA counts for one step before it optimises anything.

    It counts one turn of a loop over time, so all products count for themselves
    where they are more.
    """
    function, shapes = self.program.function, self.argument_shapes()
    counted = function.lower(*shapes).cost_analysis()["flops"]
    return max(counted, cost.product_flops(function, *shapes))

  def argument_shapes(self) -> tuple[Any, ...]:
    state = self.job.state_shapes()
    return self._arguments(state, jax.ShapeDtypeStruct((), jnp.int32))

  def _arguments(self, state: Any, num_steps: Any) -> tuple[Any, ...]:
    job = self.job
    shared = {
      "keys": job.keys,
      "dataset": job.dataset,
      "done": jnp.int32(0),
      "num_steps": num_steps,
    }
    return state, job.rows, job.fixed, shared

  def run(self, num_steps: int) -> tuple[Any, float]:
    """Returns the state after some steps, and the seconds they took.

    Steps beyond the first epoch read its last batch again.
    """
    state = jax.block_until_ready(self.job.first_state())
    arguments = self._arguments(state, jnp.int32(num_steps))
    started = time.perf_counter()
    state, _ = jax.block_until_ready(self.compiled(*arguments))
    return state, time.perf_counter() - started

  def stopwatch(self, least_seconds: float) -> measure.Stopwatch:
    """Returns a stopwatch of one step; runs some.

    Args:
      least_seconds: as many steps are run, and timed together, as are
        expected to take that long.
    """
    expected = self.run(1)[1]
    if expected < least_seconds:  # The first run was also a warm-up.
      expected = self.run(1)[1]
    num_steps = max(1, round(least_seconds / expected))
    return lambda: self.run(num_steps)[1] / num_steps


def search_steps(
  loss_fn: types.LossFn,
  params: types.Params,
  spec: masks.MaskSpec,
  problems: types.Batch,
  config: search.SearchConfig,
) -> Steps:
  """Returns the steps of a mask search, as `search.run` takes them."""
  job = search.make_job(
    loss_fn,
    params,
    spec,
    problems,
    dataclasses.replace(config, look_every=NO_LOOK),
    key=jax.random.key(0),
    devices=jax.devices()[:1],
  )
  return Steps(job)
