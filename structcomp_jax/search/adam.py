"""Adam, whose moments may be kept in half of the memory.

Next to 1, numbers of bfloat16 lie 2**-7 apart. A second moment falls by a
thousandth of itself where the gradient vanishes, so that rounding to the
nearest number would leave it where it is for ever. Moments are therefore
rounded up or down at random, so that the mean of what is stored is what was
computed.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

# As both published systems use it; the step size is a candidate's data.
ADAM = optax.scale_by_adam(b1=0.9, b2=0.999, eps=1e-8)
DTYPES = ("float32", "bfloat16")
# Bits of a float32 that a bfloat16 does not have.
_DROPPED = 16


def init(learned: Any, dtype: str = "float32") -> Any:
  """Returns the moments before the first step.

  >>> init({"kernel": jnp.ones(2)}, "bfloat16").mu["kernel"].dtype.name
  'bfloat16'

  Args:
    learned: PyTree of f32 arrays.
    dtype: of the moments, one of `DTYPES`.
  """
  state = ADAM.init(learned)
  return state._replace(mu=_cast(state.mu, dtype), nu=_cast(state.nu, dtype))


def update(gradient: Any, state: Any, key: jax.Array) -> tuple[Any, Any]:
  """Returns the direction of a step, and the moments after it.

  >>> learned = {"kernel": jnp.ones(2)}
  >>> direction, _ = update(learned, init(learned), jax.random.key(0))
  >>> direction["kernel"].round(3).tolist()
  [1.0, 1.0]

  Args:
    gradient: PyTree of f32 arrays.
    state: from `init` or a step before; its dtype stays.
    key: of the rounding. It decides nothing where moments are float32.
  """
  moments = {"mu": state.mu, "nu": state.nu}
  if all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(moments)):
    return ADAM.update(gradient, state)
  wide = _cast(moments, "float32")
  direction, new = ADAM.update(gradient, state._replace(**wide))
  leaves, structure = jax.tree.flatten({"mu": new.mu, "nu": new.nu})
  keys = jax.random.split(key, len(leaves))
  rounded = jax.tree.unflatten(structure, map(round_at_random, leaves, keys))
  return direction, new._replace(**rounded)


def round_at_random(values: jax.Array, key: jax.Array) -> jax.Array:
  """Rounds float32 to one of the two neighbours in bfloat16.

  The nearer one is the likelier, so that the mean is the number itself.

  >>> values = jnp.full(4096, 1 + 2**-9)  # A quarter of the way to 1 + 2**-7.
  >>> rounded = round_at_random(values, jax.random.key(0)).astype(jnp.float32)
  >>> round(float((rounded > 1).mean()), 1)
  0.2

  Args:
    values: f32[...], finite.
    key: typed key, shape ().
  """
  bits = lax.bitcast_convert_type(values, jnp.uint32)
  noise = jax.random.bits(key, values.shape, jnp.uint16).astype(jnp.uint32)
  kept = (bits + noise) >> _DROPPED
  return lax.bitcast_convert_type(kept.astype(jnp.uint16), jnp.bfloat16)


def _cast(tree: Any, dtype: str) -> Any:
  return jax.tree.map(lambda leaf: leaf.astype(dtype), tree)
