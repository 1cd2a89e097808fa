"""Makes a masked network: weights times mask, removed ones zero or filled."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax.masks.leaves import neuron_axes
from structcomp_jax.masks.select import LeafSpec, MaskSpec
from structcomp_jax.trees import (
  is_array,
  leaf_keys,
  leaves_by_path,
  replace_leaves,
)
from structcomp_jax.types import Params, UserError

# {path: array that broadcasts to the leaf}; None stands for zeros.
Fill = Mapping[str, jax.Array] | None


def merge(
  params: Params, mask: Mapping[str, jax.Array], fill: Fill = None
) -> Params:
  """Returns the weights with the selected leaves masked.

    bool mask:  w where m, else fill  (an all-ones mask returns the bits of w)
    soft mask:  w m + (1 - m) fill    (in float32, cast back to the dtype of w)

  >>> params = {"kernel": jnp.array([1.0, 2.0])}
  >>> mask = {"kernel": jnp.array([True, False])}
  >>> merge(params, mask)["kernel"].tolist()
  [1.0, 0.0]

  Args:
    params: weights, any container; left untouched.
    mask: {path: bool or number[...]}; each array has the rank of its leaf and
      along every axis the leaf's length or 1.
    fill: what removed weights become: None for zero, or {path: array} with
      every path of `mask`; each array broadcasts to its leaf.

  Returns:
    A tree like `params`; unselected leaves are the same objects.

  Raises:
    UserError: `mask` is not a dict of arrays, it names an unknown path, a shape
      does not fit, or `fill` lacks a path of `mask`.
  """
  leaves = leaves_by_path(params)
  _check_mask(mask)
  merged = {}
  for path, leaf_mask in mask.items():
    if path not in leaves:
      raise UserError(
        f"the mask names leaf {path!r}, which the network does not have; "
        "use the mask with the network it was searched on"
      )
    leaf = leaves[path]
    if not _is_wide(leaf) or isinstance(leaf_mask, jax.core.Tracer):
      leaf = jnp.asarray(leaf)
    check_mask_shape(path, leaf.shape, leaf_mask.shape)
    merged[path] = _merge_leaf(leaf, leaf_mask, _leaf_fill(path, leaf, fill))
  return replace_leaves(params, merged)


def _is_wide(leaf: object) -> bool:
  """Whether JAX would round a leaf: float64, unless jax_enable_x64 is set."""
  return isinstance(leaf, np.ndarray) and (
    jax.dtypes.canonicalize_dtype(leaf.dtype) != leaf.dtype
  )


def _check_mask(mask: object) -> None:
  """Raises UserError unless a mask is a dict of arrays."""
  if not isinstance(mask, Mapping):
    remedy = "give result.mask" if hasattr(mask, "mask") else (
      "give {path: array}, such as result.mask"
    )  # fmt: skip
    raise UserError(
      f"the mask is a {type(mask).__name__}, not a dict of arrays; {remedy}"
    )
  for path, leaf_mask in mask.items():
    if not hasattr(leaf_mask, "shape") or not is_array(leaf_mask):
      raise UserError(
        f"the mask of leaf {path!r} is a {type(leaf_mask).__name__} and no "
        "array of numbers; convert it with numpy.asarray(..., bool)"
      )


def remainder(params: Params, masked: Params, paths: Iterable[str]) -> Params:
  """Returns what a mask removed: w - w m in the masked leaves, else w.

  >>> params = {"kernel": jnp.array([1.0, 2.0]), "bias": jnp.array([3.0])}
  >>> masked = merge(params, {"kernel": jnp.array([True, False])})
  >>> rest = remainder(params, masked, ["kernel"])
  >>> rest["kernel"].tolist(), rest["bias"].tolist()
  ([0.0, 2.0], [3.0])

  Args:
    params: weights, any container.
    masked: the same after `merge` without a fill.
    paths: of the masked leaves.

  Returns:
    A tree like `params`; leaves that are not masked are the same objects.
  """
  whole, kept = leaves_by_path(params), leaves_by_path(masked)
  return replace_leaves(
    params, {path: whole[path] - kept[path] for path in paths}
  )


def check_mask_shape(
  path: str, shape: tuple[int, ...], mask_shape: tuple[int, ...]
) -> None:
  """Raises UserError unless a mask covers its leaf axis by axis.

  >>> check_mask_shape("kernel", (3, 2), (1, 2))

  Args:
    path: of the leaf.
    shape: of the leaf.
    mask_shape: of its mask.
  """
  fits = len(shape) == len(mask_shape) and all(
    length in (1, size) for size, length in zip(shape, mask_shape, strict=True)
  )
  if not fits:
    raise UserError(
      f"the mask of leaf {path!r} has shape {mask_shape}, the leaf {shape}; "
      "use the mask with the network it was searched on"
    )


def _leaf_fill(path: str, leaf: jax.Array, fill: Fill) -> jax.Array | None:
  """Returns the fill of one leaf, None for zeros."""
  if fill is None:
    return None
  if path not in fill:
    raise UserError(
      f"the fill lacks leaf {path!r} of the mask; make it with make_fill"
    )
  value = jnp.asarray(fill[path])
  try:
    fits = jnp.broadcast_shapes(value.shape, leaf.shape) == leaf.shape
  except ValueError:
    fits = False
  if not fits:
    raise UserError(
      f"the fill of leaf {path!r} has shape {value.shape}, which does not "
      f"broadcast to {leaf.shape}; make it with make_fill"
    )
  return jnp.broadcast_to(value, leaf.shape)


def _merge_leaf(leaf: Any, mask: Any, fill: jax.Array | None) -> Any:
  """Masks one leaf; see `merge`."""
  if isinstance(leaf, np.ndarray):
    return _merge_in_numpy(leaf, np.asarray(mask), fill)
  if mask.dtype == jnp.bool_:
    removed = jnp.zeros_like(leaf) if fill is None else fill
    return jnp.where(mask, leaf, removed.astype(leaf.dtype))
  # In bfloat16 small mask values vanish, so the product is in float32 or wider.
  wide = np.promote_types(leaf.dtype, np.float32)
  soft = mask.astype(wide)
  merged = leaf.astype(wide) * soft
  if fill is not None:
    merged = merged + (1 - soft) * fill.astype(wide)
  return merged.astype(leaf.dtype)


def _merge_in_numpy(leaf, mask, fill):
  """Masks a leaf that JAX would round; see `_is_wide`."""
  removed = np.zeros((), leaf.dtype) if fill is None else np.asarray(fill)
  if mask.dtype == bool:
    return np.where(mask, leaf, removed.astype(leaf.dtype))
  return (leaf * mask + (1 - mask) * removed).astype(leaf.dtype)


def _mean_fill(leaf: jax.Array, key: jax.Array, of: LeafSpec) -> jax.Array:
  """Returns the leaf's mean weight, a scalar."""
  del key, of
  return jnp.mean(leaf, dtype=jnp.float32).astype(leaf.dtype)


def _random_fill(leaf: jax.Array, key: jax.Array, of: LeafSpec) -> jax.Array:
  """Returns a fresh draw from U(-1/sqrt(fan_in), 1/sqrt(fan_in)), leaf-shaped.

  The random ablation of "Break It Down" uses this range, which is not the
  network's own initial distribution. fan_in is how many weights a neuron has.
  """
  axes = of.axes
  if leaf.shape and not axes:
    axes = neuron_axes(of.path, leaf.shape)
  fan_in = math.prod(
    size for axis, size in enumerate(leaf.shape) if axis not in axes
  )
  bound = 1 / math.sqrt(max(fan_in, 1))
  draw = jax.random.uniform(
    key, leaf.shape, jnp.float32, minval=-bound, maxval=bound
  )
  return draw.astype(leaf.dtype)


# name -> function of (leaf, key, its spec), None for zeros.
FILLS: dict[
  str, Callable[[jax.Array, jax.Array, LeafSpec], jax.Array] | None
] = {
  "zero": None,
  "mean": _mean_fill,
  "random": _random_fill,
}


def make_fill(
  name: str, params: Params, spec: MaskSpec, key: jax.Array
) -> Fill:
  """Returns what removed weights are replaced with.

  >>> from structcomp_jax import masks
  >>> params = {"kernel": jnp.array([1.0, 3.0])}
  >>> spec = masks.select(params, [(".*", "weight")])
  >>> make_fill("mean", params, spec, jax.random.key(0))["kernel"].tolist()
  2.0

  Args:
    name: "zero", "mean" (the leaf's mean) or "random" (a fresh draw from
      U(-1/sqrt(fan_in), 1/sqrt(fan_in))).
    params: weights.
    spec: the selected leaves.
    key: typed key, shape (); folded per leaf.

  Returns:
    None for "zero", else {path: array} in the leaves' dtypes.

  Raises:
    UserError: unknown name; the message lists the names. Or: the layout of a
      leaf is not known, which "random" needs. Or: a masked leaf is a gate,
      which is open or shut.
  """
  if name not in FILLS:
    raise UserError(f"unknown fill {name!r}; use one of {', '.join(FILLS)}")
  fill_fn = FILLS[name]
  if fill_fn is None:
    return None
  gate = next((leaf for leaf in spec.leaves if leaf.unit == "gate"), None)
  if gate is not None:
    raise UserError(
      f"fill {name!r} means nothing for the gate {gate.path!r}, which is open "
      "or shut; make masks of the network itself with masks.gates.expand, and "
      "use the fill with these"
    )
  leaves = leaves_by_path(params)
  keys = leaf_keys(key, spec.paths)
  return {
    leaf.path: fill_fn(jnp.asarray(leaves[leaf.path]), keys[leaf.path], leaf)
    for leaf in spec.leaves
  }
