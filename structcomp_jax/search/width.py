"""How many candidates a device computes at once: what fits, what is fastest.

The states of all candidates lie in memory whatever the width; only what a step
makes on its way grows with it.
"""

import contextlib
import dataclasses
import functools
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from structcomp_jax import masks, parallel, trees, types
from structcomp_jax.search import programs, step
from structcomp_jax.search.feed import DeviceFeed, HostFeed, make_feed

# About so long a width is measured, unless a single step takes longer.
_SECONDS = 2.0
# Times that differ by less are equal.
_NOISE = 0.03
_GIGABYTE = 1e9


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
  config: step.SearchConfig | None = None,
  *,
  key: jax.Array,
  devices: Sequence[Any] | None = None,
) -> Width:
  """Measures some steps at widths 1, 2, 4, ... and takes the fastest.

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
  config = step.SearchConfig() if config is None else config
  rows = config.candidates()
  mesh = parallel.row_mesh(trees.num_rows(rows), devices, config.data_devices)
  with contextlib.closing(make_feed(dataset, config, key, mesh)) as feed:
    shared = {"frozen": params, "key": key, **feed.shared}
    trial = _Trial(loss_fn, spec, config, mesh, shared, feed)
    needed, seconds = {}, {}
    for width in trial.widths:
      needed[width] = trial.bytes_per_device(width)
      if not trial.fits(needed[width]):
        break
      if trial.num_local == 1:
        return Width(width, {}, needed)
      seconds[width] = trial.seconds_per_step(width)
      if seconds[width] > (1 + _NOISE) * min(seconds.values()):
        break
    if not seconds:
      raise types.UserError(trial.nothing_fits(needed[width]))
  fast_enough = (1 + _NOISE) * min(seconds.values())
  width = min(width for width, time in seconds.items() if time <= fast_enough)
  return Width(width, seconds, needed)


def check_memory(
  loss_fn: types.LossFn,
  spec: masks.MaskSpec,
  config: step.SearchConfig,
  mesh: Mesh,
  shared: dict[str, Any],
  feed: DeviceFeed | HostFeed,
) -> None:
  """Compiles the steps of a search and asks for their memory.

  Raises:
    UserError: it is more than there is; names a width that fits, or what else
      would help.
  """
  trial = _Trial(loss_fn, spec, config, mesh, shared, feed)
  width = min(config.vmap_width or trial.num_local, trial.num_local)
  needed = trial.bytes_per_device(config.vmap_width)
  if trial.fits(needed):
    return
  for narrower in reversed([w for w in trial.widths if w < width]):
    less = trial.bytes_per_device(narrower)
    if trial.fits(less):
      raise types.UserError(
        f"{trial.num_local} candidates, {width} at once, need "
        f"{_gigabytes(needed)} of the {_gigabytes(trial.limit)} of a device; "
        f"set vmap_width to {narrower} ({_gigabytes(less)})"
      )
    needed = less
  raise types.UserError(trial.nothing_fits(needed))


class _Trial:
  """The first steps of a search.

  Attributes:
    num_local: candidates on a device.
    widths: what to try, narrowest first.
    limit: bytes of memory of a device; None: unknown.
  """

  def __init__(self, loss_fn, spec, config, mesh, shared, feed):
    self._loss_fn, self._spec, self._config = loss_fn, spec, config
    self._mesh, self._feed = mesh, feed
    self._shared = {
      **shared,
      "done": np.int32(0),
      "num_steps": np.int32(1),
    }
    self._rows = config.candidates()
    self.num_local = trees.num_rows(self._rows) // mesh.shape[parallel.ROW_AXIS]
    self.widths = _doubling_divisors(self.num_local)
    self.limit = parallel.bytes_per_device(mesh)

  def fits(self, num_bytes: int) -> bool:
    """Whether a device has so much memory, as far as it tells."""
    return self.limit is None or num_bytes <= self.limit

  def bytes_per_device(self, width: int) -> int:
    """Compiles the steps with a width; nothing is copied to the devices."""
    compiled = self._program(width).compile(
      self._state_shapes(), self._rows, self._shared, *self._feed.shapes()
    )
    return parallel.peak_bytes(compiled)

  def seconds_per_step(self, width: int) -> float:
    """Returns the time of one step of all candidates."""
    program = self._program(width)
    shared = self._shared_on_devices
    state = step.initial_state(self._rows, self._spec)
    (*batches,) = self._feed.batches(0)

    def seconds_of(num_steps):
      nonlocal state
      start = time.perf_counter()
      state = program(
        state,
        self._rows,
        {**shared, "num_steps": np.int32(num_steps)},
        *batches,
      )
      jax.block_until_ready(state)
      return time.perf_counter() - start

    seconds_of(1)  # Memory is touched for the first time.
    first = seconds_of(1)
    num_steps = int(np.clip(_SECONDS / 4 / first, 1, self._feed.max_steps))
    least, left = first, _SECONDS - first
    while left > 0:
      seconds = seconds_of(num_steps)
      least, left = min(least, seconds / num_steps), left - seconds
    return least

  @functools.cached_property
  def _shared_on_devices(self):
    return parallel.replicate(self._shared, self._mesh)

  def nothing_fits(self, needed: int) -> str:
    """Returns why no width fits, and what would help."""
    per_candidate = _num_bytes(self._state_shapes()) // trees.num_rows(
      self._rows
    )
    fitting = (self.limit - needed) // per_candidate + self.num_local
    dataset = _num_bytes(self._feed.shared)
    if fitting > 0:
      total = fitting * self._mesh.shape[parallel.ROW_AXIS]
      remedy = f"search at most {total} at a time"
    elif needed - dataset < self.limit:
      remedy = "keep the training set on the host (feed)"
    else:
      remedy = "mask fewer layers"
    return (
      f"{self.num_local} candidates, one at once, need {_gigabytes(needed)} "
      f"of the {_gigabytes(self.limit)} of a device; {remedy}, or choose a "
      "smaller batch_size"
    )

  def _program(self, width):
    return programs.advance(
      self._loss_fn,
      self._spec,
      dataclasses.replace(self._config, vmap_width=width),
      self._mesh,
      self._feed.steps_per_epoch,
    )

  def _state_shapes(self):
    return jax.eval_shape(
      lambda rows: step.initial_state(rows, self._spec), self._rows
    )


def _doubling_divisors(number: int) -> list[int]:
  """Returns 1, ..., `number`: divisors at least twice the one before."""
  found = [1]
  for divisor in range(2, number + 1):
    if number % divisor == 0 and divisor >= 2 * found[-1]:
      found.append(divisor)
  return found


def _num_bytes(tree: Any) -> int:
  return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def _gigabytes(num_bytes: int) -> str:
  return f"{num_bytes / _GIGABYTE:.3g} GB"
