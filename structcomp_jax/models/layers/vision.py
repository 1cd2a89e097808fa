"""What the vision networks share: normalised images, and the head."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, UInt8

from structcomp_jax.models.layers.dense import dense

# Mean and scale of every colour channel of an image in 0 ... 1. They are those
# of mostly white pictures.
_MEAN, _SCALE = 0.9, 0.1


def normalize(
  images: UInt8[Array, "batch height width 3"]
  | Float[Array, "batch height width 3"],
  dtype: Any = jnp.float32,
) -> Float[Array, "batch height width 3"]:
  """Returns (image - 0.9) / 0.1, bytes taken as 0 ... 1 in steps of 1/255.

  >>> normalize(jnp.full((1, 1, 1, 3), 255, jnp.uint8)).round(4).tolist()
  [[[[1.0, 1.0, 1.0]]]]
  """
  values = images.astype(jnp.float32)
  if jnp.issubdtype(images.dtype, jnp.integer):
    values = values / 255
  return ((values - _MEAN) / _SCALE).astype(dtype)


class Head(nn.Module):
  """Dense layers with ReLU between them.

  Attributes:
    sizes: width of every layer; the last is the embedding.
    dtype: of the computation; parameters are float32 always.
  """

  sizes: Sequence[int]
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, features: Float[Array, "batch features"]
  ) -> Float[Array, "batch embedding"]:
    for index, size in enumerate(self.sizes, start=1):
      if index > 1:
        features = jax.nn.relu(features)
      layer = dense(features.shape[-1], size, self.dtype, f"dense_{index}")
      features = layer(features)
    return features
