"""How the batches of the coming steps reach the devices.

The order of the examples is the same either way, and so are the results.
"""

import functools
import math
from concurrent import futures
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding

from structcomp_jax import trees, types
from structcomp_jax.engine import programs
from structcomp_jax.engine.learner import Setup

# What the batches of one call may take in the host's memory and on all devices
# together; two calls overlap.
_BYTES_PER_CALL = 2**28


class DeviceFeed:
  """The whole data set lies on every device, and each step takes its batch.

  Attributes:
    shared: what the program reads at every call.
    max_steps: steps of a call, at most.
  """

  def __init__(self, dataset: types.Batch, setup: Setup):
    self.shared = {"dataset": dataset}
    self.max_steps = setup.machine.steps_per_call or setup.steps_per_epoch

  def shapes(self) -> tuple[types.Batch, ...]:
    """Returns what `batches` returns, as `jax.ShapeDtypeStruct`."""
    return ()

  def batches(self, done: int) -> tuple[types.Batch, ...]:
    """Returns the further arguments of the call that begins at step `done`."""
    del done
    return ()

  def close(self) -> None:
    """Has nothing to give back."""


class HostFeed:
  """The data set stays in the host's memory or in a memory-mapped file.

  A thread gathers the batches of one call while the devices compute the call
  before: [K, steps, batch, ...] for K rows, without K where they share
  one order. A call has as many steps as fit in 256 MB, at least one.

  Attributes: as `DeviceFeed`.
  """

  def __init__(
    self,
    dataset: types.Batch,
    setup: Setup,
    key: jax.Array,
    seeds: np.ndarray,
  ):
    """Starts no work yet; see `make_feed` for the arguments."""
    self.shared: dict[str, Any] = {}
    self._setup = setup
    self._dataset = jax.tree.map(np.asarray, dataset)
    self._sharding = NamedSharding(setup.mesh, setup.batch_spec())
    is_shared = setup.plan.data_order == "shared"
    self._row_axes = () if is_shared else (len(seeds),)
    example_bytes = sum(
      array[:1].nbytes for array in jax.tree.leaves(self._dataset)
    )
    step_bytes = (
      example_bytes * setup.plan.batch_size * math.prod(self._row_axes)
    )
    longest = min(
      setup.machine.steps_per_call or setup.steps_per_epoch,
      max(_BYTES_PER_CALL // step_bytes, 1),
    )
    # All calls of an epoch are about equally long, because all have batches of
    # one shape, and a short call would gather batches that nobody uses.
    num_calls = -(-setup.steps_per_epoch // longest)
    self.max_steps = -(-setup.steps_per_epoch // num_calls)
    self._epoch_order = functools.lru_cache(maxsize=2)(
      _order_on_host(setup, key, seeds, trees.num_rows(dataset))
    )
    self._thread = futures.ThreadPoolExecutor(max_workers=1)
    self._coming: dict[int, futures.Future[types.Batch]] = {}

  def shapes(self) -> tuple[types.Batch, ...]:
    """Returns what `batches` returns, as `jax.ShapeDtypeStruct`."""
    return (
      jax.tree.map(
        lambda array: jax.ShapeDtypeStruct(
          (*self._leading_axes, *array.shape[1:]), _device_dtype(array)
        ),
        self._dataset,
      ),
    )

  def batches(self, done: int) -> tuple[types.Batch, ...]:
    """Returns the batches of the call that begins at step `done`.

    Starts gathering those of the next call.
    """
    coming = self._coming.pop(done, None) or self._start_gathering(done)
    num_steps = min(self.max_steps, self._setup.steps_until_stop(done))
    batches = coming.result()
    if done + num_steps < self._setup.num_steps:
      following = done + num_steps
      self._coming = {following: self._start_gathering(following)}
    return (batches,)

  def close(self) -> None:
    """Ends the thread."""
    self._thread.shutdown(cancel_futures=True)

  @property
  def _leading_axes(self) -> tuple[int, ...]:
    return (*self._row_axes, self.max_steps, self._setup.plan.batch_size)

  def _start_gathering(self, done: int) -> futures.Future[types.Batch]:
    return self._thread.submit(self._gather, done)

  def _gather(self, done: int) -> types.Batch:
    steps_per_epoch = self._setup.steps_per_epoch
    epoch, first = divmod(done, steps_per_epoch)
    # All calls have batches of one shape. Beyond the end of the epoch the last
    # step is repeated; the program does not compute it.
    steps = np.minimum(
      np.arange(first, first + self.max_steps), steps_per_epoch - 1
    )
    order = self._epoch_order(epoch)[..., steps, :]

    def gather(array):
      def part_of_device(index):
        examples = array[order[index[: order.ndim]]]
        return examples.astype(_device_dtype(array), copy=False)

      return jax.make_array_from_callback(
        order.shape + array.shape[1:], self._sharding, part_of_device
      )

    return jax.tree.map(gather, self._dataset)


def make_feed(
  dataset: types.Batch,
  setup: Setup,
  key: jax.Array,
  seeds: np.ndarray,
) -> DeviceFeed | HostFeed:
  """Returns the feed that the machine settings ask for; close it after use.

  Args:
    dataset: {name: array [examples, ...]}.
    setup: of the loop.
    key: of the order of examples.
    seeds: i32[rows].
  """
  if setup.machine.feed == "host":
    return HostFeed(dataset, setup, key, seeds)
  return DeviceFeed(dataset, setup)


def _order_on_host(setup, key, seeds, num_examples):
  """Returns epoch -> i32[rows, steps, batch], without rows if shared."""
  # On an accelerator the order would wait behind the steps. There is no CPU
  # device where JAX_PLATFORMS leaves it out.
  try:
    cpu = jax.local_devices(backend="cpu")[0]
  except RuntimeError:
    cpu = jax.local_devices()[0]
  key = jax.device_put(key, cpu)
  is_shared = setup.plan.data_order == "shared"

  def on_host(epoch: int) -> np.ndarray:
    with jax.default_device(cpu):
      order = np.asarray(
        _orders(key, seeds, np.int32(epoch), num_examples, setup.compiled())
      )
    return order[0] if is_shared else order

  return on_host


@functools.partial(jax.jit, static_argnames=("num_examples", "setup"))
def _orders(key, seeds, epoch, num_examples, setup):
  """Returns i32[rows, steps, batch]."""
  order = jax.vmap(
    lambda seed: programs.epoch_order(setup, key, seed, epoch, num_examples)
  )(seeds)
  return order.reshape(*order.shape[:2], -1)


def _device_dtype(array: np.ndarray) -> Any:
  """The dtype that JAX gives an array, e.g. 32 bits for 64."""
  return jax.dtypes.canonicalize_dtype(array.dtype)
