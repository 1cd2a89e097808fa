"""Masks to compare a learned one with: they keep as many units of each leaf.

All functions take one unstacked mask and work under `jit` and `vmap`. Counts
may be traced, because a unit is kept when its rank is below the count.
"""

import jax
import jax.numpy as jnp

from structcomp_jax.masks.gated import norms
from structcomp_jax.trees import leaf_keys, leaves_by_path
from structcomp_jax.types import Mask, Params, UserError


def random_like(mask: Mask, key: jax.Array) -> Mask:
  """Returns a uniformly random mask with the same kept count per leaf.

  >>> mask = {"kernel": jnp.array([True, False, False])}
  >>> random_like(mask, jax.random.key(0))["kernel"].sum().item()
  1

  Args:
    mask: {path: bool[...]}.
    key: typed key, shape (); folded per leaf.
  """
  keys = leaf_keys(key, mask)
  return {
    path: _random_order(keys[path], units) < jnp.sum(units, dtype=jnp.int32)
    for path, units in mask.items()
  }


def random_from_complement(mask: Mask, key: jax.Array) -> Mask:
  """Returns a random mask of the same count per leaf, disjoint from `mask`.

  Args:
    mask: {path: bool[...]}.
    key: typed key, shape (); folded per leaf.

  Raises:
    UserError: a leaf keeps more than half of its units, so its complement is
      too small. Under `jit` and `vmap` counts are not known; such a leaf then
      gets the whole complement.
  """
  keys = leaf_keys(key, mask)
  drawn = {}
  for path, units in mask.items():
    count = jnp.sum(units, dtype=jnp.int32)
    _check_complement(path, count, units.size)
    order = _random_order(keys[path], units)
    # All units of the complement must rank before the units of `mask`.
    ranks = _ranks(jnp.where(units, units.size, order))
    drawn[path] = (ranks < count) & ~units
  return drawn


def largest_magnitude(params: Params, mask: Mask) -> Mask:
  """Returns the mask of the largest weights with the same count per leaf.

  A neuron, or a unit of a gate, ranks by the Euclidean norm of its weights.
  Among equal magnitudes the earlier one in memory order is kept, so that counts
  are exact.

  >>> mask = {"kernel": jnp.array([True, False, False])}
  >>> params = {"kernel": jnp.array([0.1, -2.0, 1.0])}
  >>> largest_magnitude(params, mask)["kernel"].tolist()
  [False, True, False]

  Args:
    params: weights of the network.
    mask: {path: bool[...]} of selected leaves.
  """
  leaves = {**leaves_by_path(params), **norms(params)}
  return {
    path: _ranks(-_magnitude(leaves[path], units.shape))
    < jnp.sum(units, dtype=jnp.int32)
    for path, units in mask.items()
  }


def _magnitude(leaf: jax.Array, mask_shape: tuple[int, ...]) -> jax.Array:
  """Returns the size of each unit's weights, f32[mask_shape]."""
  weights = jnp.abs(jnp.asarray(leaf).astype(jnp.float32))
  if weights.shape == mask_shape:
    return weights
  axes = tuple(axis for axis, length in enumerate(mask_shape) if length == 1)
  return jnp.sqrt(jnp.sum(weights**2, axis=axes, keepdims=True))


def _random_order(key: jax.Array, units: jax.Array) -> jax.Array:
  """Returns a random permutation of 0..n-1 in the shape of `units`."""
  return jax.random.permutation(key, units.size).reshape(units.shape)


def _ranks(scores: jax.Array) -> jax.Array:
  """Returns each element's place in ascending order, ties in memory order."""
  order = jnp.argsort(scores.ravel(), stable=True)
  return jnp.argsort(order, stable=True).reshape(scores.shape)


def _check_complement(path: str, count: jax.Array, num_units: int) -> None:
  """Raises if a count is known and greater than the complement."""
  if isinstance(count, jax.core.Tracer):
    return
  if 2 * int(count) > num_units:
    raise UserError(
      f"the mask keeps {int(count)} of {num_units} units of leaf {path!r}, "
      "more than its complement holds; use random_like instead"
    )
