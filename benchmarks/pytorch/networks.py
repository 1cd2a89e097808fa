"""Masked networks as a PyTorch user writes them: every mask is in a layer.

BERT and ResNet with continuous sparsification (Savarese et al. 2020, arXiv
1912.04427), eager, in float32, of the weights of our networks. Weights are
frozen by `requires_grad`; a masked layer has `mask_logits` beside its weight
and multiplies it with sigmoid(beta * logits) in its forward pass.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

# BERT's.
_LAYER_NORM_EPSILON = 1e-12


class Masked(nn.Module):
  """A weight with or without mask logits.

  Attributes:
    path: of the weight in our network.
    weight: frozen.
    bias: frozen, or None.
    mask_logits: trained, or None where the weight is not masked.
    beta: sharpness of the mask.
    mask: of the last forward pass, for the penalty.
  """

  def __init__(
    self, path: str, weight: np.ndarray, bias: np.ndarray | None = None
  ) -> None:
    super().__init__()
    self.path = path
    self.weight = _frozen(weight)
    self.bias = None if bias is None else _frozen(bias)
    self.mask_logits = None
    self.beta = 1.0
    self.mask = None

  def add_mask(self, init_logit: float) -> None:
    """Masks the weight from now on."""
    self.mask_logits = nn.Parameter(torch.full_like(self.weight, init_logit))

  def masked_weight(self) -> torch.Tensor:
    """Returns the weight times its mask."""
    if self.mask_logits is None:
      return self.weight
    self.mask = torch.sigmoid(self.beta * self.mask_logits)
    return self.weight * self.mask


class MaskedLinear(Masked):
  """x W^T + b."""

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    return F.linear(x, self.masked_weight(), self.bias)


class MaskedConv2d(Masked):
  """A convolution without bias that keeps the size at stride 1."""

  def __init__(self, path: str, weight: np.ndarray, stride: int) -> None:
    super().__init__(path, weight)
    self.stride, self.padding = stride, weight.shape[-1] // 2

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    return F.conv2d(
      x, self.masked_weight(), stride=self.stride, padding=self.padding
    )


def _frozen(array: Any) -> nn.Parameter:
  return nn.Parameter(torch.tensor(np.array(array)), requires_grad=False)


class _Weights:
  """Our weights by path, in PyTorch's layouts."""

  def __init__(self, weights: Mapping[str, Any]) -> None:
    self._weights = weights

  def has(self, path: str) -> bool:
    return any(name.startswith(path) for name in self._weights)

  def linear(self, path: str) -> MaskedLinear:
    kernel, bias = (self._weights[f"{path}/{n}"] for n in ("kernel", "bias"))
    return MaskedLinear(f"{path}/kernel", np.transpose(kernel), bias)

  def conv(self, path: str, stride: int) -> MaskedConv2d:
    # Height, width, inputs, outputs -> outputs, inputs, height, width.
    kernel = np.transpose(self._weights[f"{path}/kernel"], (3, 2, 0, 1))
    return MaskedConv2d(f"{path}/kernel", kernel, stride)

  def embedding(self, path: str) -> nn.Embedding:
    table = torch.tensor(np.array(self._weights[f"{path}/embedding"]))
    return nn.Embedding.from_pretrained(table, freeze=True)

  def layer_norm(self, path: str) -> nn.LayerNorm:
    scale, bias = (self._weights[f"{path}/{n}"] for n in ("scale", "bias"))
    norm = nn.LayerNorm(len(scale), eps=_LAYER_NORM_EPSILON)
    norm.weight, norm.bias = _frozen(scale), _frozen(bias)
    return norm


class BertLayer(nn.Module):
  """Self-attention, then the feed-forward part, each with a layer norm."""

  def __init__(self, weights: _Weights, path: str, num_heads: int) -> None:
    super().__init__()
    self.num_heads = num_heads
    for name in ("query", "key", "value", "output"):
      layer = weights.linear(f"{path}/attention/{name}")
      setattr(self, f"attention_{name}", layer)
    self.attention_norm = weights.layer_norm(f"{path}/attention/layer_norm")
    self.intermediate = weights.linear(f"{path}/intermediate")
    self.output = weights.linear(f"{path}/output")
    self.norm = weights.layer_norm(f"{path}/layer_norm")

  def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    def heads(projected):
      split = (*projected.shape[:2], self.num_heads, -1)
      return projected.view(split).transpose(1, 2)

    mixed = F.scaled_dot_product_attention(
      heads(self.attention_query(x)),
      heads(self.attention_key(x)),
      heads(self.attention_value(x)),
      attn_mask=mask,
    )
    mixed = mixed.transpose(1, 2).reshape(x.shape)
    x = self.attention_norm(x + self.attention_output(mixed))
    return self.norm(x + self.output(F.gelu(self.intermediate(x))))


class Bert(nn.Module):
  """BERT encoder; the sentence vector is the last hidden state at [CLS].

  Args:
    weights: {path: array} of a `structcomp_jax.models.bert.Bert`.
    num_layers, num_heads: as in its config.
  """

  def __init__(
    self, weights: Mapping[str, Any], num_layers: int, num_heads: int
  ) -> None:
    super().__init__()
    weights, path = _Weights(weights), "embeddings"
    self.words = weights.embedding(f"{path}/word_embeddings")
    self.positions = weights.embedding(f"{path}/position_embeddings")
    self.types = weights.embedding(f"{path}/token_type_embeddings")
    self.norm = weights.layer_norm(f"{path}/layer_norm")
    self.layer = nn.ModuleList(
      BertLayer(weights, f"layer_{index}", num_heads)
      for index in range(num_layers)
    )

  def forward(
    self, token_ids: torch.Tensor, attention_mask: torch.Tensor
  ) -> torch.Tensor:
    """Returns f32[batch, hidden] of ids and bool, each [batch, length]."""
    positions = torch.arange(token_ids.shape[1], device=token_ids.device)
    x = self.words(token_ids) + self.positions(positions)
    x = self.norm(x + self.types(torch.zeros_like(token_ids)))
    # As a BertModel adds it, to the scores of every head and query.
    mask = torch.where(attention_mask, 0.0, torch.finfo(x.dtype).min)
    for layer in self.layer:
      x = layer(x, mask[:, None, None, :])
    return x[:, 0]


class Bottleneck(nn.Module):
  """1x1, 3x3 and 1x1 convolution with instance norms, and a shortcut."""

  def __init__(self, weights: _Weights, path: str, stride: int) -> None:
    super().__init__()
    self.conv_1 = weights.conv(f"{path}/conv_1", 1)
    self.conv_2 = weights.conv(f"{path}/conv_2", stride)
    self.conv_3 = weights.conv(f"{path}/conv_3", 1)
    self.shortcut = (
      weights.conv(f"{path}/shortcut", stride)
      if weights.has(f"{path}/shortcut")
      else None
    )

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    shortcut = x if self.shortcut is None else F.instance_norm(self.shortcut(x))
    x = F.relu(F.instance_norm(self.conv_1(x)))
    x = F.relu(F.instance_norm(self.conv_2(x)))
    return F.relu(F.instance_norm(self.conv_3(x)) + shortcut)


class ResNet(nn.Module):
  """ResNet50 or a wide one, with instance norm and an MLP head.

  Args:
    weights: {path: array} of a `structcomp_jax.models.resnet.ResNet`.
    config: its `ResNetConfig`, of bottlenecks.
  """

  def __init__(self, weights: Mapping[str, Any], config: Any) -> None:
    super().__init__()
    weights = _Weights(weights)
    self.first = weights.conv("first/conv", config.stem_stride)
    self.has_pool = config.stem_pool
    self.blocks = nn.Sequential(
      *(
        Bottleneck(
          weights,
          f"stage_{stage}/block_{index}",
          config.stage_strides[stage - 1] if index == 0 else 1,
        )
        for stage, size in enumerate(config.stage_sizes, start=1)
        for index in range(size)
      )
    )
    self.head = nn.ModuleList(
      weights.linear(f"head/dense_{index}")
      for index in range(1, len(config.head_sizes) + 1)
    )

  def forward(self, images: torch.Tensor) -> torch.Tensor:
    """Returns f32[batch, embedding] of normalised f32[batch, 3, side, side]."""
    x = F.relu(F.instance_norm(self.first(images)))
    if self.has_pool:
      x = F.max_pool2d(x, 3, stride=2, padding=1)
    x = self.blocks(x).mean((2, 3))
    for index, dense in enumerate(self.head):
      x = dense(F.relu(x) if index else x)
    return x


def odd_one_out_loss(embeddings: torch.Tensor) -> torch.Tensor:
  """Mean cross entropy of f32[problems, 4, features], the odd item last."""
  directions = F.normalize(embeddings, dim=-1)
  cosines = directions @ directions.transpose(1, 2)
  odd = torch.full((len(cosines),), 3, device=cosines.device)
  return F.cross_entropy(-cosines.sum(-1), odd)
