"""Dropout that is on wherever there are random numbers for it."""

from flax import linen as nn
from jaxtyping import Array, Float


class Dropout(nn.Module):
  """Sets values to zero, if `apply` is given an rng named "dropout".

  Attributes:
    rate: share of the values that become zero; others are divided by the rest.
  """

  rate: float

  @nn.compact
  def __call__(self, values: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    is_on = self.has_rng("dropout")
    return nn.Dropout(self.rate)(values, deterministic=not is_on)
