"""The feed-forward network: published sizes, its formula, initial weights."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import trees
from structcomp_jax.models.mlp import Mlp, MlpConfig
from structcomp_jax.types import UserError

from . import tiny


@pytest.mark.parametrize(
  ("num_inputs", "hidden_sizes", "num_outputs", "published"),
  # Csordás et al. 2021: weights without biases.
  [
    (42, (400, 400, 200), 20, 260_800),
    (42, (800,) * 4, 20, 1_969_600),
    (42, (2000,) * 4, 20, 12_124_000),
    (42, (4000,) * 4, 20, 48_248_000),
    (80, (800,) * 4, 40, 2_016_000),
    (80, (2000,) * 4, 40, 12_240_000),
  ],
)
def test_numbers_of_weights_are_the_published_ones(
  num_inputs, hidden_sizes, num_outputs, published
):
  model = Mlp(MlpConfig(num_inputs, hidden_sizes, num_outputs))
  assert tiny.num_weights(model, tiny.features(1, num_inputs)) == published


def test_it_is_dense_layers_with_relu_between_them():
  model, inputs = Mlp(tiny.MLP), tiny.features(4, 6)
  variables = tiny.spread(model.init(jax.random.key(0), inputs))
  expected = inputs["features"]
  for stage in model.stages:
    layer = variables["params"][stage]
    expected = expected @ layer["kernel"] + layer["bias"]
    if stage != "output":
      expected = np.maximum(expected, 0)
  assert (expected < 0).any()  # There is no ReLU after the last layer.
  chex.assert_trees_all_close(
    model.apply(variables, inputs), expected, atol=1e-5
  )


def test_initial_weights_and_biases_are_those_of_pytorch():
  model = Mlp(MlpConfig(400, (300, 200), 100))
  params = jax.jit(model.init)(jax.random.key(0), tiny.features(1, 400))
  leaves = trees.leaves_by_path(params["params"])
  for stage, inputs in (("layer_0", 400), ("layer_1", 300), ("output", 200)):
    for kind in ("kernel", "bias"):
      leaf = leaves[f"{stage}/{kind}"]
      assert float(jnp.abs(leaf).max()) <= inputs**-0.5
      np.testing.assert_allclose(leaf.std(), (3 * inputs) ** -0.5, rtol=0.15)


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"hidden_sizes": ()}, r"hidden_sizes is \(\)"),
    ({"hidden_sizes": (4, 0)}, r"hidden_sizes is \(4, 0\)"),
    ({"num_outputs": 0}, "num_outputs is 0"),
  ],
)
def test_unusable_config_is_refused(change, message):
  with pytest.raises(UserError, match=message):
    dataclasses.replace(tiny.MLP, **change)
