"""Batch norm whose running statistics are leaves beside its weights.

A network that is only run, such as a frozen one under a mask, normalises with
the running statistics, and these are weights that nobody learns. In training
the statistics of the batch are used instead, and handed out.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

# The collection in which statistics of a batch are handed out. Where `apply`
# may write it, the batch's own are used.
STATISTICS = "statistics"
MEAN, VARIANCE = "mean", "variance"
_EPSILON = 1e-5  # PyTorch's default, added to the variance


class BatchNorm(nn.Module):
  """Gives every channel mean 0 and variance 1, then scales and shifts it.

  Its parameters are `scale` and `bias`, which are learned, and `mean` and
  `variance`, the running statistics.

  Attributes:
    dtype: of the computation; parameters are float32 always.
  """

  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, images: Float[Array, "batch height width channels"]
  ) -> Float[Array, "batch height width channels"]:
    shape = (images.shape[-1],)
    scale = self.param("scale", nn.initializers.ones, shape)
    bias = self.param("bias", nn.initializers.zeros, shape)
    mean = self.param(MEAN, nn.initializers.zeros, shape)
    variance = self.param(VARIANCE, nn.initializers.ones, shape)
    values = images.astype(jnp.float32)
    if self.is_mutable_collection(STATISTICS):
      mean, variance = self._of_batch(values)
    factor = scale * lax.rsqrt(variance + _EPSILON)
    return (values * factor + (bias - mean * factor)).astype(self.dtype)

  def _of_batch(self, values: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns mean and variance of a batch, and hands them out.

    As in PyTorch, the variance that is handed out is the unbiased one.
    """
    mean = values.mean((0, 1, 2))
    variance = jnp.square(values - mean).mean((0, 1, 2))
    count = values.size // values.shape[-1]
    unbiased = variance * (count / max(count - 1, 1))
    self.put_variable(STATISTICS, MEAN, mean)
    self.put_variable(STATISTICS, VARIANCE, unbiased)
    return mean, variance
