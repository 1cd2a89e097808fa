"""Optimisers equal by value, so that equal trainings share programs."""

import dataclasses
from typing import Any

import jax.numpy as jnp
import optax

from structcomp_jax import types


@dataclasses.dataclass(frozen=True)
class Adam:
  """Adam, equal by value.

  Attributes:
    learning_rate: the step size.
    clip_norm: the gradient is scaled down to this Euclidean norm where it is
      larger; 0: never.
    warmup_steps: the step size grows in equal parts over so many steps, the
      first of which has the first part; then it is constant.
    cooldown: (first step, steps), of the end: from then on the step size falls
      in equal parts, and the step after the last one would have none.
    b2: decay of the mean of squared gradients.
    epsilon: is added to its root.
  """

  learning_rate: float
  clip_norm: float = 0.0
  warmup_steps: int = 0
  cooldown: tuple[int, int] = (0, 0)
  b2: float = 0.999
  epsilon: float = 1e-8

  def init(self, params: types.Params) -> Any:
    """Returns the state of the optimiser."""
    return self._transformation().init(params)

  def update(self, gradient: Any, state: Any, params: Any) -> tuple[Any, Any]:
    """Returns what is added to the weights, and the new state."""
    return self._transformation().update(gradient, state, params)

  def _transformation(self) -> optax.GradientTransformation:
    adam = optax.adam(self._step_size(), b2=self.b2, eps=self.epsilon)
    if not self.clip_norm:
      return adam
    return optax.chain(optax.clip_by_global_norm(self.clip_norm), adam)

  def _step_size(self) -> Any:
    """Returns a number, or a function of the steps that were taken before."""
    first, num_falling = self.cooldown
    if not self.warmup_steps and not num_falling:
      return self.learning_rate

    def at(count: Any) -> Any:
      count = count.astype(jnp.float32)
      part = jnp.minimum((count + 1) / max(self.warmup_steps, 1), 1.0)
      if num_falling:
        part = jnp.minimum(part, (first + num_falling - count) / num_falling)
      return self.learning_rate * part

    return at


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
