"""Batches in memory: every example once, whatever the batch size."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax.engine import batching
from structcomp_jax.types import UserError

DATASET = {
  "x": np.arange(14, dtype=np.float32).reshape(7, 2),
  "y": np.arange(7),
}


def sums(batch):
  """Per-example metrics."""
  return {"sum": jnp.sum(batch["x"], axis=1), "y": batch["y"]}


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, jnp.bfloat16])
def test_devices_of_a_cpu_share_an_array(dtype):
  array = batching.empty((3, 5), dtype)
  array[:] = 1
  for device in jax.devices():
    copy = jax.device_put(array, device)
    assert copy.unsafe_buffer_pointer() == array.ctypes.data
  assert batching.empty((0, 5), dtype).shape == (0, 5)


def test_take_keeps_examples_together():
  batch = batching.take(DATASET, jnp.array([6, 0, 6]))
  np.testing.assert_array_equal(batch["y"], [6, 0, 6])
  np.testing.assert_array_equal(batch["x"], [[12, 13], [0, 1], [12, 13]])


@pytest.mark.parametrize(("batch_size", "steps"), [(1, 7), (3, 2), (7, 1)])
def test_steps_per_epoch_counts_full_batches(batch_size, steps):
  assert batching.steps_per_epoch(DATASET, batch_size) == steps


@pytest.mark.parametrize("batch_size", [0, -1, 8])
def test_batch_size_that_does_not_fit_is_refused(batch_size):
  with pytest.raises(
    UserError,
    match=f"batch_size {batch_size} does not fit 7 training examples; "
    "choose 1 to 7",
  ):
    batching.steps_per_epoch(DATASET, batch_size)


def test_epoch_order_takes_no_example_twice_and_leaves_a_remainder_out():
  order = batching.epoch_order(jax.random.key(0), jnp.int32(0), 100, 9)
  chex.assert_shape(order, (11, 9))
  assert len(np.unique(order)) == 99
  assert set(np.unique(order)) < set(range(100))


def test_epoch_order_depends_on_key_and_epoch_alone():
  def order(key, epoch):
    return np.asarray(
      batching.epoch_order(jax.random.key(key), jnp.int32(epoch), 50, 7)
    )

  np.testing.assert_array_equal(order(0, 3), order(0, 3))
  assert (order(0, 3) != order(0, 4)).any()
  assert (order(0, 3) != order(1, 3)).any()


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 100])
def test_per_example_does_not_depend_on_the_batch_size(batch_size):
  values = batching.per_example(sums, DATASET, batch_size)
  np.testing.assert_array_equal(values["sum"], DATASET["x"].sum(axis=1))
  np.testing.assert_array_equal(values["y"], DATASET["y"])


def test_mean_over_counts_every_example_once():
  means = batching.mean_over(sums, DATASET, 4)
  assert float(means["sum"]) == pytest.approx(13.0)
  assert float(means["y"]) == pytest.approx(3.0)
