"""Files of named tensors: safetensors, PyTorch's own format, shards of both.

Arrays keep the dtype they are stored in; who takes them widens them.
"""

import dataclasses
import json
import math
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from structcomp_jax.types import UserError, one_line

_PYTORCH_SUFFIXES = (".bin", ".pth", ".pt")
_NAMES = ("model.safetensors", "pytorch_model.bin")
_INDEX = ".index.json"
# {what a safetensors file calls it: dtype}
_DTYPES: dict[str, Any] = {
  "BOOL": np.bool_,
  "U8": np.uint8,
  "I8": np.int8,
  "U16": np.uint16,
  "I16": np.int16,
  "U32": np.uint32,
  "I32": np.int32,
  "U64": np.uint64,
  "I64": np.int64,
  "F16": np.float16,
  "BF16": jnp.bfloat16,
  "F32": np.float32,
  "F64": np.float64,
}
# The dtypes of weights; others are those of quantised ones, or of no weights.
_OF_WEIGHTS = ("float16", "bfloat16", "float32", "float64")


@dataclasses.dataclass(frozen=True)
class Weights:
  """The tensors of a checkpoint.

  Attributes:
    origin: the file that holds or lists them, for errors.
    files: {name of a file: {name of a tensor: array}}; one file, or shards.
  """

  origin: str
  files: Mapping[str, Mapping[str, np.ndarray]]

  @property
  def tensors(self) -> dict[str, np.ndarray]:
    """{name: array} of all files."""
    return {
      name: array
      for tensors in self.files.values()
      for name, array in tensors.items()
    }


def read(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
  """Returns the tensors of a file by name, in the dtypes they are stored in.

  Args:
    path: ending in .safetensors, or in .bin, .pth or .pt (needs PyTorch).

  Raises:
    UserError: there is no such file, it is damaged, of another kind, or holds
      a tensor of a dtype of quantised weights (float8, ...).
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


def read_directory(directory: str | os.PathLike[str]) -> Weights:
  """Returns the weights of a checkpoint in Hugging Face's directory layout.

  They are in `model.safetensors` or `pytorch_model.bin`, or in several files
  (shards) that `model.safetensors.index.json` or `pytorch_model.bin.index.json`
  lists; the first of these four that is there is read.

  Raises:
    UserError: none of them is there, or a file is missing or damaged.
  """
  directory = pathlib.Path(directory)
  for name in _NAMES:
    if (directory / name).is_file():
      return Weights(str(directory / name), {name: read(directory / name)})
    if (directory / f"{name}{_INDEX}").is_file():
      return _read_shards(directory / f"{name}{_INDEX}")
  shards = sorted(directory.glob("*-of-*.*"))
  if shards:
    raise UserError(
      f"{directory} has {shards[0].name} but no index of such files; copy "
      f"{' or '.join(name + _INDEX for name in _NAMES)} there, too"
    )
  raise UserError(
    f"{directory} has neither {' nor '.join(_NAMES)}, nor an index of shards "
    f"({_NAMES[0]}{_INDEX}); copy the weights there"
  )


def write(
  directory: str | os.PathLike[str],
  files: Mapping[str, Mapping[str, np.ndarray]],
) -> None:
  """Writes safetensors files, and an index of them if there are several.

  Args:
    directory: exists.
    files: as in `Weights`; names of PyTorch's files become those of
      safetensors files.

  Raises:
    UserError: a file cannot be written.
  """
  directory = pathlib.Path(directory)
  named = {_safe_name(name): tensors for name, tensors in files.items()}
  try:
    for name, tensors in named.items():
      contiguous = {
        key: np.ascontiguousarray(array).reshape(array.shape)
        for key, array in tensors.items()
      }
      # Without this, transformers refuses the file.
      save_file(contiguous, directory / name, metadata={"format": "pt"})
    if len(named) > 1:
      index = {
        "metadata": {
          "total_size": sum(
            array.nbytes
            for tensors in named.values()
            for array in tensors.values()
          )
        },
        "weight_map": {
          key: name for name, tensors in named.items() for key in tensors
        },
      }
      (directory / f"{_NAMES[0]}{_INDEX}").write_text(
        json.dumps(index, indent=2, sort_keys=True) + "\n", encoding="utf-8"
      )
  except (OSError, SafetensorError) as error:
    raise UserError(
      f"cannot write weights to {directory} ({one_line(error)}); choose a "
      "writable directory with enough space"
    ) from error


def check_is_weight(name: str, array: Any, origin: str) -> None:
  """Raises UserError unless a tensor is of a dtype that weights have."""
  dtype = str(getattr(array, "dtype", type(array).__name__))
  if dtype.removeprefix("torch.") not in _OF_WEIGHTS:
    raise _not_a_weight(origin, name, dtype)


def _not_a_weight(origin: str, name: str, dtype: str) -> UserError:
  return UserError(
    f"{origin}: {name!r} is of dtype {dtype}; quantised weights cannot be "
    f"read, take the checkpoint in {', '.join(_OF_WEIGHTS[:3])}"
  )


def _safe_name(name: str) -> str:
  """Returns what a file is called as safetensors.

  >>> _safe_name("pytorch_model-00001-of-00002.bin")
  'model-00001-of-00002.safetensors'
  """
  return re.sub(r"^pytorch_model(.*)\.bin$", r"model\1.safetensors", name)


def _read_shards(index: pathlib.Path) -> Weights:
  """Returns the tensors of the files that an index lists."""
  try:
    places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    names = sorted(set(places.values()))
  except OSError as error:
    raise UserError(
      f"cannot read {index}: {error.strerror}; make it readable"
    ) from error
  except (ValueError, KeyError, TypeError, AttributeError) as error:
    raise UserError(
      f"{index} is no index of shards ({one_line(error)}); copy it again from "
      "the checkpoint"
    ) from error
  files = {}
  for name in names:
    # An index names files beside it, none elsewhere.
    if pathlib.Path(name).name != name or not (index.parent / name).is_file():
      raise UserError(
        f"{index} lists {name!r}, which does not lie beside it; copy all "
        "shards of the checkpoint there"
      )
    files[name] = read(index.parent / name)
  for tensor, name in places.items():
    if tensor not in files[name]:
      raise UserError(
        f"{index.parent / name} has no tensor {tensor!r}, which {index.name} "
        "says it has; copy both again from the checkpoint"
      )
  return Weights(str(index), files)


def _read_safetensors(path: pathlib.Path) -> dict[str, np.ndarray]:
  """Returns arrays that lie in the file until they are used.

  The file's bytes are mapped rather than given to `safetensors`, whose NumPy
  reader knows no bfloat16 in its older versions. JAX's has no 64-bit integers.
  """
  try:
    with safe_open(path, framework="np"):
      pass  # It checks sizes and offsets.
    with open(path, "rb") as file:
      length = int.from_bytes(file.read(8), "little")
      header = json.loads(file.read(length))
    content = np.memmap(path, np.uint8, mode="r", offset=8 + length)
  except (SafetensorError, OSError, ValueError) as error:
    raise UserError(
      f"{path} is damaged ({one_line(error)}); copy it again from the "
      "checkpoint"
    ) from error
  header.pop("__metadata__", None)
  return {
    name: _mapped(content, name, entry, path) for name, entry in header.items()
  }


def _mapped(
  content: np.ndarray, name: str, entry: Mapping[str, Any], path: pathlib.Path
) -> np.ndarray:
  if entry["dtype"] not in _DTYPES:
    raise _not_a_weight(str(path), name, entry["dtype"])
  dtype, shape = np.dtype(_DTYPES[entry["dtype"]]), tuple(entry["shape"])
  start = entry["data_offsets"][0]
  size = math.prod(shape) * dtype.itemsize
  return content[start : start + size].view(dtype).reshape(shape)


def _read_pytorch(path: pathlib.Path) -> dict[str, np.ndarray]:
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
      name: _from_torch(tensor, name, path) for name, tensor in tensors.items()
    }
  except UserError:
    raise
  except Exception as error:  # pickle, zip and torch errors of many classes
    # torch's own text advises to read it unsafely: only its class is shown.
    cause = type(error).__name__
    raise UserError(
      f"{path} holds no plain PyTorch weights ({cause}); copy it again from "
      "the checkpoint or convert it to model.safetensors"
    ) from error


def _from_torch(tensor: Any, name: str, path: pathlib.Path) -> np.ndarray:
  dtype = str(tensor.dtype).removeprefix("torch.")
  tensor = tensor.detach()
  if dtype == "bfloat16":  # which torch does not turn into NumPy
    import torch

    bits: np.ndarray = tensor.contiguous().view(torch.int16).numpy()
    return bits.view(jnp.bfloat16)
  if dtype not in {np.dtype(known).name for known in _DTYPES.values()}:
    raise _not_a_weight(str(path), name, dtype)
  array: np.ndarray = tensor.numpy()
  return array
