"""Writes vision.npz: what PyTorch computes for the vision networks.

Needs the `torch` extra (made with torch 2.13.0, transformers 5.23.0):

  python -m tests.golden.make_vision_golden

The ResNets have torchvision's layout and names of parameters. All is computed
in double precision, so that a difference is rounding of the code under test.
"""

import pathlib
import tempfile

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import nn
from transformers import ViTConfig, ViTModel

from tests.models import formula

_HERE = pathlib.Path(__file__).parent
_MEAN, _SCALE = 0.9, 0.1


def _norm(channels: int) -> nn.Module:
  return nn.InstanceNorm2d(channels)  # no weights, no running statistics


def _conv(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Module:
  return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)


class Block(nn.Module):
  """A block with the given (channels, size, stride) of its convolutions."""

  def __init__(self, inputs: int, layers: list[tuple[int, int, int]]):
    super().__init__()
    outputs, stride = layers[-1][0], max(layer[2] for layer in layers)
    self.num_layers = len(layers)
    self.downsample = None
    if stride > 1 or inputs != outputs:
      self.downsample = nn.Sequential(
        _conv(inputs, outputs, 1, stride), _norm(outputs)
      )
    for index, (channels, size, stride) in enumerate(layers, start=1):
      self.add_module(f"conv{index}", _conv(inputs, channels, size, stride))
      self.add_module(f"bn{index}", _norm(channels))
      inputs = channels

  def forward(self, x):
    shortcut = x if self.downsample is None else self.downsample(x)
    for index in range(1, self.num_layers + 1):
      x = getattr(self, f"bn{index}")(getattr(self, f"conv{index}")(x))
      if index < self.num_layers:
        x = torch.relu(x)
    return torch.relu(x + shortcut)


class ResNet(nn.Module):
  """torchvision's ResNet without `fc`."""

  def __init__(self, block: str, sizes: tuple[int, ...], width: int, wide: int):
    super().__init__()
    self.conv1, self.bn1 = _conv(3, width, 7, 2), _norm(width)
    self.pool = nn.MaxPool2d(3, 2, 1)
    inputs, self.num_stages = width, len(sizes)
    for stage, size in enumerate(sizes):
      planes, blocks = width * 2**stage, []
      for index in range(size):
        stride = 2 if stage and not index else 1
        layers = (
          [(planes, 3, stride), (planes, 3, 1)]
          if block == "basic"
          else [
            (planes * wide, 1, 1), (planes * wide, 3, stride),
            (planes * 4, 1, 1),
          ]
        )  # fmt: skip
        blocks.append(Block(inputs, layers))
        inputs = layers[-1][0]
      self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))

  def forward(self, x):
    x = self.pool(torch.relu(self.bn1(self.conv1(x))))
    for stage in range(1, self.num_stages + 1):
      x = getattr(self, f"layer{stage}")(x)
    return x.mean((2, 3))


def _set_weights(model: nn.Module) -> None:
  model.load_state_dict(
    {
      name: torch.tensor(formula.weight(name, tuple(value.shape)))
      for name, value in model.state_dict().items()
    }
  )
  model.double().eval()


def _pixels(size: int) -> torch.Tensor:
  images = torch.tensor(formula.images(size), dtype=torch.float64)
  images = images.permute(0, 3, 1, 2) / 255
  return (images - _MEAN) / _SCALE


def resnets() -> dict[str, np.ndarray]:
  """Backbone features [2, channels] of several networks."""
  networks = {
    "resnet50": (ResNet("bottleneck", (3, 4, 6, 3), 64, 1), 128),
    "basic": (ResNet("basic", (2, 1, 1), 8, 1), 33),
    "wide": (ResNet("bottleneck", (1, 2), 8, 2), 32),
  }
  outputs = {}
  for name, (model, size) in networks.items():
    _set_weights(model)
    with torch.no_grad():
      outputs[name] = model(_pixels(size)).numpy().astype(np.float32)
  return outputs


def vit() -> np.ndarray:
  """Last hidden states [2, tokens, hidden] of a small ViT.

  The formula knows the names in files, which differ from those in memory.
  """
  model = ViTModel(ViTConfig(**formula.VIT), add_pooling_layer=False)
  with tempfile.TemporaryDirectory() as directory:
    model.save_pretrained(directory)
    file = pathlib.Path(directory) / "model.safetensors"
    shapes = {name: value.shape for name, value in load_file(file).items()}
    weights = {name: formula.weight(name, shapes[name]) for name in shapes}
    save_file(weights, file, metadata={"format": "pt"})
    model = ViTModel.from_pretrained(directory, add_pooling_layer=False)
  model.double().eval()
  with torch.no_grad():
    hidden = model(_pixels(formula.VIT["image_size"])).last_hidden_state
  return hidden.numpy().astype(np.float32)


if __name__ == "__main__":
  np.savez_compressed(_HERE / "vision.npz", **resnets(), vit=vit())
