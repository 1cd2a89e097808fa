"""Data sets held in memory: dicts of arrays whose leading axis is the example.

All functions but `empty` are pure and may run inside jit.
"""

import math
import mmap
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import trees, types


def empty(shape: Sequence[int], dtype: Any) -> np.ndarray:
  """Returns an array without content that all devices of a CPU can share.

  >>> array = empty((3, 2), np.float32)
  >>> array.shape, array.ctypes.data % 64
  ((3, 2), 0)

  It begins at a memory page, because `jax.device_put` uses an array in place if
  its address is a multiple of 64, and otherwise copies it for every CPU device.
  """
  size = math.prod(shape) * np.dtype(dtype).itemsize
  pages = mmap.mmap(-1, max(size, 1))
  return np.frombuffer(pages, np.uint8, count=size).view(dtype).reshape(shape)


def take(dataset: types.Batch, indices: jax.Array) -> types.Batch:
  """Returns the examples at `indices` (i32[batch]).

  >>> take({"x": jnp.array([10, 11, 12])}, jnp.array([2, 0]))["x"].tolist()
  [12, 10]
  """
  return jax.tree.map(lambda array: jnp.take(array, indices, axis=0), dataset)


def steps_per_epoch(dataset: types.Batch, batch_size: int) -> int:
  """Returns the number of full batches in an epoch.

  >>> steps_per_epoch({"x": np.zeros((10, 2))}, batch_size=4)
  2

  Examples that do not fill a batch are left out; which ones these are changes
  from epoch to epoch.

  Raises:
    UserError: the data set is smaller than one batch.
  """
  num_examples = trees.num_rows(dataset)
  if not 0 < batch_size <= num_examples:
    raise types.UserError(
      f"batch_size {batch_size} does not fit {num_examples} training "
      f"examples; choose 1 to {num_examples}"
    )
  return num_examples // batch_size


def epoch_order(
  key: jax.Array, epoch: jax.Array, num_examples: int, batch_size: int
) -> jax.Array:
  """Returns the examples of every batch of an epoch, i32[steps, batch_size].

  >>> order = epoch_order(jax.random.key(0), 0, num_examples=10, batch_size=4)
  >>> order.shape, len(set(order.ravel().tolist()))
  ((2, 4), 8)

  Every epoch has another order, a function of `key` and `epoch`.
  """
  order = jax.random.permutation(jax.random.fold_in(key, epoch), num_examples)
  num_steps = num_examples // batch_size
  return order[: num_steps * batch_size].reshape(num_steps, batch_size)


def draws(
  key: jax.Array, steps: jax.Array, num_examples: int, batch_size: int
) -> jax.Array:
  """Returns batches drawn with replacement, i32[steps, batch_size].

  >>> draws(jax.random.key(0), jnp.arange(3), 2, batch_size=4).shape
  (3, 4)

  Args:
    key: folded with the number of the step: a batch depends on nothing else.
    steps: i32[steps], numbers of steps.
    num_examples: size of the training set.
    batch_size: examples per step.
  """
  return jax.vmap(
    lambda step: jax.random.randint(
      jax.random.fold_in(key, step), (batch_size,), 0, num_examples
    )
  )(steps)


def equal_batches(num_examples: int, batch_size: int) -> list[np.ndarray]:
  """Returns the examples of equal batches that cover a data set.

  >>> [rows.tolist() for rows in equal_batches(5, 2)]
  [[0, 1], [2, 3], [4, 0]]

  The last one is filled up with examples from the start, so that one program
  serves all of them.

  Returns:
    i64[batch] for each batch.
  """
  batch_size = min(batch_size, num_examples)
  return [
    np.arange(start, start + batch_size) % num_examples
    for start in range(0, num_examples, batch_size)
  ]


def per_example(
  metrics_fn: Callable[[types.Batch], dict[str, jax.Array]],
  dataset: types.Batch,
  batch_size: int,
) -> dict[str, jax.Array]:
  """Returns per-example metrics of a whole data set, batch by batch.

  >>> dataset = {"x": jnp.arange(5.0)}
  >>> per_example(lambda batch: {"double": 2 * batch["x"]}, dataset, 2)
  {'double': Array([0., 2., 4., 6., 8.], dtype=float32)}

  The last batch is filled up with examples from the start, whose values are
  dropped. So there is one loop body to compile, whatever the sizes.

  Args:
    metrics_fn: batch -> {name: f32[batch, ...]}.
    dataset: arrays [examples, ...].
    batch_size: examples in memory at a time; it changes no value.

  Returns:
    {name: f32[examples, ...]}.
  """
  num_examples = trees.num_rows(dataset)
  return _at_examples(metrics_fn, dataset, batch_size, 0, num_examples)


def mean_over(
  metrics_fn: Callable[[types.Batch], dict[str, jax.Array]],
  dataset: types.Batch,
  batch_size: int,
  *,
  data_axis: str | None = None,
) -> dict[str, jax.Array]:
  """Returns {name: f32[...]}: `per_example`, averaged over the data set.

  >>> dataset = {"x": jnp.arange(5.0)}
  >>> mean_over(lambda batch: {"double": 2 * batch["x"]}, dataset, 2)
  {'double': Array(4., dtype=float32)}

  Args:
    metrics_fn, dataset, batch_size: as for `per_example`.
    data_axis: mesh axis whose devices compute equal parts of the data set.
  """
  if data_axis is None:
    values = per_example(metrics_fn, dataset, batch_size)
    return jax.tree.map(lambda value: jnp.mean(value, axis=0), values)
  num_examples = trees.num_rows(dataset)
  num_own = -(-num_examples // jax.lax.axis_size(data_axis))
  first = jax.lax.axis_index(data_axis) * num_own
  values = _at_examples(metrics_fn, dataset, batch_size, first, num_own)
  is_first_time = first + jnp.arange(num_own) < num_examples

  def mean(value):
    counts = is_first_time.reshape(-1, *(1,) * (value.ndim - 1))
    total = jax.lax.psum(jnp.sum(value, axis=0, where=counts), data_axis)
    return total / num_examples

  return jax.tree.map(mean, values)


def _at_examples(metrics_fn, dataset, batch_size, first, count):
  """Returns metrics of `count` examples from `first` on, cyclically."""
  batch_size = min(batch_size, count)
  num_batches = -(-count // batch_size)
  indices = (first + jnp.arange(num_batches * batch_size)) % trees.num_rows(
    dataset
  )
  values = jax.lax.map(
    lambda rows: metrics_fn(take(dataset, rows)),
    indices.reshape(num_batches, batch_size),
  )
  return jax.tree.map(
    lambda value: value.reshape(-1, *value.shape[2:])[:count], values
  )
