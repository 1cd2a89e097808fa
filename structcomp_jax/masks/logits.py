"""Mask logits: their initial value, and the one threshold for hard masks."""

import jax
import jax.numpy as jnp

from structcomp_jax.masks.select import MaskSpec
from structcomp_jax.types import Mask, MaskLogits


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


def binarize(mask_logits: MaskLogits) -> Mask:
  """Returns the hard mask: a unit is kept when its logit is above zero.

  A unit whose logit is exactly 0 is removed. So it is in "Break It Down"
  (subnetwork s > 0, ablated network s <= 0). "Are Neural Nets Modular?" counts
  units with l > 0 but evaluates networks with l >= 0; here both are l > 0.

  >>> binarize({"kernel": jnp.array([-1.0, 0.0, 1.0])})["kernel"].tolist()
  [False, False, True]

  Args:
    mask_logits: {path: f32[...]}, any leading axes.

  Returns:
    {path: bool[...]}, True is kept.
  """
  return {path: logits > 0 for path, logits in mask_logits.items()}
