"""Features of a whole split, written chunk by chunk to where they stay.

That is on a device, in the host's memory, or in memory-mapped files. Chunks are
written into place one by one, never collected and then joined.
"""

import contextlib
import functools
import os
import pathlib
import shutil
from collections.abc import Iterable
from typing import BinaryIO

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging

from structcomp_jax import trees, types
from structcomp_jax.engine import batching
from structcomp_jax.io import files

# {name: jax.ShapeDtypeStruct [examples, ...]}
Shapes = types.Batch


def in_memory(shapes: Shapes, chunks: Iterable[types.Batch]) -> types.Batch:
  """Returns NumPy arrays of all chunks, which the devices of a CPU share."""
  arrays = {
    name: batching.empty(leaf.shape, leaf.dtype)
    for name, leaf in shapes.items()
  }
  start = 0
  for chunk in chunks:
    stop = start + trees.num_rows(chunk)
    for name, rows in jax.device_get(chunk).items():
      arrays[name][start:stop] = rows
    start = stop
  return arrays


def on_pages(dataset: types.Batch) -> types.Batch:
  """Returns a copy that the devices of a CPU share."""
  return in_memory(dataset, [dataset])


def on_device(shapes: Shapes, chunks: Iterable[types.Batch]) -> types.Batch:
  """Returns all chunks on the first device."""
  whole = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
  start = 0
  for chunk in chunks:
    whole = _write_rows(whole, chunk, np.int32(start))
    start += trees.num_rows(chunk)
  return whole


def on_disk(
  directory: pathlib.Path, shapes: Shapes, chunks: Iterable[types.Batch]
) -> types.Batch:
  """Writes all chunks to files and returns them memory-mapped.

  A crash leaves no directory of that name, or a complete one.

  Args:
    directory: gets one .npy file per array; bfloat16 is stored as the integers
      that have its bits.
    shapes: of all chunks together.
    chunks: dicts of arrays [examples, ...].

  Raises:
    UserError: the disk is full, known before the first chunk is asked for,
      or cannot be written.
  """
  temporary = directory.with_name(f".{directory.name}.tmp")
  try:
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    check_free(directory, trees.num_bytes(shapes))
    with contextlib.ExitStack() as stack:
      opened = {
        name: stack.enter_context(open(temporary / f"{name}.npy", "wb"))
        for name in shapes
      }
      for name, file in opened.items():
        _write_header(file, shapes[name])
      for chunk in chunks:
        for name, rows in jax.device_get(chunk).items():
          rows = np.ascontiguousarray(rows)
          opened[name].write(rows.view(_stored_dtype(rows.dtype)).data)
      for file in opened.values():
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, directory)
  except OSError as error:
    raise files.storage_error(directory, error) from error
  finally:
    shutil.rmtree(temporary, ignore_errors=True)
  return _mapped(directory, shapes)


def from_disk(directory: pathlib.Path, shapes: Shapes) -> types.Batch | None:
  """Returns what `on_disk` wrote, or None; removes what is damaged."""
  if not directory.is_dir():
    return None
  with contextlib.suppress(OSError, ValueError, EOFError):
    found = _mapped(directory, shapes)
    if all(found[name].shape == leaf.shape for name, leaf in shapes.items()):
      return found
  logging.warning("%s is damaged and is made again", directory)
  shutil.rmtree(directory)
  return None


def _mapped(directory: pathlib.Path, shapes: Shapes) -> types.Batch:
  return {
    name: np.load(directory / f"{name}.npy", mmap_mode="r").view(leaf.dtype)
    for name, leaf in shapes.items()
  }


def free_bytes(path: pathlib.Path) -> int:
  """Returns the free space of the disk that a path is, or will be, on."""
  while not path.exists():
    path = path.parent
  return shutil.disk_usage(path).free


def check_free(path: pathlib.Path, needed: int) -> None:
  """Raises UserError if a disk has not so many bytes free."""
  free = free_bytes(path)
  if needed > free:
    raise types.UserError(
      f"features for {path} take {needed / 1e9:.2f} GB and the disk has "
      f"{free / 1e9:.2f} GB free; free disk space, or set search.cache to off "
      "in a new work directory"
    )


@functools.partial(jax.jit, donate_argnums=0)
def _write_rows(whole, rows, start):
  return jax.tree.map(
    lambda array, part: jax.lax.dynamic_update_slice_in_dim(
      array, part, start, axis=0
    ),
    whole,
    rows,
  )


def _write_header(file: BinaryIO, leaf: jax.ShapeDtypeStruct) -> None:
  header = {
    "descr": np.lib.format.dtype_to_descr(_stored_dtype(leaf.dtype)),
    "fortran_order": False,
    "shape": leaf.shape,
  }
  np.lib.format.write_array_header_1_0(file, header)


def _stored_dtype(dtype: np.dtype) -> np.dtype:
  """The .npy format does not know bfloat16."""
  return np.dtype(np.uint16 if dtype == jnp.bfloat16 else dtype)
