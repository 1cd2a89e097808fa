"""Masked weights go back into a checkpoint's layout, and come out again."""

import json
import zlib

import chex
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import masks, trees
from structcomp_jax.models.pretrained import (
  decoders,
  export,
  hugging_face,
  weight_files,
)
from structcomp_jax.types import UserError
from tests.models import checkpoints, formula
from tests.models.pretrained import test_decoders


def _shards(directory, tensors, dtype):
  """Writes two shards, with a tensor that our networks do not have."""
  names = sorted(tensors)
  files = {
    f"pytorch_model-{number + 1:05d}-of-00002.bin": {
      name: tensors[name].astype(dtype) for name in names[number::2]
    }
    for number in range(2)
  }
  next(iter(files.values()))["pooler.extra"] = np.arange(2**33, 2**33 + 3)
  weight_files.write(directory, files)
  return directory


def _bert(directory, dtype):
  checkpoints.write(directory)
  (directory / "model.safetensors").unlink()
  tensors = {
    f"module.bert.{name.replace('LayerNorm.weight', 'LayerNorm.gamma')}": array
    for name, array in checkpoints.golden_weights().items()
  }
  return _shards(directory, tensors, dtype)


def _decoder(kind):
  def write(directory, dtype):
    test_decoders.write(directory, kind)
    (directory / "model.safetensors").unlink()
    tensors = test_decoders.weights(kind)
    if kind == "gpt2":  # As PyTorch's own files have it.
      tensors["lm_head.weight"] = tensors["transformer.wte.weight"]
    return _shards(directory, tensors, dtype)

  return write


def _vit(directory, dtype):
  """A ViT by formula; its tensors' shapes are those that the reader wants."""
  (directory / "config.json").write_text(json.dumps(formula.VIT))
  width = formula.VIT["hidden_size"]
  shapes = {
    "embeddings.cls_token": (1, 1, width),
    "embeddings.position_embeddings": (1, 17, width),
    "embeddings.patch_embeddings.projection.weight": (width, 3, 8, 8),
    "embeddings.patch_embeddings.projection.bias": (width,),
    "layernorm.weight": (width,),
    "layernorm.bias": (width,),
  }
  inner = {
    "layernorm_before": None,
    "layernorm_after": None,
    "intermediate.dense": (64, width),
    "output.dense": (width, 64),
    "attention.output.dense": (width, width),
  } | {
    f"attention.attention.{x}": (width, width)
    for x in ("query", "key", "value")
  }
  for number in range(2):
    for name, shape in inner.items():
      full = f"encoder.layer.{number}.{name}"
      shapes[f"{full}.bias"] = (shape or (width,))[:1]
      shapes[f"{full}.weight"] = shape or (width,)
  tensors = {
    name: formula.weight(name, shape) for name, shape in shapes.items()
  }
  return _shards(directory, tensors, dtype)


# {name: (writes a checkpoint, reads its parameters)}
KINDS = {
  "bert": (_bert, lambda directory: hugging_face.load(directory)[1]),
  "vit": (_vit, lambda directory: hugging_face.load_vit(directory)[1]),
}
for _kind in test_decoders.KINDS:
  KINDS[_kind] = _decoder(_kind), lambda directory: decoders.load(directory)[1]


def _masked(params):
  """Removes a third of every leaf."""
  mask = {
    path: np.random.default_rng(zlib.crc32(path.encode())).random(leaf.shape)
    > 1 / 3
    for path, leaf in trees.leaves_by_path(params).items()
  }
  return masks.merge(params, mask)


@pytest.mark.parametrize("kind", KINDS)
def test_masked_weights_come_back(tmp_path, kind):
  write, load = KINDS[kind]
  dtype = jnp.bfloat16 if kind == "llama" else np.float16
  (tmp_path / "source").mkdir()
  source, target = (
    write(tmp_path / "source", dtype),
    tmp_path / "new" / "target",
  )
  before = weight_files.read_directory(source)
  params = load(source)
  changed = _masked(params)
  export.export({**changed, "head_of_mine": {"kernel": 1.0}}, source, target)
  chex.assert_trees_all_equal(load(target), changed)

  # Everything but the weights is as it was.
  after = weight_files.read_directory(target)
  assert after.files.keys() == before.files.keys()
  for file, tensors in before.files.items():
    assert after.files[file].keys() == tensors.keys()
    for name, array in tensors.items():
      assert after.files[file][name].dtype == array.dtype, name
      assert after.files[file][name].shape == array.shape, name
  np.testing.assert_array_equal(
    after.tensors["pooler.extra"], before.tensors["pooler.extra"]
  )
  assert (target / "config.json").read_text() == (
    source / "config.json"
  ).read_text()
  chex.assert_trees_all_equal(load(source), params)
  # Unchanged weights give the same bits.
  export.export(params, source, tmp_path / "same")
  same = weight_files.read_directory(tmp_path / "same").tensors
  chex.assert_trees_all_equal(same, before.tensors)


def test_a_single_file_and_its_tokenizer(tmp_path):
  source, target = checkpoints.write(tmp_path / "source"), tmp_path / "target"
  changed = _masked(hugging_face.load(source)[1])
  export.export(changed, source, target)
  names = {file.name for file in target.iterdir()}
  assert names == {"config.json", "model.safetensors", "tokenizer.json"}
  chex.assert_trees_all_equal(hugging_face.load(target)[1], changed)


def test_what_cannot_be_exported(tmp_path):
  source = checkpoints.write(tmp_path / "source")
  params = hugging_face.load(source)[1]
  with pytest.raises(UserError, match="holds something; give a new directory"):
    export.export(params, source, source)
  (tmp_path / "file").touch()
  with pytest.raises(UserError, match=r"cannot write .*give a new directory"):
    export.export(params, source, tmp_path / "file")
  less = {name: leaf for name, leaf in params.items() if name != "layer_1"}
  with pytest.raises(UserError, match=r"leaf 'layer_1/.*' is missing, the "):
    export.export(less, source, tmp_path / "target")
  norm = params["layer_1"] | {"layer_norm": {"scale": np.ones(3), "bias": 0}}
  other = {**params, "layer_1": norm}
  with pytest.raises(UserError, match=r"leaf .* is \(\), .* has \(32,\); give"):
    export.export(other, source, tmp_path / "target")
  assert not (tmp_path / "target").exists()
