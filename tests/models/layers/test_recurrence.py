"""LSTM cells against their formula, and their initial weights."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from structcomp_jax.models.layers import recurrence

from .. import formula

NUM_INPUTS, NUM_UNITS = 3, 4


@pytest.fixture(scope="module")
def weights():
  random = np.random.default_rng(0)
  shapes = (NUM_INPUTS, 4 * NUM_UNITS), (NUM_UNITS, 4 * NUM_UNITS)
  return recurrence.Weights(
    *(
      jnp.asarray(random.standard_normal(shape, np.float32))
      for shape in (*shapes, (4 * NUM_UNITS,))
    )
  )


@pytest.fixture(scope="module")
def inputs():
  """Returns f32[items, steps, features]."""
  random = np.random.default_rng(1)
  return random.standard_normal((2, 6, NUM_INPUTS), np.float32)


@pytest.mark.parametrize("num_steps", [1, 2, 6])
def test_short_runs_follow_the_formula(weights, inputs, num_steps):
  """One step starts from zeros, without a product."""
  outputs = recurrence.run_short(weights, inputs[:, :num_steps])
  chex.assert_shape(outputs, (2, num_steps, NUM_UNITS))
  expected, _ = formula.lstm(*weights, inputs[:, :num_steps])
  chex.assert_trees_all_close(outputs, expected, atol=1e-5)


@pytest.mark.parametrize("lengths", [(6, 6), (2, 5), (0, 1)])
def test_long_runs_stop_at_the_length_of_each_sequence(
  weights, inputs, lengths
):
  is_read = np.arange(6) < np.array(lengths)[:, None]
  outputs, last = recurrence.run_long(weights, inputs, jnp.asarray(is_read))
  for item, length in enumerate(lengths):
    one = slice(item, item + 1)
    expected, state = formula.lstm(*weights, inputs[one, :length])
    chex.assert_trees_all_close(outputs[one, :length], expected, atol=1e-5)
    chex.assert_trees_all_close(
      jax.tree.map(lambda leaf, one=one: leaf[one], tuple(last)),
      state,
      atol=1e-5,
    )


def test_what_is_not_read_has_no_gradient(weights, inputs):
  is_read = jnp.arange(6) < jnp.array([[2], [5]])

  def total(inputs):
    _, last = recurrence.run_long(weights, inputs, is_read)
    return last.hidden.sum() + last.memory.sum()

  gradient = jax.jit(jax.grad(total))(inputs)
  reaches = jnp.abs(gradient).max(-1) > 0
  chex.assert_trees_all_equal(reaches, is_read)


@pytest.mark.parametrize("sharded", ["inputs", "weights", "recurrent"])
def test_long_runs_on_several_devices(weights, inputs, sharded):
  """Only some of what the loop reads may differ between the devices."""
  mesh = jax.sharding.Mesh(jax.devices()[:2], ("data",))
  row, same = PartitionSpec("data"), PartitionSpec()
  stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf * 0.5]), weights)
  if sharded == "recurrent":
    stacked = stacked._replace(input=stacked.input[:1], bias=stacked.bias[:1])
  specs = {
    "inputs": (same, row),
    "weights": (row, same),
    "recurrent": (recurrence.Weights(same, row, same), same),
  }[sharded]

  def run(weights, inputs):
    one = jax.tree.map(lambda leaf: leaf[0], weights)
    is_read = jnp.ones(inputs.shape[:2], bool)
    return recurrence.run_long(one, inputs, is_read)[0]

  actual = jax.jit(
    jax.shard_map(run, mesh=mesh, in_specs=specs, out_specs=row)
  )(stacked, inputs)
  first = recurrence.run_short(weights, inputs)
  if sharded == "inputs":
    expected = first
  else:
    second = jax.tree.map(lambda leaf: leaf[-1], stacked)
    expected = jnp.concatenate([first, recurrence.run_short(second, inputs)])
  chex.assert_trees_all_close(actual, expected, atol=1e-5)


def test_bfloat16_weights_compute_in_bfloat16(inputs):
  cell = recurrence.Cell(NUM_INPUTS, NUM_UNITS, jnp.bfloat16)
  variables = cell.init(jax.random.key(0))
  chex.assert_type(jax.tree.leaves(variables), jnp.float32)
  outputs = recurrence.run_short(cell.apply(variables), inputs)
  chex.assert_type(outputs, jnp.bfloat16)


@functools.cache
def initial(num_inputs, num_units):
  cell = recurrence.Cell(num_inputs, num_units)
  return cell.apply(jax.jit(cell.init)(jax.random.key(0)))


@pytest.mark.parametrize(("num_inputs", "num_units"), [(100, 80), (40, 160)])
def test_initial_weights_are_the_published_ones(num_inputs, num_units):
  """Csordás et al. 2021; gates lie in the order input, forget, cell, output."""
  weights = initial(num_inputs, num_units)
  assert weights.input.shape == (num_inputs, 4 * num_units)
  for gate, block in enumerate(jnp.split(weights.input, 4, axis=1)):
    gain = 5 / 3 if gate == 2 else 1.0
    expected = gain * (num_inputs + num_units) ** -0.5
    np.testing.assert_allclose(block.std(), expected, rtol=0.06)
  for gate, block in enumerate(jnp.split(weights.recurrent, 4, axis=1)):
    if gate == 2:
      square = (5 / 3) ** 2 / 2 * np.eye(num_units)
      np.testing.assert_allclose(block.T @ block, square, atol=1e-5)
    else:
      expected = (2 * num_units) ** -0.5
      np.testing.assert_allclose(block.std(), expected, rtol=0.06)
  np.testing.assert_array_equal(
    weights.bias, np.repeat([0.0, 1.0, 0.0, 0.0], num_units)
  )
