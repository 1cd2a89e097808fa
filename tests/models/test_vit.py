"""The vision transformer: agreement with Hugging Face, and invariants."""

import dataclasses
import functools
import json
import pathlib

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from structcomp_jax import trees
from structcomp_jax.models.pretrained import hugging_face
from structcomp_jax.models.vit import ViT, ViTConfig
from structcomp_jax.types import UserError

from . import formula, tiny

MODEL = ViT(tiny.VIT)
GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "vision.npz"


def state_dict():
  """Returns the tensors of a Hugging Face checkpoint, by formula."""
  hidden, inner = 32, 64
  shapes = {
    "embeddings.cls_token": (1, 1, hidden),
    "embeddings.position_embeddings": (1, 17, hidden),
    "embeddings.patch_embeddings.projection.weight": (hidden, 3, 8, 8),
    "embeddings.patch_embeddings.projection.bias": (hidden,),
    "layernorm.weight": (hidden,),
    "layernorm.bias": (hidden,),
  }
  for index in range(2):
    layer = f"encoder.layer.{index}"
    for name, outputs, inputs in (
      ("attention.attention.query", hidden, hidden),
      ("attention.attention.key", hidden, hidden),
      ("attention.attention.value", hidden, hidden),
      ("attention.output.dense", hidden, hidden),
      ("intermediate.dense", inner, hidden),
      ("output.dense", hidden, inner),
    ):
      shapes[f"{layer}.{name}.weight"] = (outputs, inputs)
      shapes[f"{layer}.{name}.bias"] = (outputs,)
    for name in ("layernorm_before", "layernorm_after"):
      shapes[f"{layer}.{name}.weight"] = (hidden,)
      shapes[f"{layer}.{name}.bias"] = (hidden,)
  return {name: formula.weight(name, shape) for name, shape in shapes.items()}


def write(directory, tensors=None, **fields):
  """Writes a checkpoint directory."""
  config = json.dumps({**formula.VIT, **fields})
  (directory / "config.json").write_text(config)
  tensors = state_dict() if tensors is None else tensors
  save_file(tensors, directory / "model.safetensors")


@pytest.fixture(scope="module")
def variables(tmp_path_factory):
  """Weights by formula; the head's are drawn."""
  directory = tmp_path_factory.mktemp("vit")
  write(directory)
  config, backbone = hugging_face.load_vit(directory, head_sizes=(16, 8))
  assert config == tiny.VIT
  fresh = jax.jit(MODEL.init)(jax.random.key(0), tiny.IMAGES)["params"]
  assert set(fresh) - set(backbone) == {"head"}
  return {"params": {**fresh, **backbone}}


@functools.partial(jax.jit, static_argnames=("method", "stage"))
def apply(variables, inputs, method="__call__", **options):
  """Compiled once for each method, stage and shape."""
  return MODEL.apply(variables, inputs, method=method, **options)


def test_agrees_with_hugging_face(variables):
  """At [CLS] after the last norm."""
  found = apply(variables, tiny.IMAGES, "features_before", stage="head")
  with np.load(GOLDEN) as golden:
    expected = golden["vit"]
  chex.assert_trees_all_close(
    found["features"],
    expected[:, 0],
    atol=1e-5 * np.abs(expected).max(),
    rtol=0,
  )


def test_names_may_have_a_prefix_and_other_heads(tmp_path, variables):
  tensors = {f"vit.{name}": tensor for name, tensor in state_dict().items()}
  write(tmp_path, {**tensors, "classifier.weight": np.ones((2, 32))})
  _, backbone = hugging_face.load_vit(tmp_path)
  expected = {
    name: leaf for name, leaf in variables["params"].items() if name != "head"
  }
  chex.assert_trees_all_equal(backbone, expected)


def test_parameter_paths_and_shapes(variables):
  leaves = trees.leaves_by_path(variables["params"])
  assert leaves["first/patches/kernel"].shape == (8 * 8 * 3, 32)
  assert leaves["layer_0/attention/query/kernel"].shape == (32, 32)
  assert leaves["layer_1/intermediate/kernel"].shape == (32, 64)
  assert leaves["head/dense_1/kernel"].shape == (32, 16)


def test_sizes_of_vit_base():
  """12 blocks of 4 hidden^2 + 2 hidden intermediate weights in matrices."""
  inputs = {"images": jax.ShapeDtypeStruct((1, 128, 128, 3), jnp.uint8)}
  params = jax.eval_shape(ViT(ViTConfig()).init, jax.random.key(0), inputs)
  leaves = trees.leaves_by_path(params["params"])
  matrices = sum(
    leaf.size
    for path, leaf in leaves.items()
    if path.startswith("layer_") and path.endswith("kernel")
  )
  assert matrices == 12 * (4 * 768**2 + 2 * 768 * 3072)
  assert leaves["first/positions/embedding"].shape == (8 * 8 + 1, 768)


def test_positions_matter(variables):
  turned = {"images": np.rot90(tiny.IMAGES["images"], axes=(1, 2))}
  difference = apply(variables, turned) - apply(variables, tiny.IMAGES)
  assert float(jnp.abs(difference[1]).max()) > 1e-2


def test_images_of_another_size_are_refused(variables):
  with pytest.raises(UserError, match=r"\(40, 40, 3\), the ViT model takes"):
    apply(variables, {"images": formula.images(40)})


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"image_size": 33}, "image_size 33 is no multiple of patch_size 8"),
    ({"num_heads": 5}, "hidden_size 32 is no multiple of num_heads 5"),
    ({"num_layers": 0}, "num_layers is 0"),
    ({"head_sizes": ()}, r"head_sizes is \(\)"),
    ({"patch_size": 8.0}, "patch_size is 8.0"),
  ],
)
def test_unusable_config_is_refused(change, message):
  with pytest.raises(UserError, match=message):
    dataclasses.replace(tiny.VIT, **change)


@pytest.mark.parametrize(
  ("fields", "message"),
  [
    ({"model_type": "deit"}, "model_type is 'deit'"),
    ({"qkv_bias": False}, "qkv_bias is False"),
    ({"hidden_act": "relu"}, "hidden_act is 'relu'"),
    ({"num_hidden_layers": 1}, r"'encoder\.layer\.1\..*' that config.json"),
    ({"num_hidden_layers": 3}, r"no tensor 'encoder\.layer\.2\."),
    ({"image_size": 64}, "for first/positions/embedding"),
    ({"patch_size": None}, "patch_size is None"),
  ],
)
def test_bad_checkpoint_is_refused(tmp_path, fields, message):
  write(tmp_path, **fields)
  with pytest.raises(UserError, match=message):
    hugging_face.load_vit(tmp_path)


def test_config_without_a_size_is_refused():
  fields = {k: v for k, v in formula.VIT.items() if k != "patch_size"}
  with pytest.raises(UserError, match="no 'patch_size'"):
    ViTConfig.from_hugging_face(fields)
