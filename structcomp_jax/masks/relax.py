"""Relaxations: differentiable stand-ins for the hard mask.

A relaxation is a frozen dataclass whose fields are the parameters of the
method. To add one, write a subclass of `Relaxation` and enter it in
`RELAXATIONS`. What is here sees one leaf at a time; `masks.logits` has the
functions of whole masks.
"""

import abc
import dataclasses
import functools
import inspect
import math
import numbers
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from structcomp_jax.masks import noise
from structcomp_jax.types import UserError


class Relaxation(abc.ABC):
  """How the logits of one leaf become masks.

  A subclass is a frozen dataclass, so that relaxations with equal parameters
  are equal: compiled programs are found by the relaxation's value. Its methods
  see a whole leaf of one candidate, f32 of any shape, and return one number per
  logit.

  Attributes:
    uses_beta: whether beta sharpens the mask, so that a small logit decides.
  """

  uses_beta: ClassVar[bool] = True

  @abc.abstractmethod
  def sample(
    self, logits: jax.Array, *, beta: jax.Array | float, key: jax.Array
  ) -> jax.Array:
    """Returns f32 in [0, 1], with which a forward pass multiplies weights."""

  @abc.abstractmethod
  def expected_size(
    self, logits: jax.Array, *, beta: jax.Array | float
  ) -> jax.Array:
    """Returns f32, the expected kept amount per unit, in [0, 1]."""

  def penalty(self, logits: jax.Array, *, beta: jax.Array | float) -> jax.Array:
    """Returns f32, what the search adds to the loss per unit.

    The search multiplies it with its penalty weight. Default: the expected
    size.
    """
    return self.expected_size(logits, beta=beta)

  def harden(self, logits: jax.Array) -> jax.Array:
    """Returns bool, the hard mask, True is kept; default: `above_zero`."""
    return above_zero(logits)

  def _check(
    self, field: str, *, above: float = -math.inf, below: float = math.inf
  ) -> None:
    """Raises UserError unless a field is a number strictly in a range."""
    value = getattr(self, field)
    is_number = isinstance(value, numbers.Real)
    if not (is_number and above < float(value) < below):
      limits = [f" above {above}"] if above > -math.inf else []
      limits += [f" below {below}"] if below < math.inf else []
      raise UserError(
        f"{field} {value!r} must be a finite number{' and'.join(limits)}"
      )


def above_zero(logits: jax.Array) -> jax.Array:
  """Returns which units a hard mask keeps, bool of the shape of `logits`.

  A unit whose logit is exactly 0 is removed. So it is in "Break It Down"
  (subnetwork s > 0, ablated network s <= 0). "Are Neural Nets Modular?" counts
  units with l > 0 but evaluates networks with l >= 0; here both are l > 0.
  """
  return logits > 0


def _logistic(u: jax.Array) -> jax.Array:
  """Returns the log-odds of uniforms, which are logistic noise."""
  return jnp.log(u) - jnp.log1p(-u)


@dataclasses.dataclass(frozen=True)
class ContinuousSparsification(Relaxation):
  """sigmoid(beta s): Savarese et al. 2020, arXiv 1912.04427, sec. 3.

  It draws nothing: the soft mask is also the kept amount and the penalty.
  """

  def sample(
    self, logits: jax.Array, *, beta: jax.Array | float, key: jax.Array
  ) -> jax.Array:
    """Returns the soft mask."""
    del key
    return jax.nn.sigmoid(beta * logits)

  def expected_size(
    self, logits: jax.Array, *, beta: jax.Array | float
  ) -> jax.Array:
    """Returns the soft mask."""
    return jax.nn.sigmoid(beta * logits)


@dataclasses.dataclass(frozen=True)
class GumbelSigmoid(Relaxation):
  """Hard straight-through samples: Csordas et al. 2021, sec. 2.

  With logistic noise g the relaxed sample is s = sigmoid((l + g) / tau); the
  mask is 1[s > 1/2], and its derivative is that of s.

  Attributes:
    tau: temperature, published as 1. It scales the gradient alone: the mask is
      1 with probability sigmoid(l) whatever it is.
  """

  uses_beta: ClassVar[bool] = False
  tau: float = 1.0

  def __post_init__(self) -> None:
    """Raises UserError for a temperature that is not positive."""
    self._check("tau", above=0)

  def sample(
    self, logits: jax.Array, *, beta: jax.Array | float, key: jax.Array
  ) -> jax.Array:
    """Draws 0 or 1; with one uniform u, s > 1/2 where u > sigmoid(-l)."""
    del beta
    return _straight_through(
      self, logits, noise.open_uniform(key, logits.shape)
    )

  def slope(self, logits: jax.Array, u: jax.Array) -> jax.Array:
    """Returns ds/dl = s (1 - s) / tau, where g = log(u / (1 - u)).

    At tau = 1 it needs no logarithms: with exp(-|l|), which cannot overflow,

      s (1 - s) = u (1 - u) e / d^2,  e = exp(-|l|),
      d = u + (1 - u) e  if l > 0,  else  u e + (1 - u)
    """
    if self.tau != 1:
      scaled = (logits + _logistic(u)) / self.tau
      return jax.nn.sigmoid(scaled) * jax.nn.sigmoid(-scaled) / self.tau
    e = jnp.exp(-jnp.abs(logits))
    denominator = jnp.where(logits > 0, u + (1 - u) * e, u * e + (1 - u))
    return u * (1 - u) * e / denominator**2

  def expected_size(
    self, logits: jax.Array, *, beta: jax.Array | float
  ) -> jax.Array:
    """Returns P(m = 1) = sigmoid(l)."""
    del beta
    return jax.nn.sigmoid(logits)

  def penalty(self, logits: jax.Array, *, beta: jax.Array | float) -> jax.Array:
    """Returns the raw logit: Csordas et al. 2021 penalise the sum of logits."""
    del beta
    return logits


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _straight_through(
  relaxation: GumbelSigmoid, logits: jax.Array, u: jax.Array
) -> jax.Array:
  """Returns the bits, whose derivative is the slope of the relaxed sample.

  The slope is computed where a derivative is asked for, and only there.
  """
  return (u > jax.nn.sigmoid(-logits)).astype(jnp.float32)


@_straight_through.defjvp
def _straight_through_jvp(relaxation, primals, tangents):
  logits, u = primals
  hard = _straight_through(relaxation, logits, u)
  return hard, relaxation.slope(logits, u) * tangents[0]


@dataclasses.dataclass(frozen=True)
class HardConcrete(Relaxation):
  """Stretched and clipped concrete samples: Louizos et al. 2018.

  The defaults are those of the paper.

  Attributes:
    tau: temperature.
    gamma: lower end of the stretch interval, below 0.
    zeta: its upper end, above 1.
  """

  uses_beta: ClassVar[bool] = False
  tau: float = 2 / 3
  gamma: float = -0.1
  zeta: float = 1.1

  def __post_init__(self) -> None:
    """Raises UserError for parameters with which no sample is 0 or 1."""
    self._check("tau", above=0)
    self._check("gamma", below=0)
    self._check("zeta", above=1)

  def sample(
    self, logits: jax.Array, *, beta: jax.Array | float, key: jax.Array
  ) -> jax.Array:
    """Draws from the distribution of eq. 10-11."""
    del beta
    logistic = _logistic(noise.open_uniform(key, logits.shape))
    concrete = jax.nn.sigmoid((logistic + logits) / self.tau)
    stretched = concrete * (self.zeta - self.gamma) + self.gamma
    return jnp.clip(stretched, 0.0, 1.0)

  def expected_size(
    self, logits: jax.Array, *, beta: jax.Array | float
  ) -> jax.Array:
    """Returns P(m > 0), the expected L0 norm, eq. 12."""
    del beta
    return jax.nn.sigmoid(logits - self.tau * math.log(-self.gamma / self.zeta))


RELAXATIONS: dict[str, type[Relaxation]] = {
  "continuous_sparsification": ContinuousSparsification,
  "gumbel_sigmoid": GumbelSigmoid,
  "hard_concrete": HardConcrete,
}


def get_relaxation(setting: str | Mapping[str, Any] | Relaxation) -> Relaxation:
  """Returns the relaxation that a setting describes.

  >>> get_relaxation("gumbel_sigmoid")
  GumbelSigmoid(tau=1.0)
  >>> get_relaxation({"name": "hard_concrete", "tau": 0.5})
  HardConcrete(tau=0.5, gamma=-0.1, zeta=1.1)

  Args:
    setting: a name in `RELAXATIONS`, for the default parameters;
      {"name": ..., parameter: value}; or a relaxation, which is returned.

  Raises:
    UserError: there is no such relaxation, it has no such parameter, or a value
      is none that it can have.
  """
  if isinstance(setting, Relaxation):
    return setting
  values = dict(setting) if isinstance(setting, Mapping) else {"name": setting}
  name = values.pop("name", setting)
  if not (isinstance(name, str) and name in RELAXATIONS):
    raise UserError(
      f"unknown relaxation {name!r}; use one of {', '.join(RELAXATIONS)}, or a "
      "mapping of its 'name' and parameters"
    )
  relaxation = RELAXATIONS[name]
  signature = inspect.signature(relaxation)
  try:
    signature.bind(**values)
  except TypeError as error:
    raise UserError(
      f"relaxation {name}: {error}; its parameters are "
      f"{', '.join(signature.parameters) or 'none'}"
    ) from error
  try:
    return relaxation(**values)
  except UserError as error:
    raise UserError(f"relaxation {name}: {error}") from error
