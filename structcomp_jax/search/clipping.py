"""Clipping of the gradient of mask logits, and over what its norm is taken.

    masks      the gradient of the candidate's logits.
    reference  that gradient, and those of the frozen weights, which pile up.

The second one is what the implementation of Csordás et al. 2021 computes. Its
frozen weights keep asking for gradients, and its optimiser of masks, which does
not own them, never clears them. In step t, with g_t the gradient of the task
loss for the frozen weights and m_t that of the loss for the logits,

    G_t = f_(t-1) G_(t-1) + g_t          (G_0 = 0)
    f_t = min(1, c / (sqrt(|G_t|^2 + |m_t|^2) + 1e-6))

and the masks move by f_t m_t. G stays near the limit c, so that nearly every
step is clipped, by a factor that varies from batch to batch. It prunes more
than steps that are not clipped.
"""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from structcomp_jax import types

SCOPES = ("masks", "reference")
# Of the reference; it keeps a gradient of zero from dividing by zero.
_EPSILON = 1e-6


class Stale(flax.struct.PyTreeNode):
  """Gradients of the frozen weights that have piled up.

  Attributes:
    total: G before it was clipped.
    factor: f32, f: what it is to be multiplied with. Both are kept, because the
      product is taken on the way to the next total and costs nothing there.
  """

  total: types.Params
  factor: jax.Array | float

  @classmethod
  def start(cls, params: types.Params) -> "Stale":
    """Returns that none has piled up; `params` gives the shapes."""
    return cls(total=optax.tree.zeros_like(params), factor=jnp.float32(1))

  def add(self, gradient: types.Params) -> types.Params:
    """Returns the next total."""
    return jax.tree.map(
      lambda old, new: self.factor * old + new, self.total, gradient
    )


def norm_and_factor(
  gradient: Any, piled_up: Any, limit: float
) -> tuple[jax.Array, jax.Array | float]:
  """Returns the norm, and what a step multiplies the gradient with.

  >>> gradient = {"kernel": jnp.array([3.0])}
  >>> [float(number) for number in norm_and_factor(gradient, None, limit=1.5)]
  [3.0, 0.5]

  Args:
    gradient: of the logits.
    piled_up: of the frozen weights, G; None: the norm is that of `gradient`.
    limit: c, the largest norm; 0: nothing is clipped.
  """
  norm = optax.tree.norm((gradient, piled_up))
  if not limit:
    return norm, 1.0
  if piled_up is None:
    return norm, limit / jnp.maximum(norm, limit)
  return norm, jnp.minimum(1.0, limit / (norm + _EPSILON))
