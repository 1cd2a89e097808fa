"""Mask files: one bit per unit, and the fingerprint of the masked network.

A file is an `.npz` archive of a JSON header (format version, fingerprint of
the frozen tree, paths, shapes, number of candidate rows, any metadata) and one
packed byte array per leaf. Equal masks give equal bytes.
"""

import io
import json
import math
import os
import pathlib
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from structcomp_jax import trees
from structcomp_jax.io import files
from structcomp_jax.io.values import plain
from structcomp_jax.types import Mask, Params, UserError

_FORMAT = "structcomp_jax.masks"
_VERSION = 1
# What the header says about the masks.
_TOLD = ("fingerprint", "metadata", "num_rows")
_DAMAGE = (
  EOFError,
  KeyError,
  OSError,
  TypeError,
  ValueError,
  zipfile.BadZipFile,
  zlib.error,
)


def save(
  path: str | os.PathLike[str],
  masks: Mask,
  *,
  fingerprint: str,
  metadata: Mapping[str, Any] | None = None,
  stacked: bool = False,
) -> None:
  """Writes masks; a crash leaves the old file or the whole new one.

  Args:
    path: file to write; missing parent directories are created.
    masks: {path: bool[...]}.
    fingerprint: `trees.fingerprint` of the frozen tree.
    metadata: JSON values to store with the masks.
    stacked: the leading axis of every leaf is the candidate axis; the file
      then records the number of rows.

  Raises:
    UserError: there is no leaf, a leaf is not boolean, the numbers of rows
      differ, or the file cannot be written.
  """
  arrays = {name: np.asarray(masks[name]) for name in sorted(masks)}
  _check_arrays(arrays, stacked)
  header = {
    "format": _FORMAT,
    "version": _VERSION,
    "fingerprint": fingerprint,
    "paths": list(arrays),
    "shapes": [list(array.shape) for array in arrays.values()],
    "num_rows": len(next(iter(arrays.values()))) if stacked else None,
    "metadata": dict(metadata or {}),
  }
  entries: dict[str, Any] = {
    "header": np.array(json.dumps(header, sort_keys=True, default=plain))
  }
  for index, array in enumerate(arrays.values()):
    entries[_entry(index)] = np.packbits(array)
  content = io.BytesIO()
  np.savez(content, **entries)
  files.write_atomic(path, content.getvalue())


def load(
  path: str | os.PathLike[str], fingerprint: str | None = None
) -> tuple[Mask, dict[str, Any]]:
  """Reads a mask file.

  Args:
    path: file written by `save`.
    fingerprint: of the frozen tree into which the masks will be merged; None
      skips the comparison.

  Returns:
    ({path: bool[...]}, metadata).

  Raises:
    UserError: the file is missing or torn, has another format version, or
      belongs to another network.
  """
  header, masks = _read(path)
  if fingerprint is not None and header["fingerprint"] != fingerprint:
    raise UserError(
      f"mask file {str(path)!r} belongs to another network (fingerprint "
      f"{header['fingerprint'][:12]}, not {fingerprint[:12]}); use the "
      "weights it was searched on, or delete its directory and search again"
    )
  return masks, header["metadata"]


def fingerprint(path: str | os.PathLike[str]) -> str:
  """Returns the fingerprint of the network that a file's masks belong to.

  Args:
    path: file written by `save`.

  Raises:
    UserError: the file is missing or torn, or has another format version.
  """
  return str(_read(path)[0]["fingerprint"])


def load_for(
  path: str | os.PathLike[str], params: Params, *, other_dtype: bool = False
) -> tuple[Mask, dict[str, Any]]:
  """Reads the masks of the network at hand.

  Args:
    path: file written by `save`.
    params: the weights that will be masked.
    other_dtype: says that `params` are the weights of the search in another
      dtype (float32 and bfloat16, say). Their bits then differ, so that nothing
      but paths and shapes can be compared.

  Returns:
    ({path: bool[...]}, metadata).

  Raises:
    UserError: the file is missing or torn, has another format version, or
      belongs to another network, or to another dtype of it without the switch.
  """
  header, masks = _read(path)
  if not other_dtype and header["fingerprint"] != trees.fingerprint(params):
    raise UserError(
      f"mask file {str(path)!r} belongs to weights with other bits; use those "
      "it was searched on or, where these are the same in another dtype, say "
      "other_dtype=True"
    )
  leaves = trees.leaves_by_path(params)
  num_rows = header["num_rows"]
  for name, mask in masks.items():
    shape = mask.shape if num_rows is None else mask.shape[1:]
    if name not in leaves or not _fits(shape, np.shape(leaves[name])):
      what = np.shape(leaves[name]) if name in leaves else "missing"
      raise UserError(
        f"mask file {str(path)!r} belongs to another network: its leaf "
        f"{name!r} of shape {shape} is {what} here; use the network it was "
        "searched on"
      )
  return masks, header["metadata"]


def _fits(mask_shape: tuple[int, ...], shape: tuple[int, ...]) -> bool:
  """Returns whether a mask covers a leaf axis by axis."""
  return len(shape) == len(mask_shape) and all(
    length in (1, size) for size, length in zip(shape, mask_shape, strict=True)
  )


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Mask]:
  """Returns ({name of `_TOLD`: value}, masks) of a file.

  Raises:
    UserError: it is missing or torn, or has another format version.
  """
  if not pathlib.Path(path).is_file():
    raise UserError(
      f"no mask file {str(path)!r}; delete its directory and run the search "
      "again"
    )
  try:
    # Opened here, because np.load does not close a torn file.
    with (
      open(path, "rb") as file,
      np.load(file, allow_pickle=False) as archive,
    ):
      header = json.loads(str(archive["header"][()]))
      _check_format(path, header)
      shapes = dict(zip(header["paths"], header["shapes"], strict=True))
      masks = {
        name: _unpack(archive[_entry(index)], tuple(shape))
        for index, (name, shape) in enumerate(shapes.items())
      }
      told = {name: header[name] for name in _TOLD}
    return told, masks
  except _DAMAGE as error:
    raise UserError(
      f"mask file {str(path)!r} is torn or not a mask file "
      f"({type(error).__name__}); delete its directory and run the search "
      "again"
    ) from error


def _entry(index: int) -> str:
  """Returns the archive entry of the n-th path, which may be no valid name."""
  return f"leaf_{index:05d}"


def _check_arrays(arrays: Mapping[str, np.ndarray], stacked: bool) -> None:
  """Raises unless all leaves are boolean and have the same rows."""
  if not arrays:
    raise UserError("there is no mask to save; select at least one leaf")
  for name, array in arrays.items():
    if array.dtype != np.bool_:
      raise UserError(
        f"mask leaf {name!r} has dtype {array.dtype}; binarize it first"
      )
  if stacked and len({array.shape[:1] for array in arrays.values()}) > 1:
    raise UserError("mask leaves have different numbers of candidate rows")


def _check_format(
  path: str | os.PathLike[str], header: Mapping[str, Any]
) -> None:
  """Raises unless a header has this format and version."""
  if header["format"] != _FORMAT or header["version"] != _VERSION:
    raise UserError(
      f"mask file {str(path)!r} has format {header['format']} version "
      f"{header['version']}, this program reads {_FORMAT} version {_VERSION}; "
      "delete its directory and run the search again"
    )


def _unpack(packed: np.ndarray, shape: tuple[int, ...]) -> Any:
  """Returns the boolean array of one leaf; ValueError when bits are missing."""
  bits = np.unpackbits(packed, count=math.prod(shape))
  return jnp.asarray(bits.reshape(shape).astype(np.bool_))
