"""Files of named tensors: safetensors, and PyTorch's own format."""

import os
import pathlib
from typing import Any

from safetensors import SafetensorError
from safetensors.flax import load_file

from structcomp_jax.types import UserError

_PYTORCH_SUFFIXES = (".bin", ".pth", ".pt")


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
  """Returns the tensors of a file by name.

  Args:
    path: ending in .safetensors, or in .bin, .pth or .pt (needs PyTorch).

  Raises:
    UserError: there is no such file, it is damaged, or of another kind.
  """
  path = pathlib.Path(path)
  if not path.is_file():
    raise UserError(f"there is no file {path}; give the weights' path")
  if path.suffix == ".safetensors":
    return _read_safetensors(path)
  if path.suffix in _PYTORCH_SUFFIXES:
    return _read_pytorch(path)
  raise UserError(
    f"{path} does not end in .safetensors or {', '.join(_PYTORCH_SUFFIXES)}; "
    "convert the weights to model.safetensors"
  )


def _read_safetensors(path: pathlib.Path) -> dict[str, Any]:
  try:
    return load_file(path)
  except (SafetensorError, OSError) as error:
    raise UserError(
      f"{path} is damaged ({error}); copy it again from the checkpoint"
    ) from error


def _read_pytorch(path: pathlib.Path) -> dict[str, Any]:
  try:
    import torch  # only this file format needs it
  except ImportError as error:
    raise UserError(
      f"reading {path} needs PyTorch; run: pip install "
      "'structcomp_jax[torch]', or convert it to model.safetensors"
    ) from error
  try:
    # weights_only: a pickle must not run code.
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    return {
      name: tensor.to(torch.float32).numpy() for name, tensor in tensors.items()
    }
  except Exception as error:  # pickle, zip and torch errors of many classes
    # torch's own text advises to read it unsafely: only its class is shown.
    cause = type(error).__name__
    raise UserError(
      f"{path} holds no plain PyTorch weights ({cause}); copy it again from "
      "the checkpoint or convert it to model.safetensors"
    ) from error
