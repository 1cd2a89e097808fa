"""Arrays that differ between the devices of `jax.shard_map`, on any JAX.

Inside `shard_map` the type of an array says along which mesh axes it varies,
and the check `check_vma` refuses to mix types. JAX casts the operands of most
functions by itself; here is what it leaves to its callers.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax import lax


def axes_of(array: Any) -> frozenset[str]:
  """Returns the mesh axes along which an array, or a number, varies.

  >>> axes_of(1.0)  # Outside of `shard_map`.
  frozenset()
  """
  return jax.typeof(array).manual_axis_type.varying


def alike(*arrays: Any) -> list[jax.Array]:
  """Casts arrays so that all vary along the axes along which one does.

  >>> [float(array) for array in alike(1.0, 2.0)]  # Outside of `shard_map`.
  [1.0, 2.0]
  """
  own_axes = [axes_of(array) for array in arrays]
  axes = frozenset().union(*own_axes)
  return [
    lax.pcast(array, tuple(axes - own), to="varying") if axes - own else array
    for array, own in zip(arrays, own_axes, strict=True)
  ]


def mend_polynomials() -> None:
  """Lets `jax.lax.polynomial` take coefficients that do not vary.

  JAX 0.12.0 made a primitive of the polynomials in which it writes, among
  others, the derivative of `erf`, and forgot the cast: inside `shard_map` the
  gradient of any network with an exact GELU ends in "Primitive polynomial
  requires varying manual axes to match". Where all operands vary alike, and
  on a JAX without the primitive, this changes nothing.
  """
  primitive = getattr(lax, "polynomial_p", None)
  if primitive is not None and not hasattr(primitive.bind, "__wrapped__"):
    primitive.bind = _with_operands_alike(primitive.bind)


def _with_operands_alike(bind: Callable[..., Any]) -> Callable[..., Any]:
  @functools.wraps(bind)
  def bind_alike(*operands, **params):
    return bind(*alike(*operands), **params)

  return bind_alike
