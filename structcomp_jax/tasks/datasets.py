"""Builds data sets into a TFDS directory and reads them back.

tensorflow_datasets is imported when a function is called, not before.
"""

import contextlib
import difflib
import fcntl
import importlib
import io
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import logging

from structcomp_jax.types import UserError, one_line

if TYPE_CHECKING:
  from structcomp_jax.tasks.builders import ProblemsBuilder

# {builder name: (module, class)}
_BUILDERS = {
  "arithmetic": ("structcomp_jax.tasks.arithmetic.builder", "Arithmetic"),
  "images": ("structcomp_jax.tasks.images.builder", "Images"),
  "mathematics": ("structcomp_jax.tasks.mathematics.builder", "Mathematics"),
  "scan": ("structcomp_jax.tasks.scan.builder", "Scan"),
  "shape_subroutines": (
    "structcomp_jax.tasks.shape_subroutines",
    "ShapeSubroutines",
  ),
  "syntax_subroutines": (
    "structcomp_jax.tasks.syntax_subroutines",
    "SyntaxSubroutines",
  ),
}
_INCOMPLETE = "incomplete.*"
# Problems that are read at a time. Plain numbers and texts are small; what TFDS
# has encoded are pictures, of which 256 take 50 MB.
_PLAIN_CHUNK = 4096
_ENCODED_CHUNK = 256


def prepare(
  name: str,
  data_dir: str | os.PathLike[str],
  num_problems: Mapping[str, int] | None = None,
  *,
  on_problem: Callable[[str, int], None] | None = None,
) -> "ProblemsBuilder":
  """Builds a data set unless it is there already.

  The files appear under their name only when all of them are complete: a run
  that is killed leaves nothing that a later run would mistake for data, and
  the later run builds the same. Processes that prepare the same data set
  wait for each other.

  Args:
    name: builder and config, e.g. "syntax_subroutines/sv_singular.base".
    data_dir: the TFDS directory; made if missing.
    num_problems: problems per split, the first ones; all by default.
    on_problem: shows progress. If building takes minutes, it is called after
      each problem with the split and the number of problems in it.

  Returns:
    The builder. `builder.split_sizes` and `builder.info.metadata` describe
    the data set.

  Raises:
    UserError: unknown name, impossible numbers of problems, a directory that
      cannot be used, or one that holds this data set with other numbers of
      problems or damaged.
  """
  with _user_errors_about(data_dir):
    builder = _make_builder(name, data_dir, num_problems)
    config_dir = pathlib.Path(builder.data_dir).parent
    config_dir.mkdir(parents=True, exist_ok=True)
    with _locked(config_dir):
      for leftover in config_dir.glob(_INCOMPLETE):
        shutil.rmtree(leftover)
      # Another process may have finished while this one waited.
      builder = _make_builder(name, data_dir, num_problems)
      if not pathlib.Path(builder.data_dir).exists():
        _build(builder, on_problem)
  _check_prepared(builder)
  _check_split_sizes(builder)
  for split in builder.info.splits:
    _check_shards(builder, split)
  return builder


def load(name: str, data_dir: str | os.PathLike[str], split: str) -> np.ndarray:
  """Reads one split of a prepared data set into memory.

  Args:
    name: builder and config, e.g. "syntax_subroutines/sv_singular.base".
    data_dir: the TFDS directory.
    split: "train", "validation" or "test".

  Returns:
    The problems in stored order: [problems, ...] with shape and dtype of the
    feature, object of str where it holds texts.

  Raises:
    UserError: the data set is unknown, not prepared or damaged, or has no
      such split.
  """
  builder = _make_builder(name, data_dir)
  _check_prepared(builder)
  if split not in builder.info.splits:
    raise UserError(
      f"{name} has no split {split!r}; use {', '.join(builder.info.splits)}"
    )
  _check_shards(builder, split)
  return _read(builder, split)


def _make_builder(
  name: str,
  data_dir: str | os.PathLike[str],
  num_problems: Mapping[str, int] | None = None,
) -> "ProblemsBuilder":
  builder_name, _, config = name.partition("/")
  if builder_name not in _BUILDERS:
    raise UserError(
      f"no data set {name!r}; use BUILDER/CONFIG with BUILDER one of"
      f" {', '.join(_BUILDERS)}"
    )
  module, class_name = _BUILDERS[builder_name]
  builder_class = getattr(importlib.import_module(module), class_name)
  configs = list(builder_class.builder_configs)
  if config not in configs:
    close = difflib.get_close_matches(config, configs, n=3) or configs
    raise UserError(
      f"{builder_name} has no config {config!r}; use one of {', '.join(close)}"
    )
  from google.protobuf import json_format

  with _quiet():
    try:
      return builder_class(
        config=config, data_dir=os.fspath(data_dir), num_problems=num_problems
      )
    except json_format.ParseError as error:
      raise UserError(
        f"the description of {name} in {data_dir} cannot be read"
        f" ({one_line(error)}); delete {pathlib.Path(data_dir) / name} and"
        " prepare it again"
      ) from error


def _build(
  builder: "ProblemsBuilder", on_problem: Callable[[str, int], None] | None
) -> None:
  import tensorflow_datasets as tfds

  # The progress bars of TFDS are made for terminals and would fill a log.
  tfds.disable_progress_bar()
  if builder.IS_SLOW:
    builder.on_problem = on_problem
  with _quiet():
    builder.download_and_prepare(
      download_config=tfds.download.DownloadConfig(try_download_gcs=False)
    )


def _check_prepared(builder: "ProblemsBuilder") -> None:
  with _quiet():
    if builder.is_prepared():
      return
  name = f"{builder.name}/{builder.builder_config.name}"
  if pathlib.Path(builder.data_dir).exists():
    raise UserError(
      f"{builder.data_dir} is not a complete data set; delete it and prepare"
      f" {name} again"
    )
  raise UserError(
    f"{builder.data_dir} does not exist; build it with python -m"
    f" launch.prepare_data --builder={name}"
    f" --data_dir={pathlib.Path(builder.data_dir).parents[2]}"
  )


def _check_split_sizes(builder: "ProblemsBuilder") -> None:
  stored = {
    split: info.num_examples for split, info in builder.info.splits.items()
  }
  if stored != builder.split_sizes:
    raise UserError(
      f"{builder.data_dir} holds {_in_words(stored)} problems, but"
      f" {_in_words(builder.split_sizes)} were asked for; use another"
      " data directory or delete it"
    )


def _in_words(sizes: Mapping[str, int]) -> str:
  return ", ".join(f"{split} {count}" for split, count in sizes.items())


def _check_shards(builder: "ProblemsBuilder", split: str) -> None:
  """Raises unless every file of a split holds the records it should.

  The array_record reader returns empty records past the end of some
  truncated files, so reading alone does not tell.
  """
  from array_record.python import array_record_module

  info = builder.info.splits[split]
  for path, expected in zip(info.filepaths, info.shard_lengths, strict=True):
    reader = array_record_module.ArrayRecordReader(os.fspath(path))
    found = reader.num_records() if reader.ok() else 0
    # The reader says what is wrong with a file only when it is closed.
    try:
      reader.close()
    except RuntimeError as error:
      raise _damaged(path, one_line(error)) from error
    if found != expected:
      raise _damaged(path, f"{found} of {expected} records are readable")


def _read(builder: "ProblemsBuilder", split: str) -> np.ndarray:
  ((name, feature),) = builder.info.features.items()
  is_encoded = feature.get_serialized_info() != feature.get_tensor_info()
  read = _read_encoded if is_encoded else _read_plain
  stored = builder.info.splits[split]
  try:
    return read(builder.info.features, name, stored)
  except RuntimeError as error:  # a checksum in the file does not match
    files = ", ".join(map(os.fspath, stored.filepaths))
    raise _damaged(files, one_line(error)) from error


def _read_encoded(features: Any, name: str, stored: Any) -> np.ndarray:
  """Reads what TFDS has to decode: pictures."""
  feature = features[name]
  # Pictures take gigabytes. They are written into one array, because
  # concatenating parts would need twice the memory.
  problems = np.empty((stored.num_examples, *feature.shape), feature.np_dtype)
  for row, record in enumerate(_records(stored, _ENCODED_CHUNK)):
    problems[row] = features.deserialize_example_np(record)[name]
  return problems


def _read_plain(features: Any, name: str, stored: Any) -> np.ndarray:
  """Reads values that are stored as they are: numbers or texts.

  TFDS takes 30 microseconds to decode an example, half a minute for a million.
  Taking the values out of the message takes 2.
  """
  from tensorflow_datasets.proto import tf_example_pb2

  values: list[Any] = []
  for record in _records(stored, _PLAIN_CHUNK):
    value = tf_example_pb2.Example.FromString(record).features.feature[name]
    values.extend(getattr(value, value.WhichOneof("kind")).value)
  dtype = np.dtype(features[name].np_dtype)
  if dtype.kind == "O":
    values = [text.decode("utf-8") for text in values]
  return np.array(values, dtype).reshape(-1, *features[name].shape)


def _records(stored: Any, chunk: int) -> Iterator[bytes]:
  """Yields the records of one split, which are read in ranges.

  The data source of TFDS reads lists of indices, which takes several times as
  long.
  """
  from array_record.python import array_record_module

  for path, count in zip(stored.filepaths, stored.shard_lengths, strict=True):
    reader = array_record_module.ArrayRecordReader(os.fspath(path))
    for start in range(0, count, chunk):
      yield from reader.read(start, min(start + chunk, count))
    reader.close()


def _damaged(path: str | os.PathLike[str], cause: str) -> UserError:
  path = os.fspath(path)
  return UserError(
    f"{path} is damaged ({cause}); delete {os.path.dirname(path)} and prepare"
    " the data set again"
  )


@contextlib.contextmanager
def _locked(directory: pathlib.Path) -> Iterator[None]:
  """Holds a lock, which the operating system drops if the process dies."""
  descriptor = os.open(directory, os.O_RDONLY)
  try:
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield
  finally:
    os.close(descriptor)


@contextlib.contextmanager
def _user_errors_about(data_dir: str | os.PathLike[str]) -> Iterator[None]:
  """Turns errors of the operating system into errors about `data_dir`."""
  try:
    yield
  except OSError as error:
    raise UserError(
      f"cannot write {data_dir} ({error.strerror or error}); use another"
      " --data_dir"
    ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
  """Silences TFDS, which prints and logs much and reports errors by raising."""
  verbosity = logging.get_verbosity()
  logging.set_verbosity(min(verbosity, logging.ERROR))
  try:
    with contextlib.redirect_stdout(io.StringIO()):
      yield
  finally:
    logging.set_verbosity(verbosity)
