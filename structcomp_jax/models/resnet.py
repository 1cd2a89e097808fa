"""ResNet (He et al. 2015, arXiv 1512.03385) as named stages.

The networks of Break It Down (arXiv 2301.10884): torchvision's layout, with an
instance norm that has no weights and no running statistics in place of every
batch norm, and a small MLP as head. Convolutions have no bias; in a bottleneck
the 3x3 convolution has the stride. A WideResNet50-2 (Zagoruyko and Komodakis
2016, arXiv 1605.07146) has bottlenecks of twice the inner width. Those of
Csordás et al. 2021 (arXiv 2010.02066) for CIFAR have batch norms.

`ResNet` is a `staged.Staged` network with the stages first, stage_1, stage_2,
..., head.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

from structcomp_jax import varying
from structcomp_jax.models import sizes, staged
from structcomp_jax.models.layers import vision
from structcomp_jax.models.layers.batch_norm import BatchNorm
from structcomp_jax.models.layers.convolution import Conv
from structcomp_jax.models.layers.instance_norm import instance_norm
from structcomp_jax.types import Batch, UserError

BLOCKS = ("basic", "bottleneck")
NORMS = ("instance", "batch")
# Channels that leave a block, as a multiple of the stage's width.
_EXPANSION = {"basic": 1, "bottleneck": 4}


@dataclasses.dataclass(frozen=True)
class ResNetConfig:
  """Sizes of a ResNet; the defaults are those of ResNet50.

  Attributes:
    block: "basic" (two 3x3 convolutions) or "bottleneck" (1x1, 3x3, 1x1).
    stage_sizes: number of blocks of every stage, at least one stage.
    stage_widths: channels of every stage; a stage of bottlenecks gives four
      times as many to the next one. The stem has as many as the first stage.
    stage_strides: stride of the first block of every stage.
    inner_factor: channels inside a bottleneck, as a multiple of the stage's
      width; 2 for WideResNet50-2.
    stem_kernel: size of the first convolution.
    stem_stride: its stride.
    stem_pool: whether a 3x3 max pool with stride 2 follows.
    head_sizes: widths of the dense layers; the last is the embedding.
    norm: "instance", without weights, or "batch" (`layers.batch_norm`).
    normalized: pictures come as floats of about unit variance; else they are
      normalised here, as mostly white ones.
  """

  block: str = "bottleneck"
  stage_sizes: Sequence[int] = (3, 4, 6, 3)
  stage_widths: Sequence[int] = (64, 128, 256, 512)
  stage_strides: Sequence[int] = (1, 2, 2, 2)
  inner_factor: int = 1
  stem_kernel: int = 7
  stem_stride: int = 2
  stem_pool: bool = True
  head_sizes: Sequence[int] = (2048, 128)
  norm: str = "instance"
  normalized: bool = False

  def __post_init__(self):
    if self.block not in BLOCKS:
      raise UserError(
        f"ResNet config: unknown block {self.block!r}; "
        f"use one of {', '.join(BLOCKS)}"
      )
    sizes.check(self, "ResNet")
    sizes.check_choice(self, "ResNet", "norm", NORMS)
    per_stage = ("stage_sizes", "stage_widths", "stage_strides")
    if len({len(getattr(self, name)) for name in per_stage}) > 1:
      raise UserError(
        f"ResNet config: {', '.join(per_stage)} differ in length; give one "
        "number for every stage"
      )
    if self.block == "basic" and self.inner_factor != 1:
      raise UserError(
        f"ResNet config: inner_factor is {self.inner_factor}, basic blocks "
        "have no inner width; set it to 1 or use bottleneck blocks"
      )

  def channels(self, stage: int) -> int:
    """Returns how many channels leave a stage, numbered from 1."""
    return self.stage_widths[stage - 1] * _EXPANSION[self.block]


def resnet50() -> ResNetConfig:
  """ResNet50: 23,454,912 weights in convolutions."""
  return ResNetConfig()


def wide_resnet50_2() -> ResNetConfig:
  """WideResNet50-2: 66,766,016 weights in convolutions."""
  return ResNetConfig(inner_factor=2)


def _norm(config: ResNetConfig, dtype: Any, name: str) -> Any:
  """Returns the norm after a convolution, images -> images."""
  if config.norm == "batch":
    return BatchNorm(dtype, name=name)
  return instance_norm


def add_relu(
  images: Float[Array, "batch height width channels"],
  shortcut: Float[Array, "batch height width channels"],
) -> Float[Array, "batch height width channels"]:
  """Returns relu(images + shortcut), bit for bit.

  XLA:CPU fuses an operation with one large operand, such as ReLU, into every
  operation that reads its result, and computes its operand again in each of
  them. A block's output is read twice, by the next block and by its shortcut,
  so the blocks before would be computed again and again. XLA:CPU computes an
  operation with two large operands once, so the ReLU is written as one:
  max(images, -shortcut) + shortcut.
  """
  return _add_relu(*varying.alike(images, shortcut))


@jax.custom_vjp
def _add_relu(images, shortcut):
  return jnp.maximum(images, -shortcut) + shortcut


def _add_relu_forward(images, shortcut):
  output = _add_relu(images, shortcut)
  return output, output


def _add_relu_gradient(output, cotangent):
  slope = jnp.where(output > 0, cotangent, 0)
  return slope, slope


_add_relu.defvjp(_add_relu_forward, _add_relu_gradient)


def max_pool(
  images: Float[Array, "batch height width channels"],
) -> Float[Array, "batch out_height out_width channels"]:
  """Maximum over 3x3 pixels with stride 2 and one pixel of padding.

  Among equal pixels the gradient goes to the first one, as in PyTorch. The
  maximum over three pixels is taken along one axis and then along the other:
  on a CPU its gradient is much faster than that of `lax`'s pooling.
  """
  return _max_of_three(_max_of_three(images, axis=2), axis=1)


def _max_of_three(images, axis):
  edges = [(0, 0)] * images.ndim
  edges[axis] = (1, 1)
  padded = jnp.pad(images, edges, constant_values=-jnp.inf)
  end = images.shape[axis]
  first, second, third = (
    lax.slice_in_dim(padded, start, start + end, 2, axis) for start in range(3)
  )
  largest = jnp.where(second > first, second, first)
  return jnp.where(third > largest, third, largest)


class Stem(nn.Module):
  """First convolution, norm, ReLU and, if configured, max pool."""

  config: ResNetConfig
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, images: Float[Array, "batch height width 3"]
  ) -> Float[Array, "batch out_height out_width channels"]:
    config = self.config
    convolution = Conv(
      config.stage_widths[0],
      config.stem_kernel,
      config.stem_stride,
      dtype=self.dtype,
      name="conv",
    )
    norm = _norm(config, self.dtype, "norm")
    images = jax.nn.relu(norm(convolution(images)))
    if config.stem_pool:
      images = max_pool(images)
    return images


class Block(nn.Module):
  """Convolutions with norms and ReLUs, and a shortcut around them.

  Attributes:
    config: of the network.
    layers: (channels, kernel size, stride) of every convolution.
    dtype: of the computation.
  """

  config: ResNetConfig
  layers: tuple[tuple[int, int, int], ...]
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, images: Float[Array, "batch height width inputs"]
  ) -> Float[Array, "batch out_height out_width outputs"]:
    outputs, stride = self.layers[-1][0], max(layer[2] for layer in self.layers)
    shortcut = images
    if stride > 1 or images.shape[-1] != outputs:
      convolution = Conv(outputs, 1, stride, self.dtype, name="shortcut")
      norm = _norm(self.config, self.dtype, "shortcut_norm")
      shortcut = norm(convolution(images))
    for index, layer in enumerate(self.layers, start=1):
      if index > 1:
        images = jax.nn.relu(images)
      convolution = Conv(*layer, dtype=self.dtype, name=f"conv_{index}")
      norm = _norm(self.config, self.dtype, f"norm_{index}")
      images = norm(convolution(images))
    return add_relu(images, shortcut)


class Stage(nn.Module):
  """Blocks of one width; the first has the stride."""

  config: ResNetConfig
  number: int
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, images: Float[Array, "batch height width inputs"]
  ) -> Float[Array, "batch out_height out_width outputs"]:
    stride = self.config.stage_strides[self.number - 1]
    for index in range(self.config.stage_sizes[self.number - 1]):
      layers = _layers(self.config, self.number, stride if index == 0 else 1)
      block = Block(self.config, layers, self.dtype, name=f"block_{index}")
      images = block(images)
    return images


def _layers(
  config: ResNetConfig, stage: int, stride: int
) -> tuple[tuple[int, int, int], ...]:
  """Returns (channels, kernel size, stride) of a block's convolutions."""
  outputs = config.channels(stage)
  if config.block == "basic":
    return (outputs, 3, stride), (outputs, 3, 1)
  inner = outputs // _EXPANSION["bottleneck"] * config.inner_factor
  return (inner, 1, 1), (inner, 3, stride), (outputs, 1, 1)


class ResNet(nn.Module):
  """ResNet with an MLP head.

  >>> ResNet(ResNetConfig()).stages
  ('first', 'stage_1', 'stage_2', 'stage_3', 'stage_4', 'head')

  Attributes:
    config: sizes.
    dtype: of the computation; parameters are float32 always.

  Inputs are {"images": [N, height, width, 3]}, bytes or floats in 0 ... 1,
  which are normalised here unless `config.normalized` says that they are.
  """

  config: ResNetConfig
  dtype: Any = jnp.float32

  def setup(self):
    config = self.config
    self.first = Stem(config, self.dtype)
    # linen names the entries of a dict attribute stage_1, stage_2, ...
    self.stage = {
      str(number): Stage(config, number, self.dtype)
      for number in range(1, len(config.stage_sizes) + 1)
    }
    self.head = vision.Head(config.head_sizes, self.dtype)

  @property
  def stages(self) -> tuple[str, ...]:
    """Names of the stages, first to last."""
    numbers = range(1, len(self.config.stage_sizes) + 1)
    return ("first", *(f"stage_{number}" for number in numbers), "head")

  def __call__(self, inputs: Batch) -> Float[Array, "batch embedding"]:
    """Returns the embedding of every image."""
    return self._run(inputs["images"], self.stages)

  def features_before(self, inputs: Batch, stage: str) -> Batch:
    """Returns {"features": what goes into `stage`}, one of `stages[1:]`.

    Before "head" that is the mean over the image of the last stage's output,
    float[N, channels]: the backbone's features.
    """
    names = self.stages[: staged.index(self, stage)]
    return {"features": self._run(inputs["images"], names)}

  def from_stage(
    self, features: Batch, stage: str
  ) -> Float[Array, "batch embedding"]:
    """Returns the embedding, given what enters `stage`."""
    names = self.stages[staged.index(self, stage) :]
    return self._run(features["features"], names)

  def _run(self, features, names):
    last = self.stages[-2]
    for name in names:
      if name == "first":
        if not self.config.normalized:
          features = vision.normalize(features, self.dtype)
        features = self.first(features)
      elif name == "head":
        features = self.head(features)
      else:
        features = self.stage[name.removeprefix("stage_")](features)
      if name == last:
        features = features.mean((1, 2))
    return features
