"""ResNet weights in torchvision's layout.

Names like `layer1.0.conv2.weight` and `layer2.0.downsample.0.weight`, as in
`torchvision.models.resnet50().state_dict()`, or with a prefix in front, as
`layouts.find_prefix` finds it. Our networks have no weights in
their norms and a head of their own: `bn*`, the norms of shortcuts and `fc` of
the file are left out, and the head is not read.
"""

import os
import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from structcomp_jax import trees
from structcomp_jax.models.pretrained import layouts, weight_files
from structcomp_jax.models.resnet import ResNet, ResNetConfig
from structcomp_jax.types import Params, UserError

_LEFT_OUT = re.compile(r"(.*\.)?(bn\d|downsample\.1)\..*|fc\..*")


def load_backbone(
  source: str | os.PathLike[str] | Mapping[str, Any], config: ResNetConfig
) -> Params:
  """Reads all of a ResNet but its head.

  Args:
    source: {name: array}, or a file that holds one; see `weight_files.read`.
    config: sizes of the network.

  Returns:
    float32 parameters of `ResNet(config)` without "head".

  Raises:
    UserError: the file cannot be read, or a tensor is missing, left over or
      of another shape than `config` says.
  """
  tensors: Mapping[str, Any]
  if isinstance(source, Mapping):
    origin, tensors = "the state_dict", source
  else:
    origin, tensors = str(source), weight_files.read(source)
  expected = _expected(config)
  prefix = layouts.find_prefix(tensors, map(_their_name, expected), origin)
  tensors = {
    name.removeprefix(prefix): tensor
    for name, tensor in tensors.items()
    if name.startswith(prefix)
  }
  left_over = {name for name in tensors if not _LEFT_OUT.fullmatch(name)}
  params = {}
  for path, leaf in expected.items():
    name = _their_name(path)
    if name not in tensors:
      raise UserError(
        f"{origin} has no tensor {name!r}; take weights of torchvision's "
        "layout, or the ResNet config that belongs to them"
      )
    left_over.discard(name)
    weight_files.check_is_weight(name, tensors[name], origin)
    # torch stores [outputs, inputs, rows, columns].
    array = np.asarray(tensors[name], np.float32).transpose(2, 3, 1, 0)
    if array.shape != leaf.shape:
      raise UserError(
        f"{origin}: {name!r} gives shape {array.shape} for {path}, the ResNet "
        f"config says {leaf.shape}; take the config that belongs to the weights"
      )
    params[path] = jnp.asarray(array)
  if left_over:
    raise UserError(
      f"{origin} has a tensor {min(left_over)!r} that the ResNet config does "
      "not provide for; take the config that belongs to the weights"
    )
  return traverse_util.unflatten_dict(params, sep="/")


def _expected(config: ResNetConfig) -> dict[str, jax.ShapeDtypeStruct]:
  """Returns the leaves of the network by path, without the head's."""
  inputs = {"images": jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.uint8)}
  variables = jax.eval_shape(ResNet(config).init, jax.random.key(0), inputs)
  leaves = trees.leaves_by_path(variables["params"])
  return {
    path: leaf for path, leaf in leaves.items() if not path.startswith("head/")
  }


def _their_name(path: str) -> str:
  """Returns torchvision's name of the leaf at `path`.

  >>> _their_name("stage_2/block_0/shortcut/kernel")
  'layer2.0.downsample.0.weight'
  """
  if path == "first/conv/kernel":
    return "conv1.weight"
  stage, block, layer, _ = path.split("/")
  layer = layer.replace("conv_", "conv").replace("shortcut", "downsample.0")
  stage, block = stage.replace("stage_", "layer"), block.removeprefix("block_")
  return f"{stage}.{block}.{layer}.weight"
