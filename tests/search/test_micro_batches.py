"""A batch in parts, one after the other, is the batch at once."""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import search
from structcomp_jax.engine import micro_batches

from . import tiny

pytestmark = pytest.mark.usefixtures("optimised")

# Sums over parts of a batch add up in another order.
CLOSE = {"rtol": 1e-5, "atol": 1e-6}
CONFIG = search.SearchConfig(
  num_epochs=2,
  batch_size=8,
  learning_rates=(0.2,),
  penalties=(1e-2,),
  seeds=(0, 1),
)
SAMPLED = {"relaxation": "gumbel_sigmoid", "num_mask_samples": 2}


def drawing_loss(params, batch):
  """A loss that weighs examples at random."""
  weights = jax.vmap(jax.random.uniform)(batch["key"])
  return jnp.mean(weights * tiny.metrics_fn(params, batch)["loss"])


def logits(num_parts, loss_fn=tiny.loss_fn, dataset=tiny.DATASET, **changes):
  """Returns what a search finds, on one device if not said otherwise."""
  devices = jax.devices()[: changes.pop("num_devices", 1)]
  config = dataclasses.replace(CONFIG, micro_batches=num_parts, **changes)
  return jax.device_get(
    search.run(
      loss_fn,
      tiny.NETWORK.params,
      tiny.SPEC,
      dataset,
      config,
      key=tiny.KEY,
      devices=devices,
    ).mask_logits
  )


@pytest.mark.parametrize(
  "changes",
  [
    {},
    SAMPLED,
    {"vmap_width": 1},
    {"two_sided": True, "dataset": tiny.TWO_TASKS},
    {"loss_draws": True, "loss_fn": drawing_loss},
    {"num_devices": 4, "data_devices": 2},
    {"num_devices": 4, "data_devices": 2, **SAMPLED},
    {"clip_norm": 1e-3},
  ],
  ids=lambda changes: "-".join(changes) or "plain",
)
def test_parts_of_a_batch_give_the_logits_of_the_batch(changes):
  whole = logits(1, **changes)
  chex.assert_trees_all_close(logits(2, **changes), whole, **CLOSE)
  # Else a loss that saw one part alone would do as well.
  assert not np.allclose(
    whole["hidden"], logits(1, batch_size=4, **changes)["hidden"], atol=1e-2
  )


def test_every_mask_sample_sees_its_examples_in_all_parts():
  """Four examples of each sample, not the first half of one alone."""
  learner = search.MaskLearner(
    tiny.loss_fn,
    None,
    tiny.SPEC,
    dataclasses.replace(CONFIG, **SAMPLED).objective(),
  )
  parts = learner.parts({"x": jnp.arange(8)}, 2)
  assert parts["x"].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7]]


def test_gradients_of_low_precision_are_added_up_in_float32():
  parts = {"x": jnp.ones((300, 1), jnp.bfloat16)}

  def loss_fn(weight, fixed, part):
    return jnp.mean(weight * part["x"]).astype(jnp.float32)

  gradient = jax.grad(
    lambda weight: micro_batches.mean_loss(loss_fn, weight, None, parts)
  )(jnp.bfloat16(1.0))
  # In bfloat16, 256 + 1 is 256.
  assert gradient.dtype == jnp.bfloat16
  assert float(gradient) == 1.0


def test_a_batch_in_parts_takes_the_memory_of_a_part():
  weight = jnp.ones((8, 8))

  def loss_fn(weight, fixed, part):
    hidden = part["x"]
    for _ in range(8):
      hidden = jnp.tanh(hidden @ weight)
    return jnp.mean(hidden)

  def temporary(num_parts):
    parts = {"x": jnp.ones((num_parts, 4096 // num_parts, 8))}
    gradient = jax.grad(
      functools.partial(
        lambda weight, parts: micro_batches.mean_loss(
          loss_fn, weight, None, parts
        ),
        parts=parts,
      )
    )
    compiled = jax.jit(gradient).lower(weight).compile()
    return compiled.memory_analysis().temp_size_in_bytes

  assert temporary(8) < temporary(1) / 4
