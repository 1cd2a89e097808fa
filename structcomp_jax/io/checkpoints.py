"""The latest state of a run, kept by orbax in a directory of its own.

Layout: `<directory>/<serial>/tree` holds the leaves, `.../record` the step,
the caller's metadata, paths, shapes, dtypes, and checksums of the arrays and
of itself.
The serial number grows by one with every save. It is not the training step,
so that a step can be saved twice without removing the old files first.
"""

import asyncio
import functools
import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import chex
import jax
import numpy as np
import orbax.checkpoint as ocp

from structcomp_jax import trees
from structcomp_jax.io import files, hosts
from structcomp_jax.types import UserError, one_line

FORMAT_VERSION = 1


@hosts.by_first
def save(
  directory: str | os.PathLike[str],
  step: int,
  tree: chex.ArrayTree,
  metadata: Mapping[str, Any],
) -> None:
  """Saves `tree` and removes the checkpoint before it, in this order.

  Returns when everything is on disk. A process killed meanwhile leaves the
  previous checkpoint as it was; its partial files go with the next save.

  Args:
    directory: used for nothing else but these checkpoints and, if need be,
      plain files beside them; created where missing.
    step: training step the tree belongs to.
    tree: arrays that the first process can address, of any shape and dtype
      that NumPy knows. Typed keys must be passed as `jax.random.key_data`.
    metadata: JSON values, e.g. {"fingerprint": digest of the frozen tree}.

  Raises:
    UserError: the directory cannot be written.
  """
  directory = Path(directory).absolute()
  leaves = _host_leaves(tree)
  record = _record(step, leaves, metadata)
  arrays = {
    name: array
    for name, array in _storage_names(leaves).items()
    if array.size  # orbax refuses empty arrays; the record knows their shape.
  }
  items = {"record": ocp.args.JsonSave(record)}
  if arrays:  # nor does it save a tree without leaves
    items["tree"] = ocp.args.PyTreeSave(arrays)
  try:
    directory.mkdir(parents=True, exist_ok=True)
    latest = _latest_serial(directory)
    serial = 0 if latest is None else latest + 1
    with _manager(directory) as manager:
      manager.save(serial, args=ocp.args.Composite(**items))
  except OSError as error:
    raise files.storage_error(directory, error) from error
  except (ValueError, RuntimeError) as error:  # what tensorstore raises
    raise UserError(
      f"cannot write a checkpoint in {directory} ({one_line(error)}); check "
      "free disk space and permissions"
    ) from error


def restore(
  directory: str | os.PathLike[str],
  abstract_tree: chex.ArrayTree,
  *,
  fingerprint: str | None = None,
) -> tuple[int, chex.ArrayTree, dict[str, Any]] | None:
  """Reads the latest checkpoint back, or refuses it.

  Of several processes each reads the files, which may be too many to send.

  Args:
    directory: the directory given to `save`.
    abstract_tree: tree of arrays or `jax.ShapeDtypeStruct`, e.g. from
      `jax.eval_shape`: the containers, shapes and dtypes to expect.
    fingerprint: if given, `metadata["fingerprint"]` must equal it.

  Returns:
    (step, tree of NumPy arrays with the saved bits, metadata), or None if
    nothing was saved yet.

  Raises:
    UserError: the checkpoint is torn or altered, is of another structure,
      shape or dtype, or has another fingerprint.
  """
  directory = Path(directory).absolute()
  serial = _latest_serial(directory)
  if serial is None:
    return None
  record = _read(directory, serial, "record", ocp.args.JsonRestore())
  _check_record(directory, record, abstract_tree, fingerprint)
  leaves = _read_leaves(directory, serial, record)
  if trees.fingerprint(leaves) != record["arrays"]:
    raise _torn(directory, "the checksum of its arrays differs")
  structure = jax.tree.structure(abstract_tree)
  tree = jax.tree.unflatten(structure, list(leaves.values()))
  return record["step"], tree, record["metadata"]


def _host_leaves(tree: chex.ArrayTree) -> dict[str, np.ndarray]:
  return {
    path: np.asarray(leaf) for path, leaf in trees.leaves_by_path(tree).items()
  }


def _storage_names(leaves: Mapping[str, Any]) -> dict[str, Any]:
  """Returns the leaves under names that are safe in any file system."""
  return {f"leaf_{i}": leaf for i, leaf in enumerate(leaves.values())}


def _record(
  step: int, leaves: Mapping[str, np.ndarray], metadata: Mapping[str, Any]
) -> dict[str, Any]:
  record = {
    "format": FORMAT_VERSION,
    "step": int(step),
    # As it reads back: tuples become lists.
    "metadata": json.loads(json.dumps(dict(metadata))),
    "leaves": _describe(leaves),
    "arrays": trees.fingerprint(leaves),
  }
  return {**record, "checksum": _checksum(record)}


def _describe(leaves: Mapping[str, Any]) -> list[list[Any]]:
  """Returns [path, dtype, shape] of every leaf, in leaf order."""
  return [
    [path, str(np.dtype(leaf.dtype)), list(leaf.shape)]
    for path, leaf in leaves.items()
  ]


def _checksum(record: Mapping[str, Any]) -> str:
  """Returns a digest of all fields but the digest itself."""
  rest = {key: item for key, item in record.items() if key != "checksum"}
  text = json.dumps(rest, sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()


def _check_record(
  directory: Path,
  record: Any,
  abstract_tree: chex.ArrayTree,
  fingerprint: str | None,
) -> None:
  if not isinstance(record, dict) or "format" not in record:
    raise _torn(directory, "its record is incomplete")
  if record["format"] != FORMAT_VERSION:
    raise UserError(
      f"the checkpoint in {directory} has format {record['format']}, this "
      f"version reads {FORMAT_VERSION}; use the version that wrote it"
    )
  if _checksum(record) != record.get("checksum"):
    raise _torn(directory, "the checksum of its record differs")
  expected = {
    path: leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
    for path, leaf in trees.leaves_by_path(abstract_tree).items()
  }
  difference = _first_difference(record["leaves"], _describe(expected))
  if difference:
    raise UserError(
      f"the checkpoint in {directory} is of another model or search: "
      f"{difference}; use the config it was made with, or another directory"
    )
  stored = record["metadata"].get("fingerprint")
  if fingerprint is not None and stored != fingerprint:
    raise UserError(
      f"the checkpoint in {directory} belongs to fingerprint {stored}, not "
      f"{fingerprint}; delete it to start again, or use another directory"
    )


def _first_difference(stored: Any, expected: list[list[Any]]) -> str | None:
  """Returns what is wrong with the first leaf that does not fit."""
  if stored == expected:
    return None
  for (path, dtype, shape), old in zip(expected, stored, strict=False):
    if old[0] == path and old != [path, dtype, shape]:
      return f"{path} is {old[1]}{old[2]} there and {dtype}{shape} is expected"
  old_paths, new_paths = ([leaf[0] for leaf in x] for x in (stored, expected))
  for path in new_paths:
    if path not in old_paths:
      return f"it has no leaf {path}"
  for path in old_paths:
    if path not in new_paths:
      return f"its leaf {path} is not expected"
  return "its leaves are in another order"


def _read_leaves(
  directory: Path, serial: int, record: Mapping[str, Any]
) -> dict[str, np.ndarray]:
  """Returns the stored arrays by path, in leaf order."""
  expected = {
    path: jax.ShapeDtypeStruct(tuple(shape), np.dtype(dtype))
    for path, dtype, shape in record["leaves"]
  }
  named = _storage_names(expected)
  stored = {name: leaf for name, leaf in named.items() if leaf.size}
  arguments = {
    name: ocp.RestoreArgs(restore_type=np.ndarray, dtype=leaf.dtype)
    for name, leaf in stored.items()
  }
  args = ocp.args.PyTreeRestore(item=stored, restore_args=arguments)
  arrays = _read(directory, serial, "tree", args) if stored else {}
  empty = {
    name: np.empty(leaf.shape, leaf.dtype)
    for name, leaf in named.items()
    if not leaf.size
  }
  # A scalar may come back as a Python number.
  found = {name: np.asarray(x) for name, x in {**arrays, **empty}.items()}
  return {path: found[name] for path, name in zip(expected, named, strict=True)}


def _read(directory: Path, serial: int, item: str, args: Any) -> Any:
  try:
    with _manager(directory, keep_all=True) as manager:
      restored = manager.restore(
        serial, args=ocp.args.Composite(**{item: args})
      )
      return restored[item]
  # Torn files surface as a dozen exception types of orbax and tensorstore.
  except Exception as error:
    raise _torn(directory, one_line(error)) from error


def _torn(directory: Path, cause: str) -> UserError:
  return UserError(
    f"the checkpoint in {directory} is torn or altered ({cause}); delete "
    "that directory to start this step again, or restore it from a copy"
  )


@hosts.by_first
def _latest_serial(directory: Path) -> int | None:
  """Returns the number of the newest complete save, or None.

  Read from the directory names, not asked of the manager, which passes over
  a damaged checkpoint in silence: the run would start again from nothing.
  """
  try:
    names = os.listdir(directory)
  except FileNotFoundError:
    return None
  except OSError as error:
    raise files.storage_error(directory, error, "read") from error
  return max((int(name) for name in names if name.isdigit()), default=None)


class _PatientHandler(ocp.type_handlers.NumpyHandler):
  """Waits for the reads of all leaves, also when one of them fails.

  Otherwise orbax closes its event loop below the reads still under way, and
  each of them prints a traceback over our one-line message.
  """

  async def deserialize(
    self, infos: Sequence[Any], args: Sequence[Any] | None = None
  ) -> Sequence[np.ndarray]:
    args = args or [ocp.RestoreArgs()] * len(infos)
    reads = [
      super(_PatientHandler, self).deserialize([info], [arg])
      for info, arg in zip(infos, args, strict=True)
    ]
    results: list[Any] = await asyncio.gather(*reads, return_exceptions=True)
    for result in results:
      if isinstance(result, BaseException):
        raise result
    return [leaf for (leaf,) in results]


def _manager(
  directory: Path, *, keep_all: bool = False
) -> ocp.CheckpointManager:
  _quiet_orbax()
  options = ocp.CheckpointManagerOptions(
    max_to_keep=None if keep_all else 1,
    create=False,
    cleanup_tmp_directories=not keep_all,
    enable_async_checkpointing=False,
    save_root_metadata=False,
    multiprocessing_options=_of_this_process(),
  )
  handlers = {
    "tree": ocp.PyTreeCheckpointHandler(
      # Trained floats do not compress, and trying costs time.
      use_compression=False,
      multiprocessing_options=_of_this_process(),
      type_handler_registry=ocp.type_handlers.create_type_handler_registry(
        (np.ndarray, _PatientHandler()),
        # Never used, but orbax warns where it is missing.
        (jax.Array, ocp.type_handlers.ArrayHandler()),
      ),
    ),
    "record": ocp.JsonCheckpointHandler(
      multiprocessing_options=_of_this_process()
    ),
  }
  return ocp.CheckpointManager(
    directory, options=options, item_handlers=handlers
  )


def _of_this_process() -> ocp.options.MultiprocessingOptions:
  """Whoever else there is, a process reads and writes on its own."""
  index = jax.process_index()
  return ocp.options.MultiprocessingOptions(
    primary_host=index,
    active_processes={index},
    barrier_sync_key_prefix=f"process_{index}",
  )


@functools.cache
def _quiet_orbax() -> None:
  """Drops what orbax logs below warnings, dozens of lines for each save."""
  orbax_files = f"{os.sep}orbax{os.sep}"
  logging.getLogger("absl").addFilter(
    lambda record: (
      record.levelno >= logging.WARNING or orbax_files not in record.pathname
    )
  )
