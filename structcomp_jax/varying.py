"""Arrays that differ between the devices of `jax.shard_map`, on any JAX.

Inside `shard_map` the type of an array says along which mesh axes it varies,
and JAX (`check_vma`) refuses operands of different types. It casts the operands
of most functions by itself; this module casts where JAX does not.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax import lax


def axes_of(array: Any) -> frozenset[str]:
  """Returns the mesh axes along which an array, or a number, varies.

  >>> axes_of(1.0)  # This is outside of `shard_map`.
  frozenset()
  """
  return jax.typeof(array).manual_axis_type.varying


def alike(*arrays: Any) -> list[jax.Array]:
  """Casts arrays so that all vary along every axis along which one varies.

  >>> [float(array) for array in alike(1.0, 2.0)]
  [1.0, 2.0]
  """
  own_axes = [axes_of(array) for array in arrays]
  axes = frozenset().union(*own_axes)
  return [
    lax.pcast(array, tuple(axes - own), to="varying") if axes - own else array
    for array, own in zip(arrays, own_axes, strict=True)
  ]


def with_axes_of(tree: Any, others: Any) -> Any:
  """Casts a PyTree so that it varies along all axes along which others vary.

  What a loop starts from is often a constant; what its steps return varies as
  the weights and inputs that the loop reads. `lax.scan` refuses the difference.

  >>> with_axes_of({"start": 1.0}, [2.0, 3.0])
  {'start': 1.0}

  Args:
    tree: PyTree of arrays.
    others: PyTree of arrays.
  """
  leaves, structure = jax.tree.flatten(tree)
  cast = alike(*leaves, *jax.tree.leaves(others))[: len(leaves)]
  return jax.tree.unflatten(structure, cast)


def mend_primitives() -> None:
  """Lets two primitives of JAX take operands that vary along different axes.

  Inside `shard_map`, neither casts its operands:

  - `polynomial`, a primitive since JAX 0.12.0, refuses them. It is in the
    derivative of `erf`, among others, and so in that of an exact GELU.
  - `sort` says of each result that it varies as the operand in its place does.
    The indices of `argsort`, which begin as constants, then count as constant,
    and `vmap` of a `cond` that uses them fails.

  If all operands vary alike, this function changes nothing.
  """
  for name in ("polynomial_p", "sort_p"):
    primitive = getattr(lax, name, None)
    if primitive is not None and not hasattr(primitive.bind, "__wrapped__"):
      primitive.bind = _with_operands_alike(primitive.bind)


def _with_operands_alike(bind: Callable[..., Any]) -> Callable[..., Any]:
  @functools.wraps(bind)
  def bind_alike(*operands, **params):
    return bind(*alike(*operands), **params)

  return bind_alike
