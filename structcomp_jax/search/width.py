"""How many candidates a device computes at once: the fastest of what fits."""

import contextlib
import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from structcomp_jax import masks, trees, types
from structcomp_jax.engine import parallel
from structcomp_jax.search import memory, step
from structcomp_jax.search.config import SearchConfig
from structcomp_jax.search.feed import make_feed

# About so long a width is measured, unless a single step takes longer.
_SECONDS = 2.0
# Times that differ by less are equal.
_NOISE = 0.03


@dataclasses.dataclass(frozen=True)
class Width:
  """How wide a search should be.

  Attributes:
    width: for `SearchConfig.vmap_width`.
    seconds_per_step: {width: one step of all candidates}, of those measured;
      empty where only one fits.
    bytes_per_device: {width: memory}, of those compiled.
  """

  width: int
  seconds_per_step: dict[int, float]
  bytes_per_device: dict[int, int]


def choose_width(
  loss_fn: types.LossFn,
  params: types.Params,
  spec: masks.MaskSpec,
  dataset: types.Batch,
  config: SearchConfig | None = None,
  *,
  key: jax.Array,
  devices: Sequence[Any] | None = None,
) -> Width:
  """Measures some steps at widths 1, 2, 4, ... and takes the fastest.

  >>> params = {"kernel": np.ones(2)}
  >>> choose_width(
  ...   lambda params, batch: (params["kernel"] * batch["x"]).mean(),
  ...   params,
  ...   masks.select(params, [(".*", "weight")]),
  ...   {"x": np.ones((4, 2), np.float32)},
  ...   SearchConfig(batch_size=2),
  ...   key=jax.random.key(0),
  ... ).width  # There is but one candidate.
  1

  Tries divisors of the number of candidates on a device, each at least twice
  the one before, until one is slower or does not fit in memory. Of those that
  are equally fast it takes the narrowest. `run` uses what was compiled here.
  Times differ from one measurement to the next: a run that must go on with the
  same bits keeps its first choice.

  Args:
    loss_fn, params, spec, dataset, config, key, devices: as for `run`; the
      `vmap_width` of `config` is not looked at.

  Returns:
    A `Width`.

  Raises:
    UserError: not even one candidate at a time fits in memory.
  """
  config = SearchConfig() if config is None else config
  rows = config.candidates()
  mesh = parallel.row_mesh(trees.num_rows(rows), devices, config.data_devices)
  with contextlib.closing(make_feed(dataset, config, key, mesh)) as feed:
    shared = {"frozen": params, "key": key, **feed.shared}
    needs = memory.Needs(loss_fn, spec, config, mesh, shared, feed)
    needed: dict[int, int] = {}
    seconds: dict[int, float] = {}
    for width in memory.widths(needs.num_local):
      needed[width] = needs.of_width(width)
      if not needs.fit(needed[width]):
        break
      if needs.num_local == 1:
        return Width(width, {}, needed)
      if not seconds:
        shared = parallel.replicate(needs.shared, mesh)
      state = step.initial_state(rows, spec)
      seconds[width] = parallel.max_over_processes(
        _seconds_per_step(needs, width, state, shared, feed)
      )
      if seconds[width] > (1 + _NOISE) * min(seconds.values()):
        break
    if not seconds:
      raise types.UserError(needs.explain(needed[width]))
  fast_enough = (1 + _NOISE) * min(seconds.values())
  width = min(width for width, time in seconds.items() if time <= fast_enough)
  return Width(width, seconds, needed)


def _seconds_per_step(needs, width, state, shared, feed):
  """Returns the least time of one step of all candidates."""
  program, batches = needs.program(width), feed.batches(0)

  def seconds_of(num_steps):
    nonlocal state
    start = time.perf_counter()
    state = program(
      state, needs.rows, {**shared, "num_steps": np.int32(num_steps)}, *batches
    )
    jax.block_until_ready(state)
    return time.perf_counter() - start

  least = seconds_of(1)
  if least < _SECONDS:  # It has also touched memory for the first time.
    least = seconds_of(1)
  num_steps = int(np.clip(_SECONDS / 4 / least, 1, feed.max_steps))
  left = _SECONDS - least
  while left > 0:
    seconds = seconds_of(num_steps)
    least, left = min(least, seconds / num_steps), left - seconds
  return least
