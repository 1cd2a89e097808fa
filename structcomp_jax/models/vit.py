"""Vision transformer (Dosovitskiy et al. 2020, arXiv 2010.11929) as stages.

Computes what the Hugging Face `ViTModel` computes in evaluation mode: patches
as tokens after a [CLS] token, learned positions, pre-layer-norm blocks, exact
GELU and a last layer norm; no dropout, no pooler. The embedding is that of an
MLP head on the normed [CLS].

`ViT` is a `staged.Staged` network with the stages first, layer_0, layer_1, ...,
norm, head.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from structcomp_jax.models import sizes, staged
from structcomp_jax.models.layers import transformer, vision
from structcomp_jax.types import Batch, UserError

_FROM_HUGGING_FACE = {
  "image_size": "image_size",
  "patch_size": "patch_size",
  "hidden_size": "hidden_size",
  "num_hidden_layers": "num_layers",
  "num_attention_heads": "num_heads",
  "intermediate_size": "intermediate_size",
  "layer_norm_eps": "layer_norm_eps",
  "initializer_range": "initializer_range",
}
_OPTIONAL = ("layer_norm_eps", "initializer_range")
_ONLY_VALUE = {
  "model_type": "vit",
  "hidden_act": "gelu",
  "num_channels": 3,
  "qkv_bias": True,
}


@dataclasses.dataclass(frozen=True)
class ViTConfig:
  """Sizes of a vision transformer; the defaults are those of ViT-Base/16.

  Attributes:
    image_size: side of the images, in pixels; a multiple of `patch_size`.
    patch_size: side of a patch, in pixels.
    hidden_size: width of the residual stream; a multiple of `num_heads`.
    num_layers: number of blocks.
    num_heads: attention heads per block.
    intermediate_size: width inside the feed-forward part.
    head_sizes: widths of the head's dense layers; the last is the embedding.
    layer_norm_eps: added to the variance.
    initializer_range: standard deviation of fresh weights and embeddings.
  """

  image_size: int = 128
  patch_size: int = 16
  hidden_size: int = 768
  num_layers: int = 12
  num_heads: int = 12
  intermediate_size: int = 3072
  head_sizes: Sequence[int] = (2048, 128)
  layer_norm_eps: float = 1e-12
  initializer_range: float = 0.02

  def __post_init__(self):
    sizes.check(self, "ViT")
    sizes.check_multiple(self, "ViT", "image_size", "patch_size")
    sizes.check_multiple(self, "ViT", "hidden_size", "num_heads")

  @property
  def num_patches(self) -> int:
    """Number of patches of an image."""
    return (self.image_size // self.patch_size) ** 2

  @classmethod
  def from_hugging_face(
    cls, fields: Mapping[str, Any], head_sizes: Sequence[int] = (2048, 128)
  ) -> "ViTConfig":
    """Reads the fields of a Hugging Face `config.json`.

    Raises:
      UserError: a size is missing, or the network is not a plain ViT.
    """
    found = sizes.from_hugging_face(
      fields,
      _FROM_HUGGING_FACE,
      optional=_OPTIONAL,
      only_value=_ONLY_VALUE,
      kind="a plain ViT",
    )
    return cls(**found, head_sizes=head_sizes)


class Embeddings(nn.Module):
  """[CLS] and the projected patches, plus positions."""

  config: ViTConfig
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self, images: Float[Array, "batch height width 3"]
  ) -> Float[Array, "batch tokens hidden"]:
    config = self.config
    tokens = _dense(config, config.hidden_size, self.dtype, "patches")(
      _patches(images, config.patch_size)
    )
    token = self.param(
      "cls_token", _initial_weight(config), (config.hidden_size,)
    )
    first = jnp.broadcast_to(
      token.astype(self.dtype), (len(images), 1, config.hidden_size)
    )
    positions = nn.Embed(
      config.num_patches + 1,
      config.hidden_size,
      dtype=self.dtype,
      embedding_init=_initial_weight(config),
      name="positions",
    )(jnp.arange(config.num_patches + 1))
    return jnp.concatenate([first, tokens], axis=1) + positions


def _patches(images: jax.Array, size: int) -> jax.Array:
  """[n, y * size, x * size, c] -> [n, y * x, size * size * c]."""
  batch, height, width, channels = images.shape
  rows, columns = height // size, width // size
  blocks = images.reshape(batch, rows, size, columns, size, channels)
  return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(batch, rows * columns, -1)


class Attention(nn.Module):
  """Multi-head self-attention."""

  config: ViTConfig
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self,
    hidden: Float[Array, "batch tokens hidden"],
    num_queries: int | None = None,
  ) -> Float[Array, "batch queries hidden"]:
    config = self.config
    project = functools.partial(_dense, config, config.hidden_size, self.dtype)

    mixed = transformer.attend(
      project("query")(hidden[:, :num_queries]),
      project("key")(hidden),
      project("value")(hidden),
      num_heads=config.num_heads,
    )
    return project("output")(mixed)


class Layer(nn.Module):
  """One block: attention, then the feed-forward part, each after a norm."""

  config: ViTConfig
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self,
    hidden: Float[Array, "batch tokens hidden"],
    num_queries: int | None = None,
  ) -> Float[Array, "batch queries hidden"]:
    """Computes the first `num_queries` tokens; None means all."""
    config = self.config
    normed = _layer_norm(config, self.dtype, "norm_before")(hidden)
    attention = Attention(config, self.dtype, name="attention")
    hidden = hidden[:, :num_queries] + attention(normed, num_queries)
    normed = _layer_norm(config, self.dtype, "norm_after")(hidden)
    inner = _dense(
      config, config.intermediate_size, self.dtype, "intermediate"
    )(normed)
    inner = transformer.gelu(inner)
    output = _dense(config, config.hidden_size, self.dtype, "output")
    return hidden + output(inner)


class ViT(nn.Module):
  """Vision transformer with an MLP head.

  >>> ViT(ViTConfig(num_layers=2)).stages
  ('first', 'layer_0', 'layer_1', 'norm', 'head')

  Attributes:
    config: sizes.
    dtype: of the computation; parameters are float32 always.

  Inputs are {"images": [N, height, width, 3]}, bytes or floats in 0 ... 1,
  which are normalised here. Every method that takes them raises UserError for
  images of another size than `config.image_size`.
  """

  config: ViTConfig
  dtype: Any = jnp.float32

  def setup(self):
    config = self.config
    self.first = Embeddings(config, self.dtype)
    # linen names the entries of a list attribute layer_0, layer_1, ...
    self.layer = [Layer(config, self.dtype) for _ in range(config.num_layers)]
    self.norm = _layer_norm(config, self.dtype)
    self.head = vision.Head(config.head_sizes, self.dtype)

  @property
  def stages(self) -> tuple[str, ...]:
    """Names of the stages, first to last."""
    layers = (f"layer_{index}" for index in range(self.config.num_layers))
    return ("first", *layers, "norm", "head")

  def __call__(self, inputs: Batch) -> Float[Array, "batch embedding"]:
    """Returns the embedding of every image."""
    return self._run(inputs["images"], self.stages)

  def features_before(self, inputs: Batch, stage: str) -> Batch:
    """Returns {"features": what goes into `stage`}, one of `stages[1:]`.

    Before "head" that is the normed [CLS], float[N, hidden]: the backbone's
    features. Before "norm" it is [CLS], before a layer all tokens.
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
    last = self.config.num_layers - 1
    for name in names:
      if name == "first":
        features = self._embed(features)
      elif name == "norm":
        features = self.norm(features)
      elif name == "head":
        features = self.head(features)
      elif name == f"layer_{last}":
        # All later stages read [CLS] alone.
        features = self.layer[last](features, num_queries=1)[:, 0]
      else:
        features = self.layer[int(name.removeprefix("layer_"))](features)
    return features

  def _embed(self, images):
    size = self.config.image_size
    if images.shape[1:] != (size, size, 3):
      raise UserError(
        f"images have shape {images.shape[1:]}, the ViT model takes "
        f"{(size, size, 3)}; resize them or set image_size"
      )
    return self.first(vision.normalize(images, self.dtype))


def _initial_weight(config: ViTConfig) -> nn.initializers.Initializer:
  return nn.initializers.normal(stddev=config.initializer_range)


def _dense(config: ViTConfig, features: int, dtype: Any, name: str) -> nn.Dense:
  return transformer.dense(features, config.initializer_range, dtype, name)


def _layer_norm(
  config: ViTConfig, dtype: Any, name: str | None = None
) -> nn.LayerNorm:
  return transformer.layer_norm(config.layer_norm_eps, dtype, name)
