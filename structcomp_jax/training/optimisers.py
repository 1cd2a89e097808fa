"""Optimisers equal by value, so that equal trainings share programs."""

import dataclasses
from typing import Any

import optax

from structcomp_jax import types


@dataclasses.dataclass(frozen=True)
class Adam:
  """Adam with a constant step size, equal by value.

  Attributes:
    learning_rate: the step size.
    clip_norm: the gradient is scaled down to this Euclidean norm where it is
      larger; 0: never.
  """

  learning_rate: float
  clip_norm: float = 0.0

  def init(self, params: types.Params) -> Any:
    """Returns the state of the optimiser."""
    return self._transformation().init(params)

  def update(self, gradient: Any, state: Any, params: Any) -> tuple[Any, Any]:
    """Returns what is added to the weights, and the new state."""
    return self._transformation().update(gradient, state, params)

  def _transformation(self) -> optax.GradientTransformation:
    adam = optax.adam(self.learning_rate)
    if not self.clip_norm:
      return adam
    return optax.chain(optax.clip_by_global_norm(self.clip_norm), adam)
