"""A network whose subnetworks are known by construction.

Two pairs of words of bits go in; the sum of their two Hamming distances comes
out. Each distance has its own block of weights, so the mask that a search for
one of them should find is known, weight by weight. Search methods are tested
on it.
"""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import types

SUBROUTINES = ("first", "second")


@dataclasses.dataclass(frozen=True)
class Planted:
  """The network and the truth about it.

  Attributes:
    params: {"hidden": f32[inputs, units], "output": f32[units]}.
    truth: {subroutine: mask}: the weights that compute it, all needed.
    inputs: f32[2^inputs, inputs] of -1 and 1, every input there is.
    distances: {subroutine: f32[2^inputs]}, what it should return.
  """

  params: types.Params
  truth: dict[str, types.Mask]
  inputs: jax.Array
  distances: dict[str, jax.Array]


def apply(params: types.Params, inputs: jax.Array) -> jax.Array:
  """Returns f32[batch], the sum of both distances.

  Args:
    params: of a `Planted` network, masked or not.
    inputs: f32[batch, inputs] of -1 and 1.
  """
  return jax.nn.relu(inputs @ params["hidden"]) @ params["output"]


def build(
  num_bits: int = 2, num_junk_pairs: int = 3, *, key: jax.Array
) -> Planted:
  """Returns a planted network.

  Bits a and b differ where relu(a - b) / 2 + relu(b - a) / 2 is 1: two hidden
  units with six weights, all of which are needed. Junk units read all inputs
  with random weights and come in pairs with opposite output weights, so that
  they cancel as long as a mask keeps or removes both.

  Args:
    num_bits: length of a word; there are four words.
    num_junk_pairs: pairs of hidden units that compute nothing.
    key: draws the junk.
  """
  num_inputs, num_units = 4 * num_bits, 4 * num_bits + 2 * num_junk_pairs
  hidden = np.zeros((num_inputs, num_units), np.float32)
  output = np.zeros(num_units, np.float32)
  truth = {}
  for block, name in enumerate(SUBROUTINES):
    start = block * 2 * num_bits
    units = slice(start, start + 2 * num_bits)
    hidden[units, units] = _comparison(num_bits)
    output[units] = 0.5
    in_block = np.zeros(num_units, bool)
    in_block[units] = True
    truth[name] = {
      "hidden": jnp.asarray((hidden != 0) & in_block),
      "output": jnp.asarray(in_block),
    }
  hidden[:, 4 * num_bits :], output[4 * num_bits :] = _junk(
    num_inputs, num_junk_pairs, key
  )
  inputs = np.array(list(itertools.product((-1, 1), repeat=num_inputs)))
  words = inputs.reshape(-1, len(SUBROUTINES), 2, num_bits)
  distances = (words[:, :, 0] != words[:, :, 1]).sum(axis=-1)
  return Planted(
    params={"hidden": jnp.asarray(hidden), "output": jnp.asarray(output)},
    truth=truth,
    inputs=jnp.asarray(inputs, jnp.float32),
    distances={
      name: jnp.asarray(distances[:, block], jnp.float32)
      for block, name in enumerate(SUBROUTINES)
    },
  )


def _comparison(num_bits):
  """Returns f32[2 bits, 2 bits]: a - b in the first columns, b - a after."""
  ones = np.eye(num_bits, dtype=np.float32)
  return np.block([[ones, -ones], [-ones, ones]])


def _junk(num_inputs, num_pairs, key):
  """Returns incoming and outgoing weights of units that cancel in pairs."""
  incoming = jax.random.normal(key, (num_inputs, num_pairs)) / num_inputs**0.5
  outgoing = np.full(num_pairs, 0.5, np.float32)
  return (
    np.concatenate([incoming, incoming], axis=1),
    np.concatenate([outgoing, -outgoing]),
  )
