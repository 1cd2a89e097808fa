"""LSTM cells, and how they are run over time.

A cell is a module that holds weights; what is computed with them are functions,
which a loop over time can call.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float

from structcomp_jax import varying
from structcomp_jax.models.layers.dense import product_of_rows

# With this gain, tanh keeps the variance of its inputs: PyTorch's
# `calculate_gain`.
_GAIN_OF_TANH = 5 / 3
# Among the gates input, forget, cell, output.
_FORGET, _CELL = 1, 2


class Weights(NamedTuple):
  """The weights of a cell; gates lie in the order input, forget, cell, output.

  Attributes:
    input: float[inputs, 4 units].
    recurrent: float[units, 4 units].
    bias: float[4 units].
  """

  input: jax.Array
  recurrent: jax.Array
  bias: jax.Array


class State(NamedTuple):
  """What a cell hands on to its next step.

  Attributes:
    hidden: float[N, units], which is the cell's output, too.
    memory: float[N, units].
  """

  hidden: jax.Array
  memory: jax.Array


class Cell(nn.Module):
  """An LSTM cell with one vector of biases.

  Attributes:
    num_inputs: width of the input.
    num_units: width of the state.
    dtype: of the computation; parameters are float32 always.
  """

  num_inputs: int
  num_units: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(self) -> Weights:
    """Returns the weights, in `dtype`.

    Those of inputs start with variance 1 / (inputs + units), recurrent ones
    with 1 / (2 units). Those of the cell gate are larger by the gain of tanh,
    and its recurrent ones are orthogonal. Forget gates start open.
    """
    inputs, units = self.num_inputs, self.num_units
    weights = Weights(
      _Kernel((inputs, 4 * units), _initial_input, name="input")(),
      _Kernel((units, 4 * units), _initial_recurrent, name="recurrent")(),
      self.param("bias", _initial_bias, (4 * units,)),
    )
    return Weights(*(leaf.astype(self.dtype) for leaf in weights))


def gates(
  weights: Weights, inputs: Float[Array, "... inputs"]
) -> Float[Array, "... four_units"]:
  """Returns what the inputs add to the gates, at all steps in one product."""
  inputs = inputs.astype(weights.input.dtype)
  return product_of_rows(inputs, weights.input, None) + weights.bias


def step(
  weights: Weights,
  from_inputs: Float[Array, "batch four_units"],
  state: State | None,
) -> State:
  """Takes one step.

  Args:
    weights: of the cell.
    from_inputs: what the inputs of this step add to the gates.
    state: before this step; None means zeros, and saves a product.
  """
  total = from_inputs
  if state is not None:
    total = total + state.hidden @ weights.recurrent
  enter, forget, cell, output = jnp.split(total, 4, axis=-1)
  memory = jax.nn.sigmoid(enter) * jnp.tanh(cell)
  if state is not None:
    memory = memory + jax.nn.sigmoid(forget) * state.memory
  return State(jax.nn.sigmoid(output) * jnp.tanh(memory), memory)


def run_short(
  weights: Weights, inputs: Float[Array, "batch time inputs"]
) -> Float[Array, "batch time units"]:
  """Returns the outputs of all steps, from a state of zeros.

  The loop is unrolled: with three and six steps of 256 units, a gradient then
  takes 0.7 times as long on a CPU as with `lax.scan`
  (docs/design/recurrent_models.md).
  """
  state, outputs = None, []
  for one in jnp.unstack(gates(weights, inputs), axis=1):
    state = step(weights, one, state)
    outputs.append(state.hidden)
  return jnp.stack(outputs, axis=1)


def run_long(
  weights: Weights,
  inputs: Float[Array, "batch time inputs"],
  is_read: Bool[Array, "batch time"],
) -> tuple[Float[Array, "batch time units"], State]:
  """Runs a cell over sequences of different lengths, from a state of zeros.

  Args:
    weights: of the cell.
    inputs: of all steps.
    is_read: true at the steps that count; others leave the state as it is.

  Returns:
    The hidden state after every step, and the last state of all.
  """
  now = gates(weights, inputs)
  zeros = jnp.zeros((len(now), weights.recurrent.shape[0]), now.dtype)
  start = varying.with_axes_of(State(zeros, zeros), (weights, now, is_read))

  def advance(state, at_step):
    now, is_read = at_step
    after = step(weights, now, state)
    state = jax.tree.map(
      lambda new, old: jnp.where(is_read[:, None], new, old), after, state
    )
    return state, state.hidden

  last, outputs = jax.lax.scan(
    advance, start, (now.swapaxes(0, 1), is_read.swapaxes(0, 1))
  )
  return outputs.swapaxes(0, 1), last


class _Kernel(nn.Module):
  """A kernel with a path of its own."""

  shape: tuple[int, int]
  initializer: nn.initializers.Initializer

  @nn.compact
  def __call__(self) -> jax.Array:
    return self.param("kernel", self.initializer, self.shape)


def _initial_input(key, shape, dtype=jnp.float32):
  inputs, units = shape[0], shape[1] // 4
  kernel = jax.random.normal(key, shape, dtype) * (inputs + units) ** -0.5
  return kernel.at[:, _columns(_CELL, units)].multiply(_GAIN_OF_TANH)


def _initial_recurrent(key, shape, dtype=jnp.float32):
  units = shape[0]
  key, cell_key = jax.random.split(key)
  kernel = jax.random.normal(key, shape, dtype) * (2 * units) ** -0.5
  orthogonal = nn.initializers.orthogonal(_GAIN_OF_TANH * 2**-0.5)
  return kernel.at[:, _columns(_CELL, units)].set(
    orthogonal(cell_key, (units, units), dtype)
  )


def _initial_bias(key, shape, dtype=jnp.float32):
  del key
  bias = jnp.zeros(shape, dtype)
  return bias.at[_columns(_FORGET, shape[0] // 4)].set(1.0)


def _columns(gate: int, num_units: int) -> slice:
  return slice(gate * num_units, (gate + 1) * num_units)
