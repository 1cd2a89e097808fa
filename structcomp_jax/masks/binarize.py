"""The threshold. There is no other one in the package."""

from structcomp_jax.types import Mask, MaskLogits


def binarize(mask_logits: MaskLogits) -> Mask:
  """Returns the hard mask: a unit is kept when its logit is above zero.

  A logit of exactly 0 is removed, as in Break It Down (subnetwork s > 0,
  ablated network s <= 0) and in the mask statistics of Are Neural Nets
  Modular?.

  Differences: the latter evaluates with l >= 0 in one place and counts with
  l > 0 in another; here both are l > 0.

  >>> import jax.numpy as jnp
  >>> binarize({"kernel": jnp.array([-1.0, 0.0, 1.0])})["kernel"].tolist()
  [False, False, True]

  Args:
    mask_logits: {path: f32[...]}, any leading axes.

  Returns:
    {path: bool[...]}, True is kept.
  """
  return {path: logits > 0 for path, logits in mask_logits.items()}
