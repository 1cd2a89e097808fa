"""Set algebra and sizes of hard masks, per leaf and in total.

Every function takes unstacked masks; `jax.vmap` it over candidates. Sizes
count mask units; `kept_weights` counts weights. Inside `jit`, counts of more
than 2^31 are float32, right to seven digits; outside, they are exact.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax.masks.select import MaskSpec
from structcomp_jax.types import AnyMask, Mask, UserError

# Counts up to here are 32-bit integers.
_LARGEST_COUNT = 2**31 - 1


def complement(mask: AnyMask) -> Mask:
  """Returns the mask that keeps what `mask` removes (the ablated network).

  >>> complement({"kernel": jnp.array([True, False])})["kernel"].tolist()
  [False, True]
  """
  return {
    path: jnp.logical_not(kept_units) for path, kept_units in mask.items()
  }


def logical_and(first: AnyMask, second: AnyMask) -> Mask:
  """Returns the mask of the units that both masks keep."""
  _check_same_leaves(first, second)
  return {path: jnp.logical_and(first[path], second[path]) for path in first}


def logical_or(first: AnyMask, second: AnyMask) -> Mask:
  """Returns the mask of the units that at least one mask keeps."""
  _check_same_leaves(first, second)
  return {path: jnp.logical_or(first[path], second[path]) for path in first}


def kept(mask: AnyMask) -> dict[str, jax.Array]:
  """Returns the number of kept units per leaf, i32[]."""
  return {path: jnp.sum(units, dtype=jnp.int32) for path, units in mask.items()}


def size(mask: AnyMask) -> dict[str, int]:
  """Returns the number of units per leaf."""
  return {path: units.size for path, units in mask.items()}


def density(mask: AnyMask) -> dict[str, jax.Array]:
  """Returns the kept fraction of units per leaf, f32[]; 1 for an empty leaf."""
  sizes = size(mask)
  return {
    path: _fraction(count, sizes[path]) for path, count in kept(mask).items()
  }


def iou(first: AnyMask, second: AnyMask) -> dict[str, jax.Array]:
  """Returns intersection over union per leaf, f32[].

  Two empty masks are equal, so an empty union gives 1, never NaN.

  >>> first = {"kernel": jnp.array([True, True, False])}
  >>> second = {"kernel": jnp.array([False, True, False])}
  >>> iou(first, second)["kernel"].item()
  0.5
  """
  both, either = (
    kept(logical_and(first, second)),
    kept(logical_or(first, second)),
  )
  return {path: _fraction(both[path], either[path]) for path in both}


def total_kept(mask: AnyMask) -> jax.Array:
  """Returns the number of kept units in all leaves, i32[]."""
  return _sum(kept(mask), total_size(mask))


def total_size(mask: AnyMask) -> int:
  """Returns the number of units in all leaves."""
  return sum(size(mask).values())


def total_density(mask: AnyMask) -> jax.Array:
  """Returns the fraction of all units that are kept, f32[]."""
  return _fraction(total_kept(mask), total_size(mask))


def total_iou(first: AnyMask, second: AnyMask) -> jax.Array:
  """Returns intersection over union of all units, f32[]; 1 if both empty."""
  both, either = logical_and(first, second), logical_or(first, second)
  return _fraction(total_kept(both), total_kept(either))


def kept_weights(mask: AnyMask, spec: MaskSpec) -> dict[str, jax.Array]:
  """Returns the number of kept weights per leaf, i32[].

  A kept neuron counts as all the weights it covers.
  """
  counts = kept(mask)
  return {
    leaf.path: _countable(counts[leaf.path], leaf.num_weights)
    * leaf.weights_per_unit
    for leaf in spec.leaves
  }


def weight_density(mask: AnyMask, spec: MaskSpec) -> jax.Array:
  """Returns the kept fraction of all weights, f32[]; 1 if there are none.

  >>> from structcomp_jax.masks.select import select
  >>> spec = select({"kernel": jnp.ones((3, 2))}, [(".*", "neuron")])
  >>> weight_density({"kernel": jnp.array([[True, False]])}, spec).item()
  0.5
  """
  total = _sum(kept_weights(mask, spec), spec.num_weights)
  return _fraction(total, spec.num_weights)


def _countable(count: Any, most: int) -> Any:
  """Returns a count in a type that can hold `most`."""
  if most <= _LARGEST_COUNT:
    return count
  if isinstance(count, jax.core.Tracer):
    return count.astype(jnp.float32)
  return np.asarray(count).astype(np.int64)[()]


def _sum(counts: Mapping[str, jax.Array], most: int) -> jax.Array:
  """Returns the sum of per-leaf counts, i32[] if `most` is."""
  return sum(
    (_countable(count, most) for count in counts.values()),
    start=_countable(jnp.zeros((), jnp.int32), most),
  )


def _fraction(part: Any, whole: Any) -> jax.Array:
  """Returns part / whole as f32, 1 where the whole is empty."""
  part, whole = (
    np.float32(count) if isinstance(count, (int, np.integer)) else (
      count.astype(jnp.float32)
    )
    for count in (part, whole)
  )  # fmt: skip
  ratio = part / jnp.maximum(whole, np.float32(1))
  return jnp.where(whole == 0, jnp.ones_like(ratio), ratio)


def _check_same_leaves(first: AnyMask, second: AnyMask) -> None:
  """Raises unless both masks have the same paths and shapes."""
  for path in sorted(set(first) ^ set(second)):
    raise UserError(
      f"only one of two masks has leaf {path!r}; compare masks that were "
      "selected by the same rules"
    )
  for path in first:
    if first[path].shape != second[path].shape:
      raise UserError(
        f"two masks of leaf {path!r} have shapes {first[path].shape} and "
        f"{second[path].shape}; compare masks of the same network and unit"
      )
