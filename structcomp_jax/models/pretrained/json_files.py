"""JSON files of a checkpoint: config.json, tokenizer_config.json."""

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from structcomp_jax.types import UserError


def read_config(directory: str | os.PathLike[str]) -> Mapping[str, Any]:
  """Returns the fields of a checkpoint's config.json.

  Raises:
    UserError: it is missing or damaged.
  """
  return read(pathlib.Path(directory) / "config.json")


def read(path: pathlib.Path) -> Mapping[str, Any]:
  """Returns the fields of a file.

  Raises:
    UserError: it is missing, no JSON, or holds no fields.
  """
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
