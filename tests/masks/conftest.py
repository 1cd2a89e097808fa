"""Mask arithmetic must be explicit about dtypes and ranks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import masks

RULES = (
  ("conv", "weight", -1),
  ("dense/kernel", "neuron"),
  (".*", "frozen"),
)


@pytest.fixture(autouse=True)
def strict_promotion():
  """Forbids implicit dtype and rank promotion."""
  with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
    yield


@pytest.fixture
def params():
  """A float32 kernel by weight, a bfloat16 one by neuron, a frozen bias."""
  generator = np.random.default_rng(0)
  conv = generator.normal(size=(3, 2, 5)).astype(np.float32)
  conv[0, 0, :2] = [-0.0, np.inf]  # bits that arithmetic would change
  kernel = generator.normal(size=(5, 4)).astype(np.float32)
  return {
    "conv": jnp.asarray(conv),
    "dense": {
      "bias": jnp.ones(4),
      "kernel": jnp.asarray(kernel, jnp.bfloat16),
    },
  }


@pytest.fixture
def spec(params):
  """The spec of `params` under `RULES`."""
  return masks.select(params, RULES)


@pytest.fixture
def mask(spec):
  """A mask that keeps a third of the convolution and half the neurons."""
  conv = np.arange(30).reshape(3, 2, 5) % 3 == 0
  neurons = np.array([[True, False, False, True]])
  return {"conv": jnp.asarray(conv), "dense/kernel": jnp.asarray(neurons)}
