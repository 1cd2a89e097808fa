"""A checkpoint with other weights: masked ones, in the layout they came in."""

import os
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

from structcomp_jax.models.bert import BertConfig
from structcomp_jax.models.pretrained import (
  decoders,
  hugging_face,
  json_files,
  layouts,
  weight_files,
)
from structcomp_jax.models.pretrained.layouts import Layout
from structcomp_jax.models.vit import ViTConfig
from structcomp_jax.types import Params, UserError, one_line

# What is copied from a checkpoint beside its weights: settings, tokenizers.
_COPIED = (".json", ".txt", ".model", ".jinja")


def export(
  params: Params,
  source: str | os.PathLike[str],
  target: str | os.PathLike[str],
  *,
  prefix: str | None = None,
) -> None:
  """Writes a checkpoint that loads where its source does, with other weights.

  Names, transposes, fused kernels, shards and dtypes are those of the source,
  and so is all that our network does not have (poolers, heads, tokenizers).
  Files are safetensors, also where the source has PyTorch's.

  Args:
    params: what a reader of this package made of the source, changed: for
      example the masked weights that `masks.merge` returns. Leaves that the
      source lacks, such as those of a head of its own, are left out.
    source: directory of the checkpoint. It stays as it is.
    target: directory to make; it must not hold anything.
    prefix: the one that the source was read with, if one was given.

  Raises:
    UserError: the source cannot be read, a leaf is missing or of another shape,
      or the target holds something or cannot be written.
  """
  source, target = pathlib.Path(source), pathlib.Path(target)
  layout = _layout(json_files.read_config(source))
  weights = weight_files.read_directory(source)
  files = layouts.to_files(layout, weights, params, prefix)
  try:
    target.mkdir(parents=True, exist_ok=True)
    if any(target.iterdir()):
      raise UserError(f"{target} holds something; give a new directory")
    for file in sorted(source.iterdir()):
      is_index = file.name.endswith(".index.json")
      if file.is_file() and file.suffix in _COPIED and not is_index:
        shutil.copyfile(file, target / file.name)
  except OSError as error:
    raise UserError(
      f"cannot write {target}: {one_line(error)}; give a new directory where "
      "you may write"
    ) from error
  weight_files.write(target, files)


def _layout(fields: Mapping[str, Any]) -> Layout:
  kind = fields.get("model_type", "bert")
  if kind == "bert":
    return hugging_face.bert_layout(BertConfig.from_hugging_face(fields))
  if kind == "vit":
    return hugging_face.vit_layout(ViTConfig.from_hugging_face(fields))
  return decoders.layout(fields)
