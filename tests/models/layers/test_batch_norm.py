"""Batch norm: running statistics in use, those of the batch in training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax.models.layers.batch_norm import STATISTICS, BatchNorm

IMAGES = 3 + 2 * jax.random.normal(jax.random.key(0), (4, 3, 2, 5))


@pytest.fixture
def params():
  fresh = BatchNorm().init(jax.random.key(0), IMAGES)["params"]
  keys = jax.random.split(jax.random.key(1), 4)
  return {
    name: leaf + jax.random.uniform(key, leaf.shape)
    for key, (name, leaf) in zip(keys, sorted(fresh.items()), strict=True)
  }


def normalised(params, mean, variance):
  scaled = (IMAGES - mean) / np.sqrt(variance + 1e-5)
  return params["scale"] * scaled + params["bias"]


def test_running_statistics_are_used(params):
  found = BatchNorm().apply({"params": params}, IMAGES)
  expected = normalised(params, params["mean"], params["variance"])
  np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_statistics_of_the_batch_are_used_and_handed_out(params):
  found, updated = BatchNorm().apply(
    {"params": params}, IMAGES, mutable=[STATISTICS]
  )
  flat = np.asarray(IMAGES).reshape(-1, 5)
  expected = normalised(params, flat.mean(0), flat.var(0))
  np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(
    updated[STATISTICS]["mean"], flat.mean(0), rtol=1e-5
  )
  np.testing.assert_allclose(
    updated[STATISTICS]["variance"], flat.var(0, ddof=1), rtol=1e-5
  )


def test_nothing_is_learned_of_running_statistics(params):
  def loss(params):
    found, _ = BatchNorm().apply(
      {"params": params}, IMAGES, mutable=[STATISTICS]
    )
    return jnp.square(found).sum()

  gradient = jax.grad(loss)(params)
  assert not gradient["mean"].any()
  assert not gradient["variance"].any()
  assert gradient["scale"].all()
