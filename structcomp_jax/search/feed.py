"""How the batches of the coming steps reach the devices.

The order of the examples is the same either way, and so are the results.
"""

import functools
from concurrent import futures
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding

from structcomp_jax import trees, types
from structcomp_jax.engine import batching
from structcomp_jax.search import programs, step
from structcomp_jax.search.config import SearchConfig

# What the batches of one call may take in the host's memory and on all devices
# together; two calls overlap.
_BYTES_PER_CALL = 2**28


class DeviceFeed:
  """The whole data set lies on every device, and each step takes its batch.

  Attributes:
    shared: what the program reads at every call.
    steps_per_epoch: steps of an epoch.
    max_steps: steps of a call, at most.
  """

  def __init__(self, dataset: types.Batch, config: SearchConfig):
    """Raises UserError if the data set is smaller than one batch."""
    self.shared = {"dataset": dataset}
    self.steps_per_epoch = batching.steps_per_epoch(dataset, config.batch_size)
    self.max_steps = config.steps_per_call or self.steps_per_epoch

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
  before: [K, steps, batch, ...] for K candidates, without K where they share
  one order. A call has as many steps as fit in 256 MB, at least one.

  Attributes: as `DeviceFeed`.
  """

  def __init__(
    self,
    dataset: types.Batch,
    config: SearchConfig,
    key: jax.Array,
    mesh: Mesh,
  ):
    """Raises UserError if the data set is smaller than one batch."""
    self.shared: dict[str, Any] = {}
    self.steps_per_epoch = batching.steps_per_epoch(dataset, config.batch_size)
    self._dataset = jax.tree.map(np.asarray, dataset)
    self._sharding = NamedSharding(mesh, programs.batch_spec(config))
    seeds = np.asarray(config.candidates().seed)
    is_shared = config.data_order == "shared"
    self._num_candidates = () if is_shared else (len(seeds),)
    self._batch_size = config.batch_size
    example_bytes = sum(
      array[:1].nbytes for array in jax.tree.leaves(self._dataset)
    )
    step_bytes = (
      example_bytes * config.batch_size * (1 if is_shared else len(seeds))
    )
    longest = min(
      config.steps_per_call or self.steps_per_epoch,
      max(_BYTES_PER_CALL // step_bytes, 1),
    )
    # Calls of one length: the last of an epoch would be filled up.
    num_calls = -(-self.steps_per_epoch // longest)
    self.max_steps = -(-self.steps_per_epoch // num_calls)
    self._last_step = self.steps_per_epoch * config.num_epochs
    self._epoch_order = functools.lru_cache(maxsize=2)(
      _order_on_host(key, seeds, trees.num_rows(dataset), config)
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
    end = done + self.max_steps
    # A call ends with its epoch.
    epoch_end = (done // self.steps_per_epoch + 1) * self.steps_per_epoch
    following = min(end, epoch_end)
    batches = coming.result()
    if following < self._last_step:
      self._coming = {following: self._start_gathering(following)}
    return (batches,)

  def close(self) -> None:
    """Ends the thread."""
    self._thread.shutdown(cancel_futures=True)

  @property
  def _leading_axes(self) -> tuple[int, ...]:
    return (*self._num_candidates, self.max_steps, self._batch_size)

  def _start_gathering(self, done: int) -> futures.Future[types.Batch]:
    return self._thread.submit(self._gather, done)

  def _gather(self, done: int) -> types.Batch:
    epoch, first = divmod(done, self.steps_per_epoch)
    # Beyond the epoch's end the last step is repeated, and not computed.
    steps = np.minimum(
      np.arange(first, first + self.max_steps), self.steps_per_epoch - 1
    )
    order = self._epoch_order(epoch)[..., steps, :]

    def gather(array):
      def of_one_device(index):
        examples = array[order[index[: order.ndim]]]
        return examples.astype(_device_dtype(array), copy=False)

      return jax.make_array_from_callback(
        order.shape + array.shape[1:], self._sharding, of_one_device
      )

    return jax.tree.map(gather, self._dataset)


def make_feed(
  dataset: types.Batch, config: SearchConfig, key: jax.Array, mesh: Mesh
) -> DeviceFeed | HostFeed:
  """Returns the feed that `config` asks for; close it after use.

  >>> from structcomp_jax.engine import parallel
  >>> config, key = SearchConfig(batch_size=4), jax.random.key(0)
  >>> feed = make_feed({"x": np.zeros(8)}, config, key, parallel.row_mesh(1))
  >>> feed.steps_per_epoch
  2
  >>> feed.close()
  """
  if config.feed == "host":
    return HostFeed(dataset, config, key, mesh)
  return DeviceFeed(dataset, config)


def _order_on_host(key, seeds, num_examples, config):
  """Returns a function epoch -> i32[K, steps, batch] or i32[steps, batch]."""
  # Where it waits for no search step, if JAX_PLATFORMS allows it.
  try:
    cpu = jax.local_devices(backend="cpu")[0]
  except RuntimeError:
    cpu = jax.local_devices()[0]
  key = jax.device_put(key, cpu)
  is_shared = config.data_order == "shared"
  config = programs.as_compiled(config)

  def on_host(epoch: int) -> np.ndarray:
    with jax.default_device(cpu):
      order = np.asarray(
        _orders(key, seeds, np.int32(epoch), num_examples, config)
      )
    return order[0] if is_shared else order

  return on_host


@functools.partial(jax.jit, static_argnames=("num_examples", "config"))
def _orders(key, seeds, epoch, num_examples, config):
  """Returns i32[K, steps, batch]."""
  order = jax.vmap(
    lambda seed: step.epoch_order(key, seed, epoch, num_examples, config)
  )(seeds)
  return order.reshape(*order.shape[:2], -1)


def _device_dtype(array: np.ndarray) -> Any:
  """The dtype that JAX gives an array, e.g. 32 bits for 64."""
  return jax.dtypes.canonicalize_dtype(array.dtype)
