"""The LSTM: published sizes, its formula, dropout between cells."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import trees
from structcomp_jax.models.lstm import Lstm, LstmConfig
from structcomp_jax.types import UserError

from . import formula, tiny

MODEL = Lstm(tiny.LSTM)
INPUTS = tiny.features(4, 3, 6)


@pytest.fixture(scope="module")
def variables():
  return tiny.spread(jax.jit(MODEL.init)(jax.random.key(0), INPUTS))


@pytest.mark.parametrize(
  ("num_inputs", "num_outputs", "published"),
  # Csordás et al. 2021: weights without biases.
  [(42, 20, 834_560), (80, 40, 878_592)],
)
def test_numbers_of_weights_are_the_published_ones(
  num_inputs, num_outputs, published
):
  model = Lstm(LstmConfig(num_inputs, num_outputs))
  assert tiny.num_weights(model, tiny.features(1, 3, num_inputs)) == published


def test_parameter_paths_and_shapes(variables):
  leaves = trees.leaves_by_path(variables["params"])
  assert {path: leaf.shape for path, leaf in leaves.items()} == {
    "cell_0/input/kernel": (6, 20),
    "cell_0/recurrent/kernel": (5, 20),
    "cell_0/bias": (20,),
    "cell_1/input/kernel": (5, 20),
    "cell_1/recurrent/kernel": (5, 20),
    "cell_1/bias": (20,),
    "output/kernel": (5, 4),
    "output/bias": (4,),
  }


def test_every_step_is_projected(variables):
  params = variables["params"]
  hidden = INPUTS["features"]
  for stage in ("cell_0", "cell_1"):
    cell = params[stage]
    hidden, _ = formula.lstm(
      cell["input"]["kernel"],
      cell["recurrent"]["kernel"],
      cell["bias"],
      hidden,
    )
  expected = hidden @ params["output"]["kernel"] + params["output"]["bias"]
  actual = jax.jit(MODEL.apply)(variables, INPUTS)
  chex.assert_trees_all_close(actual, expected, atol=1e-5)


def test_dropout_acts_between_cells_at_every_step(variables):
  """A unit of the first cell is dropped, or doubled, for all that comes."""
  model = Lstm(dataclasses.replace(tiny.LSTM, hidden_size=64))
  variables = jax.jit(model.init)(jax.random.key(0), INPUTS)
  rngs = {"dropout": jax.random.key(1)}
  plain = model.apply(variables, INPUTS)
  assert float(jnp.abs(model.apply(variables, INPUTS, rngs=rngs) - plain).max())
  before = model.apply(variables, INPUTS, "cell_1", method="features_before")
  chex.assert_trees_all_equal(
    before,
    model.apply(
      variables, INPUTS, "cell_1", method="features_before", rngs=rngs
    ),
  )
  # The second cell alone, its input the identity: what of it is zero?
  inputs = {"features": jnp.ones((8, 3, 64))}
  passed = jax.grad(
    lambda features: model.apply(
      variables, {"features": features}, "cell_1", method="from_stage",
      rngs=rngs,
    ).sum()
  )(inputs["features"])  # fmt: skip
  is_kept = np.asarray(passed != 0)
  assert abs(is_kept.mean() - 0.5) < 0.05
  assert (is_kept[:, 0] != is_kept[:, 1]).any()
  assert (is_kept[0] != is_kept[1]).any()


def test_without_a_rate_an_rng_changes_nothing(variables):
  model = Lstm(dataclasses.replace(tiny.LSTM, dropout=0.0))
  rngs = {"dropout": jax.random.key(1)}
  chex.assert_trees_all_equal(
    model.apply(variables, INPUTS, rngs=rngs), model.apply(variables, INPUTS)
  )


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"num_layers": 0}, "num_layers is 0"),
    ({"dropout": 1.0}, "dropout is 1.0; give a number from 0 on, below 1"),
    ({"dropout": -0.1}, "dropout is -0.1"),
    ({"dropout": "half"}, "dropout is 'half'"),
  ],
)
def test_unusable_config_is_refused(change, message):
  with pytest.raises(UserError, match=message):
    dataclasses.replace(tiny.LSTM, **change)
