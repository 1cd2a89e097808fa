"""Import of torchvision's ResNets: agreement with PyTorch, loader errors."""

import pathlib

import chex
import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from structcomp_jax import trees
from structcomp_jax.models import resnet
from structcomp_jax.models.pretrained import torchvision
from structcomp_jax.models.resnet import ResNet, ResNetConfig
from structcomp_jax.types import UserError
from tests.models import formula

GOLDEN = pathlib.Path(__file__).parents[2] / "golden" / "vision.npz"
SMALL = ResNetConfig(
  block="bottleneck",
  stage_sizes=(1, 2),
  stage_widths=(8, 16),
  stage_strides=(1, 2),
  inner_factor=2,
)
BASIC = ResNetConfig(
  block="basic",
  stage_sizes=(2, 1, 1),
  stage_widths=(8, 16, 32),
  stage_strides=(1, 2, 2),
)


def state_dict(config):
  """Returns tensors of torchvision's layout, by formula.

  Names and shapes are written out here, not taken from the importer.
  """
  shapes = {"conv1.weight": (config.stage_widths[0], 3, 7, 7)}
  inputs = config.stage_widths[0]
  stages = zip(config.stage_sizes, config.stage_widths, strict=True)
  for stage, (size, width) in enumerate(stages, start=1):
    for block in range(size):
      name = f"layer{stage}.{block}"
      if config.block == "basic":
        outputs = width
        kernels = [(width, inputs, 3, 3), (width, width, 3, 3)]
      else:
        outputs, inner = 4 * width, width * config.inner_factor
        kernels = [
          (inner, inputs, 1, 1),
          (inner, inner, 3, 3),
          (outputs, inner, 1, 1),
        ]
      for index, shape in enumerate(kernels, start=1):
        shapes[f"{name}.conv{index}.weight"] = shape
      if block == 0 and (stage > 1 or inputs != outputs):
        shapes[f"{name}.downsample.0.weight"] = (outputs, inputs, 1, 1)
      inputs = outputs
  return {name: formula.weight(name, shape) for name, shape in shapes.items()}


@pytest.mark.parametrize(
  ("name", "config", "size", "tolerance"),
  [
    # PyTorch itself differs by 9e-5 between single and double precision: norms
    # over 4x4 pixels enlarge what is rounded before them.
    ("resnet50", resnet.resnet50(), 128, 2e-4),
    ("basic", BASIC, 33, 1e-5),
    ("wide", SMALL, 32, 1e-5),
  ],
)
def test_features_agree_with_pytorch(name, config, size, tolerance):
  """To a fraction of the largest feature."""
  backbone = torchvision.load_backbone(state_dict(config), config)
  found = jax.jit(
    lambda params, images: ResNet(config).apply(
      {"params": params}, {"images": images}, "head", method="features_before"
    )
  )(backbone, formula.images(size))
  with np.load(GOLDEN) as golden:
    expected = golden[name]
  chex.assert_trees_all_close(
    found["features"],
    expected,
    atol=tolerance * np.abs(expected).max(),
    rtol=0,
  )


def test_norms_and_classifier_are_left_out(tmp_path):
  tensors = state_dict(SMALL)
  plain = torchvision.load_backbone(tensors, SMALL)
  assert set(plain) == {"first", "stage_1", "stage_2"}
  tensors["bn1.weight"] = tensors["layer2.1.bn3.running_mean"] = np.ones(4)
  tensors["layer1.0.downsample.1.num_batches_tracked"] = np.ones(1)
  tensors["fc.weight"], tensors["fc.bias"] = np.ones((5, 4)), np.ones(5)
  path = tmp_path / "resnet.safetensors"
  save_file(tensors, path)
  chex.assert_trees_all_equal(torchvision.load_backbone(path, SMALL), plain)
  assert trees.fingerprint(plain) == trees.fingerprint(
    torchvision.load_backbone(str(path), SMALL)
  )


def test_missing_and_left_over_tensors_are_named():
  tensors = state_dict(SMALL)
  del tensors["layer2.0.conv2.weight"]
  with pytest.raises(UserError, match=r"no tensor 'layer2.0.conv2.weight'"):
    torchvision.load_backbone(tensors, SMALL)
  tensors = state_dict(SMALL) | {"layer3.0.conv1.weight": np.ones((1, 1, 1, 1))}
  with pytest.raises(UserError, match=r"'layer3.0.conv1.weight' that the"):
    torchvision.load_backbone(tensors, SMALL)


def test_other_sizes_are_refused():
  with pytest.raises(UserError, match=r"shape .* for stage_1/block_0/conv_1"):
    torchvision.load_backbone(
      state_dict(SMALL) | {"layer1.0.conv1.weight": np.ones((8, 8, 1, 1))},
      SMALL,
    )


@pytest.mark.parametrize(
  ("name", "content", "message"),
  [
    ("absent.pth", None, "there is no file"),
    ("weights.npz", b"", "does not end in .safetensors"),
    ("weights.safetensors", b"torn", "is damaged"),
  ],
)
def test_unreadable_files_are_refused(tmp_path, name, content, message):
  if content is not None:
    (tmp_path / name).write_bytes(content)
  with pytest.raises(UserError, match=message):
    torchvision.load_backbone(tmp_path / name, SMALL)
