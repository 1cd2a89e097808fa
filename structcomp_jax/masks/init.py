"""Starting point of a search: constant mask logits."""

import jax
import jax.numpy as jnp

from structcomp_jax.masks.select import MaskSpec
from structcomp_jax.types import MaskLogits


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
