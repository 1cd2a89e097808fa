"""Random numbers for masks: cheap, and a function of key and place alone.

A search draws a number for every weight and sample in every step. With JAX's
own generator (threefry) that costs more than the matrix products of a small
network, so the numbers come from a mix of integers here: the key is expensive
to derive and scalar, the numbers are cheap and as many as there are weights.
They are the same on every device, whatever else is computed beside them.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

# Constants of a 32-bit finaliser: two odd multipliers and three shifts, chosen
# by others so that every bit of the input flips every bit of the output with a
# probability of nearly one half (the search is called "hash prospector").
_MULTIPLIERS = (np.uint32(0x7FEB352D), np.uint32(0x846CA68B))
_SHIFTS = (16, 15, 16)


def bits(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """Returns u32 random bits.

  The place of a number is mixed with the two words of the key, one before each
  multiplication: with one word alone, arrays of two keys would often hold the
  same numbers in another order.

  >>> bits(jax.random.key(0), (2, 3)).shape
  (2, 3)

  Args:
    key: typed threefry key, shape ().
    shape: of less than 2^32 numbers.
  """
  first, second = jax.random.key_data(key)
  # One axis, then reshaped: the place in the array, whatever its rank.
  place = jax.lax.iota(jnp.uint32, math.prod(shape)).reshape(shape)
  word = place + first
  word = (word ^ (word >> _SHIFTS[0])) * _MULTIPLIERS[0]
  word = word ^ second
  word = (word ^ (word >> _SHIFTS[1])) * _MULTIPLIERS[1]
  return word ^ (word >> _SHIFTS[2])


def open_uniform(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """Returns f32 uniforms strictly between 0 and 1.

  The values are 23 random bits plus half a step, all exact in float32. Neither
  0 nor 1 can occur, whose log-odds are infinite.

  Args:
    key: typed threefry key, shape ().
    shape: of less than 2^32 numbers.
  """
  # Through a signed integer: CPUs convert those at once.
  upper = (bits(key, shape) >> 9).astype(jnp.int32)
  return upper.astype(jnp.float32) * 2.0**-23 + 2.0**-24
