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


@dataclasses.dataclass(frozen=True)
class Sgd:
  """Gradient descent with momentum and a step size that falls, by value.

  Attributes:
    learning_rate: the step size at the beginning.
    clip_norm: as of `Adam`.
    momentum: share of the last step that is taken again.
    weight_decay: added to the gradient, as a multiple of the weight.
    drops: steps after which the step size is a tenth of what it was.
  """

  learning_rate: float
  clip_norm: float = 0.0
  momentum: float = 0.9
  weight_decay: float = 0.0
  drops: tuple[int, ...] = ()

  def init(self, params: types.Params) -> Any:
    """Returns the state of the optimiser."""
    return self._transformation().init(params)

  def update(self, gradient: Any, state: Any, params: Any) -> tuple[Any, Any]:
    """Returns what is added to the weights, and the new state."""
    return self._transformation().update(gradient, state, params)

  def _transformation(self) -> optax.GradientTransformation:
    step_size = optax.piecewise_constant_schedule(
      self.learning_rate, dict.fromkeys(self.drops, 0.1)
    )
    descent = optax.chain(
      optax.add_decayed_weights(self.weight_decay),
      optax.sgd(step_size, momentum=self.momentum),
    )
    if not self.clip_norm:
      return descent
    return optax.chain(optax.clip_by_global_norm(self.clip_norm), descent)
