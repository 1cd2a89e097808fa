"""Devices that share the batches of a candidate find what one device finds."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import masks, search
from structcomp_jax.engine import batching, parallel
from structcomp_jax.models.layers import convolution
from structcomp_jax.search import learner

from . import tiny

pytestmark = pytest.mark.usefixtures("optimised")

# Sums over parts of a batch add up in another order.
CLOSE = {"rtol": 1e-5, "atol": 1e-6}
# Two chunks of four examples, each with its own mask sample.
CONFIG = search.SearchConfig(
  num_epochs=2,
  batch_size=8,
  num_mask_samples=2,
  relaxation="gumbel_sigmoid",
  learning_rates=(0.2,),
  # Adam does not see the scale of a gradient, but that of a sum of two.
  penalties=(1e-2,),
  seeds=(0, 1),
)
# 14 examples: neither a multiple of the batch size nor of the devices.
DATASET = jax.tree.map(lambda array: np.asarray(array)[:14], tiny.DATASET)


def run(num_devices, **changes):
  """Returns the result of a search with validation."""
  return tiny.run(
    dataclasses.replace(CONFIG, **changes),
    dataset=DATASET,
    validation=jax.tree.map(lambda array: array[:13], DATASET),
    metrics_fn=tiny.metrics_fn,
    devices=jax.devices()[:num_devices],
  )


@pytest.fixture(scope="module")
def alone():
  return run(1)


@pytest.fixture(scope="module")
def shared():
  """Two candidates with four devices each."""
  return run(8, data_devices=4)


def test_shared_batches_give_the_logits_of_one_device(alone, shared):
  sharding = shared.mask_logits["hidden"].sharding
  assert sharding.mesh.devices.shape == (2, 4)
  chex.assert_trees_all_close(
    jax.device_get(shared.mask_logits),
    jax.device_get(alone.mask_logits),
    **CLOSE,
  )


def test_shared_batches_give_the_history_of_one_device(alone, shared):
  assert len(shared.history) == len(alone.history) == 4
  for row, expected in zip(shared.history, alone.history, strict=True):
    assert row == pytest.approx(expected, rel=1e-4)


def test_batches_from_the_host_give_the_same_bits(shared):
  from_host = run(8, data_devices=4, feed="host")
  chex.assert_trees_all_equal(from_host.mask_logits, shared.mask_logits)


def test_shared_batches_are_those_of_one_device_in_a_loop_over_draws(
  monkeypatch,
):
  monkeypatch.setattr(learner, "_MOST_WRITTEN_OUT", 0)
  # Settings of their own, so that no compiled program is used again.
  found = run(8, data_devices=4, num_epochs=3)
  expected = run(1, num_epochs=3)
  chex.assert_trees_all_close(
    jax.device_get(found.mask_logits),
    jax.device_get(expected.mask_logits),
    **CLOSE,
  )


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_mean_over_a_data_axis_counts_every_example_once(batch_size):
  mesh = parallel.row_mesh(1, data_devices=4)

  def mean(row, dataset):
    return (
      row
      + batching.mean_over(
        lambda batch: {"x": batch["x"]},
        dataset,
        batch_size,
        data_axis=parallel.DATA_AXIS,
      )["x"]
    )

  program = parallel.over_rows(mean, mesh)
  values = np.random.default_rng(0).normal(size=13).astype(np.float32)
  result = program(np.zeros(1, np.float32), {"x": values})
  np.testing.assert_allclose(result, [values.mean()], rtol=1e-5)


def test_convolutions_learn_the_same_masks():
  """Their gradient is our own, and has to be summed over the devices."""
  generator = np.random.default_rng(0)
  params = {
    "first": generator.normal(size=(3, 3, 2, 4)).astype(np.float32),
    "second": generator.normal(size=(1, 1, 4, 3)).astype(np.float32),
  }
  dataset = {
    "images": generator.normal(size=(16, 6, 6, 2)).astype(np.float32),
    "label": generator.normal(size=(16, 3)).astype(np.float32),
  }

  def loss_fn(params, batch):
    hidden = convolution.convolve(batch["images"], params["first"], 2)
    outputs = convolution.convolve(jax.nn.relu(hidden), params["second"])
    return jnp.mean((jnp.mean(outputs, (1, 2)) - batch["label"]) ** 2)

  def logits(num_devices, data_devices):
    return jax.device_get(
      search.run(
        loss_fn,
        params,
        masks.select(params, [(".*", "weight")]),
        dataset,
        search.SearchConfig(
          num_epochs=1,
          batch_size=4,
          learning_rates=(0.1,),
          penalties=(1e-3,),
          seeds=(0, 1, 2, 3),
          data_devices=data_devices,
          vmap_width=1,
        ),
        key=tiny.KEY,
        devices=jax.devices()[:num_devices],
      ).mask_logits
    )

  chex.assert_trees_all_close(logits(1, 1), logits(4, 2), **CLOSE)
