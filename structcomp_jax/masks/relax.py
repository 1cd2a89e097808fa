"""Relaxations: differentiable stand-ins for the hard mask.

A relaxation is three elementwise functions of one leaf's logits. To add one,
write the three and enter them in `RELAXATIONS`.

Sizes and penalties of a whole mask count *weights*: a unit of kind "neuron"
counts once for each weight that it covers, so that penalties and densities mean
the same whatever the unit.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Protocol

import jax
import jax.numpy as jnp

from structcomp_jax.masks.select import MaskSpec, matching
from structcomp_jax.trees import leaf_keys
from structcomp_jax.types import MaskLogits, SoftMask, UserError

# Hard concrete has this stretch interval (gamma, zeta) and this tau in Louizos
# et al. 2018.
_GAMMA = -0.1
_ZETA = 1.1
_TAU = 2 / 3


# The sharpness: one for all leaves, or one for each.
Beta = jax.Array | float | Mapping[str, jax.Array | float]


class SampleFn(Protocol):
  """Draws the mask with which a forward pass multiplies the weights."""

  def __call__(
    self, logits: jax.Array, *, beta: jax.Array | float, key: jax.Array
  ) -> jax.Array:
    """Returns f32 in [0, 1] of the shape of `logits`."""


class AmountFn(Protocol):
  """Computes a deterministic amount per unit."""

  def __call__(
    self, logits: jax.Array, *, beta: jax.Array | float
  ) -> jax.Array:
    """Returns f32 of the shape of `logits`."""


@dataclasses.dataclass(frozen=True)
class Relaxation:
  """Elementwise functions of one leaf's logits.

  Attributes:
    sample: the mask of one forward pass.
    expected_size: expected kept amount per unit, in [0, 1].
    penalty: what the search adds to the loss per unit, times its penalty
      weight.
  """

  sample: SampleFn
  expected_size: AmountFn
  penalty: AmountFn


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
  amount_fn: AmountFn,
  mask_logits: MaskLogits,
  spec: MaskSpec,
  beta: Beta,
) -> jax.Array:
  """Sums an elementwise amount over all weights of all leaves."""
  total = jnp.zeros((), jnp.float32)
  for leaf in spec.leaves:
    amount = amount_fn(mask_logits[leaf.path], beta=_at(beta, leaf.path))
    total = total + leaf.weights_per_unit * jnp.sum(amount)
  return total


def _at(beta: Beta, path: str) -> jax.Array | float:
  """Returns the sharpness of one leaf."""
  return beta[path] if isinstance(beta, Mapping) else beta


def _open_uniform(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
  """Returns f32 uniforms strictly between 0 and 1.

  The values are 23 random bits plus half a step, all exact in float32. Neither
  0 nor 1 can occur, whose log-odds are infinite.
  """
  bits = jax.random.bits(key, shape, jnp.uint32) >> 9
  return bits.astype(jnp.float32) * 2.0**-23 + 2.0**-24


def _continuous_sample(
  logits: jax.Array, *, beta: jax.Array | float, key: jax.Array
) -> jax.Array:
  """Returns sigmoid(beta s): Savarese et al. 2020, arXiv 1912.04427, sec. 3."""
  del key
  return jax.nn.sigmoid(beta * logits)


def _continuous_size(
  logits: jax.Array, *, beta: jax.Array | float
) -> jax.Array:
  """Returns the soft mask, which is both the kept amount and the penalty."""
  return jax.nn.sigmoid(beta * logits)


def _gumbel_sample(
  logits: jax.Array, *, beta: jax.Array | float, key: jax.Array
) -> jax.Array:
  """Draws a hard straight-through sample: Csordas et al. 2021, sec. 2, tau = 1.

  With a logistic g the relaxed sample is s = sigmoid(l + g); the value is
  1[s > 1/2] and the derivative s (1 - s). With one uniform u, where
  g = log(u / (1 - u)), and with exp(-|l|), which cannot overflow, they are

    1[s > 1/2] = 1[u > sigmoid(-l)]
    s (1 - s)  = u (1 - u) e / d^2,  e = exp(-|l|),
    d = u + (1 - u) e  if l > 0,  else  u e + (1 - u)
  """
  del beta
  u = _open_uniform(key, logits.shape)
  fixed = jax.lax.stop_gradient(logits)
  hard = (u > jax.nn.sigmoid(-fixed)).astype(jnp.float32)
  e = jnp.exp(-jnp.abs(fixed))
  denominator = jnp.where(fixed > 0, u + (1 - u) * e, u * e + (1 - u))
  slope = u * (1 - u) * e / denominator**2
  # The second term is exactly zero; it only carries the gradient.
  return hard + slope * (logits - fixed)


def _gumbel_size(logits: jax.Array, *, beta: jax.Array | float) -> jax.Array:
  """Returns P(m = 1) = sigmoid(l)."""
  del beta
  return jax.nn.sigmoid(logits)


def _gumbel_penalty(logits: jax.Array, *, beta: jax.Array | float) -> jax.Array:
  """Returns the raw logit: Csordas et al. 2021 penalise the sum of logits."""
  del beta
  return logits


def _hard_concrete_sample(
  logits: jax.Array, *, beta: jax.Array | float, key: jax.Array
) -> jax.Array:
  """Draws stretched and clipped concrete: Louizos et al. 2018, eq. 10-11."""
  del beta
  u = _open_uniform(key, logits.shape)
  noise = jnp.log(u) - jnp.log1p(-u)
  concrete = jax.nn.sigmoid((noise + logits) / _TAU)
  return jnp.clip(concrete * (_ZETA - _GAMMA) + _GAMMA, 0.0, 1.0)


def _hard_concrete_size(
  logits: jax.Array, *, beta: jax.Array | float
) -> jax.Array:
  """Returns P(m > 0), the expected L0 norm: Louizos et al. 2018, eq. 12."""
  del beta
  return jax.nn.sigmoid(logits - _TAU * math.log(-_GAMMA / _ZETA))


RELAXATIONS: dict[str, Relaxation] = {
  "continuous_sparsification": Relaxation(
    _continuous_sample, _continuous_size, _continuous_size
  ),
  "gumbel_sigmoid": Relaxation(_gumbel_sample, _gumbel_size, _gumbel_penalty),
  "hard_concrete": Relaxation(
    _hard_concrete_sample, _hard_concrete_size, _hard_concrete_size
  ),
}


def get_relaxation(name: str) -> Relaxation:
  """Returns the relaxation of that name.

  >>> relaxation = get_relaxation("continuous_sparsification")
  >>> relaxation.expected_size(jnp.zeros(()), beta=200.0).item()
  0.5

  Raises:
    UserError: there is none; the message lists the names.
  """
  if name not in RELAXATIONS:
    raise UserError(
      f"unknown relaxation {name!r}; use one of {', '.join(RELAXATIONS)}"
    )
  return RELAXATIONS[name]
