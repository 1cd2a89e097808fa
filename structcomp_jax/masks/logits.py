"""Mask logits of a whole network: their initial value, masks, and sizes.

Sizes and penalties of a whole mask count *weights*: a unit of kind "neuron"
counts once for each weight that it covers, so that penalties and densities mean
the same whatever the unit.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol

import jax
import jax.numpy as jnp

from structcomp_jax.masks.relax import Relaxation, above_zero
from structcomp_jax.masks.select import MaskSpec, matching
from structcomp_jax.trees import leaf_keys
from structcomp_jax.types import Mask, MaskLogits, SoftMask

# The sharpness: one for all leaves, or one for each.
Beta = jax.Array | float | Mapping[str, jax.Array | float]


class _Amount(Protocol):
  """A method of a relaxation that returns an amount per unit."""

  def __call__(
    self, logits: jax.Array, *, beta: jax.Array | float
  ) -> jax.Array: ...


def init(spec: MaskSpec, logit: float | jax.Array) -> MaskLogits:
  """Returns mask logits that all equal `logit`.

  >>> from structcomp_jax import masks
  >>> spec = masks.select({"kernel": jnp.ones(2)}, [(".*", "weight")])
  >>> masks.init(spec, 0.5)["kernel"].tolist()
  [0.5, 0.5]

  Args:
    spec: the selected leaves.
    logit: initial logit, a float or a (traced) scalar.

  Returns:
    {path: f32[mask_shape]}.
  """
  value = jnp.asarray(logit, jnp.float32)
  return {leaf.path: jnp.full(leaf.mask_shape, value) for leaf in spec.leaves}


def leaf_betas(
  spec: MaskSpec, beta: jax.Array | float, constant: Sequence[str] = ()
) -> dict[str, jax.Array | float]:
  """Returns the sharpness of every leaf.

  Args:
    spec: the selected leaves.
    beta: sharpness of this step.
    constant: regexes; a leaf whose whole path matches one has sharpness 1.

  Returns:
    {path: beta or 1.0}.

  Raises:
    UserError: a regex is invalid or matches no selected leaf.
  """
  held = matching(spec, constant, "constant_beta")
  return {path: 1.0 if path in held else beta for path in spec.paths}


def count_units(spec: MaskSpec, regexes: Sequence[str] = (".*",)) -> MaskSpec:
  """Returns the same leaves, of which some count units instead of weights.

  A mask element of these leaves is one weight to penalties, sizes and
  densities, however many it covers.

  >>> from structcomp_jax import masks
  >>> spec = masks.select({"kernel": jnp.ones((3, 2))}, [(".*", "neuron")])
  >>> spec.num_weights, count_units(spec).num_weights
  (6, 2)

  Args:
    spec: the selected leaves.
    regexes: match the whole paths of those that count units; default: all.

  Raises:
    UserError: a regex is invalid or matches no selected leaf.
  """
  counted = matching(spec, regexes, "count_units")
  return MaskSpec(
    tuple(
      dataclasses.replace(leaf, counts_as=1) if leaf.path in counted else leaf
      for leaf in spec.leaves
    )
  )


def sample(
  relaxation: Relaxation,
  mask_logits: MaskLogits,
  *,
  beta: Beta,
  key: jax.Array,
) -> SoftMask:
  """Draws one mask; the noise of different leaves is independent.

  Args:
    relaxation: the method.
    mask_logits: {path: f32[...]}.
    beta: sharpness > 0, a scalar or {path: scalar}; methods without one
      ignore it.
    key: typed key, shape (); methods without noise ignore it.

  Returns:
    {path: f32[...]} in [0, 1].
  """
  keys = leaf_keys(key, mask_logits)
  return {
    path: relaxation.sample(logits, beta=_at(beta, path), key=keys[path])
    for path, logits in mask_logits.items()
  }


def binarize(
  mask_logits: MaskLogits, relaxation: Relaxation | None = None
) -> Mask:
  """Returns the hard mask: by default, what is above zero is kept.

  >>> binarize({"kernel": jnp.array([-1.0, 0.0, 1.0])})["kernel"].tolist()
  [False, False, True]

  Args:
    mask_logits: {path: f32[...]}; with a relaxation, of one candidate, because
      it may rank the logits of a leaf.
    relaxation: the method, whose `harden` decides; default: `above_zero`, for
      logits with any leading axes.

  Returns:
    {path: bool[...]}, True is kept.
  """
  harden = above_zero if relaxation is None else relaxation.harden
  return {path: harden(logits) for path, logits in mask_logits.items()}


def expected_size(
  relaxation: Relaxation,
  mask_logits: MaskLogits,
  spec: MaskSpec,
  *,
  beta: Beta,
) -> jax.Array:
  """Returns the expected number of kept weights, f32 scalar.

  Args:
    relaxation: the method.
    mask_logits: {path: f32[...]} of the leaves of `spec`.
    spec: tells how many weights a unit covers.
    beta: sharpness > 0, a scalar or {path: scalar}.
  """
  return _total(relaxation.expected_size, mask_logits, spec, beta)


def penalty(
  relaxation: Relaxation,
  mask_logits: MaskLogits,
  spec: MaskSpec,
  *,
  beta: Beta,
) -> jax.Array:
  """Returns the size penalty in units of weights, f32 scalar.

  The search adds it to the loss times `penalty`, which therefore is loss per
  weight (independent of the batch size).

  Args:
    relaxation: the method.
    mask_logits: {path: f32[...]} of the leaves of `spec`.
    spec: tells how many weights a unit covers.
    beta: sharpness > 0, a scalar or {path: scalar}.
  """
  return _total(relaxation.penalty, mask_logits, spec, beta)


def _total(
  amount_fn: _Amount,
  mask_logits: MaskLogits,
  spec: MaskSpec,
  beta: Beta,
) -> jax.Array:
  """Sums an amount per unit over all weights of all leaves."""
  total = jnp.zeros((), jnp.float32)
  for leaf in spec.leaves:
    amount = amount_fn(mask_logits[leaf.path], beta=_at(beta, leaf.path))
    total = total + float(leaf.weights_per_unit) * jnp.sum(amount)
  return total


def _at(beta: Beta, path: str) -> jax.Array | float:
  """Returns the sharpness of one leaf."""
  return beta[path] if isinstance(beta, Mapping) else beta
