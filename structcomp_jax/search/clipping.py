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

import jax.numpy as jnp
import optax

SCOPES = ("masks", "reference")
# Of the reference; it keeps a gradient of zero from dividing by zero.
_EPSILON = 1e-6


def clip(
  gradient: Any, frozen_gradient: Any, stale: Any, limit: float
) -> tuple[Any, Any]:
  """Returns the clipped gradient, and what piles up of the frozen weights.

  >>> gradient = {"kernel": jnp.array([3.0])}
  >>> clip(gradient, None, None, 1.0)
  ({'kernel': Array([1.], dtype=float32)}, None)

  Args:
    gradient: of the logits.
    frozen_gradient: of the frozen weights in this step; None: the norm is that
      of `gradient` alone.
    stale: what the last call returned of them; zeros at first.
    limit: c, the largest norm.
  """
  if frozen_gradient is None:
    norm = optax.tree.norm(gradient)
    return optax.tree.scale(limit / jnp.maximum(norm, limit), gradient), None
  stale = optax.tree.add(stale, frozen_gradient)
  norm = optax.tree.norm((gradient, stale))
  factor = jnp.minimum(1.0, limit / (norm + _EPSILON))
  return optax.tree.scale(factor, gradient), optax.tree.scale(factor, stale)
