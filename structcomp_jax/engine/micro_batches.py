"""The loss of a batch, computed and differentiated part by part."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from structcomp_jax import trees, types, varying

# (learned, fixed, part of a batch) -> f32, a mean over its examples.
PartLoss = Callable[[Any, Any, types.Batch], jax.Array]


def mean_loss(
  loss_fn: PartLoss, learned: Any, fixed: Any, parts: types.Batch
) -> jax.Array:
  """Returns the mean of the losses of equal parts of a batch.

  >>> parts = {"x": jnp.array([[1.0, 3.0], [5.0, 7.0]])}
  >>> def loss_fn(weight, fixed, part):
  ...   return weight * jnp.mean(part["x"])
  >>> jax.value_and_grad(
  ...   lambda weight: mean_loss(loss_fn, weight, None, parts)
  ... )(jnp.float32(2.0))
  (Array(8., dtype=float32), Array(4., dtype=float32))

  The gradient of a part is computed as soon as its loss is, and added to those
  before it: what a gradient needs of the forward pass lies in memory for one
  part at a time. So a batch fits that would not, and where a part is small
  enough it lies in the fast memory of a chip.

  Args:
    loss_fn: the loss of a part.
    learned: PyTree of arrays, in which the result may be differentiated.
    fixed: PyTree of arrays that `loss_fn` reads as well. A gradient in them is
      zero, whatever the loss.
    parts: {name: array [parts, examples of a part, ...]}.
  """
  # Devices that share a batch add up their gradients once, not for every part.
  learned = varying.with_axes_of(learned, parts)
  return _mean_loss(loss_fn, learned, fixed, parts)


def _mean_loss(loss_fn, learned, fixed, parts):
  num_parts = trees.num_rows(parts)

  @jax.custom_vjp
  def mean(learned, fixed, parts):
    return forward(learned, fixed, parts)[0]

  def forward(learned, fixed, parts):
    def add(total, part):
      found = jax.value_and_grad(loss_fn)(learned, fixed, part)
      return jax.tree.map(lambda one, new: one + new, total, found), None

    wide = jax.tree.map(
      lambda leaf: jnp.zeros(leaf.shape, jnp.float32), learned
    )
    start = varying.with_axes_of(
      (jnp.float32(0), wide), (learned, fixed, parts)
    )
    (loss, gradient), _ = jax.lax.scan(add, start, parts)
    gradient = jax.tree.map(
      lambda one, leaf: (one / num_parts).astype(leaf.dtype), gradient, learned
    )
    return loss / num_parts, gradient

  def backward(gradient, cotangent):
    scaled = jax.tree.map(
      lambda one: (one * cotangent).astype(one.dtype), gradient
    )
    return scaled, None, None

  mean.defvjp(forward, backward)
  return mean(learned, fixed, parts)
