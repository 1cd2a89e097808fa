"""What a bridge asks of arrays, without the library on its other side."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax.types import UserError

Shape = tuple[int, ...]


def leaf(path: str, array: np.ndarray, dtype: Any = None) -> jax.Array:
  """Returns a floating leaf on the device, kept or cast.

  >>> leaf("weight", np.ones(2, np.float16), jnp.float32).dtype
  dtype('float32')

  Args:
    path: of the leaf, for errors.
    array: float[...].
    dtype: a floating dtype to cast to; None keeps that of `array`.

  Raises:
    UserError: `dtype` is not floating, or JAX would cut 64 bits to 32.
  """
  target = jnp.dtype(array.dtype if dtype is None else dtype)
  if not jnp.issubdtype(target, jnp.floating):
    raise UserError(
      f"dtype {target} is not floating; give jnp.float32, or None to keep what "
      "the network has"
    )
  if jax.dtypes.canonicalize_dtype(target) != target:
    raise UserError(
      f"leaf {path!r} would be {target}, which JAX cuts to 32 bits; give "
      "dtype=jnp.float32, or set jax_enable_x64"
    )
  # A copy: the other library may write to its own array.
  return jnp.array(array, target)


def check_fit(
  given: Mapping[str, Shape], shapes: Mapping[str, Shape], all_of: bool = False
) -> None:
  """Raises UserError unless leaves belong to a network.

  >>> check_fit({"weight": (2, 3)}, {"weight": (2, 3), "bias": (2,)})

  Args:
    given: {path: shape} of the leaves.
    shapes: {path: shape} of those that the network has.
    all_of: every leaf of the network has to be given.
  """
  for path, shape in given.items():
    if path not in shapes:
      raise UserError(
        f"the module has no weights or buffers {path!r}; give leaves of the "
        "params that from_module made of it"
      )
    if shape != shapes[path]:
      raise UserError(
        f"leaf {path!r} has shape {shape}, the module has {shapes[path]}; give "
        "leaves of the params that from_module made of it"
      )
  missing = [path for path in shapes if path not in given]
  if all_of and missing:
    raise UserError(
      f"params lack leaf {missing[0]!r} ({len(missing)} missing in all); give "
      "all leaves that from_module made"
    )


def plain(
  value: Any,
  is_foreign: Callable[[Any], bool],
  convert: Callable[[Any], jax.Array],
) -> Any:
  """Returns what a network computed as something that JAX can return.

  >>> outputs = {"logits": "2.0", "cache": object()}
  >>> plain(outputs, lambda one: isinstance(one, str), float)
  {'logits': 2.0}

  Args:
    value: arrays of the other library in mappings and sequences.
    is_foreign: whether something is an array of the other library.
    convert: makes a JAX array of one.

  Returns:
    Mappings as dicts, named tuples as tuples. Entries of a mapping that are no
    arrays, such as the cache of a decoder, are left out; elsewhere they are
    None.
  """
  if is_foreign(value):
    return convert(value)
  if isinstance(value, Mapping):
    items = {key: plain(one, is_foreign, convert) for key, one in value.items()}
    return {key: one for key, one in items.items() if one is not None}
  if isinstance(value, (list, tuple)):
    return tuple(plain(one, is_foreign, convert) for one in value)
  return value if isinstance(value, (bool, int, float)) else None
