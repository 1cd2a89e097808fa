"""A small convolutional network of pictures (Csordás et al. 2021).

`Cnn` is a `staged.Staged` network with the stages conv_0, conv_1, ..., output.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from structcomp_jax.models import sizes
from structcomp_jax.models.layers.chain import Chain
from structcomp_jax.models.layers.convolution import BiasedConv
from structcomp_jax.models.layers.dense import dense
from structcomp_jax.models.layers.dropout import Dropout
from structcomp_jax.types import UserError


@dataclasses.dataclass(frozen=True)
class CnnConfig:
  """Sizes of a convolutional network; the defaults are the published ones.

  Attributes:
    num_inputs: channels of a picture.
    num_outputs: classes.
    widths: channels of every 3x3 convolution.
    dropouts: share of the values that are dropped after each of them.
  """

  num_inputs: int = 3
  num_outputs: int = 10
  widths: Sequence[int] = (32, 64, 128, 256)
  dropouts: Sequence[float] = (0.0, 0.0, 0.25, 0.5)

  def __post_init__(self):
    sizes.check(self, "CNN")
    object.__setattr__(self, "dropouts", tuple(self.dropouts))
    if len(self.dropouts) != len(self.widths) or not all(
      0 <= rate < 1 for rate in self.dropouts
    ):
      raise UserError(
        f"CNN config: dropouts is {self.dropouts}; give a number from 0 on, "
        f"below 1, for each of {len(self.widths)} convolutions"
      )


def halve(
  images: Float[Array, "batch height width channels"],
) -> Float[Array, "batch half_height half_width channels"]:
  """Returns the maxima of 2 x 2 pixels; an odd last row or column is left out.

  >>> halve(jnp.arange(9.0).reshape(1, 3, 3, 1)).tolist()
  [[[[4.0]]]]
  """
  height, width = (size // 2 * 2 for size in images.shape[1:3])
  images = images[:, :height, :width]
  upper = jnp.maximum(images[:, ::2, ::2], images[:, ::2, 1::2])
  lower = jnp.maximum(images[:, 1::2, ::2], images[:, 1::2, 1::2])
  return jnp.maximum(upper, lower)


class Cnn(Chain):
  """3x3 convolutions with ReLU, maxima of 2 x 2 between them, a mean, a layer.

  Attributes:
    config: sizes.
    dtype: of the computation; parameters are float32 always.

  Inputs are {"images": float[N, height, width, channels]}, outputs float[N,
  outputs]. Values are dropped where `apply` gets an rng named "dropout".
  """

  config: CnnConfig
  dtype: Any = jnp.float32
  reads: ClassVar[str] = "images"

  def setup(self):
    config = self.config
    # linen names the entries of a list attribute conv_0, conv_1, ...
    self.conv = [
      BiasedConv(width, 3, dtype=self.dtype) for width in config.widths
    ]
    self.dropout = [Dropout(rate) for rate in config.dropouts]
    self.output = dense(config.widths[-1], config.num_outputs, self.dtype)

  @property
  def stages(self) -> tuple[str, ...]:
    """Names of the stages, first to last."""
    numbers = range(len(self.config.widths))
    return (*(f"conv_{number}" for number in numbers), "output")

  def _run(self, features, names):
    last = self.stages[-2]
    for name in names:
      if name == "output":
        features = self.output(features)
        continue
      number = int(name.removeprefix("conv_"))
      features = self.dropout[number](self.conv[number](features))
      features = jax.nn.relu(features)
      features = features.mean((1, 2)) if name == last else halve(features)
    return features
