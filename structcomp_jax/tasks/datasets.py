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
from typing import TYPE_CHECKING

import numpy as np
from absl import logging

from structcomp_jax.types import UserError, one_line

if TYPE_CHECKING:
  from structcomp_jax.tasks.builders import ProblemsBuilder

# {builder name: (module, class)}
_BUILDERS = {
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
_READ_CHUNK = 256


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
    on_problem: called with a split and the number of its problems after each
      of them, where building takes minutes: for progress.

  Returns:
    The builder. `builder.split_sizes` and `builder.info.metadata` describe
    the data set.

  Raises:
    UserError: unknown name, impossible numbers of problems, a directory that
      cannot be used, or one that holds this data set with other numbers of
      problems or damaged.
  """
  with _os_errors_of(data_dir):
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
    The problems in stored order, the odd item last: for texts object
    [problems, 4] of str, else an array [problems, ...] of the feature.

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

  # Its bars are made for terminals; a log would fill with them.
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
    # Closing is where the reader says what is wrong with the file.
    try:
      reader.close()
    except RuntimeError as error:
      raise _damaged(path, one_line(error)) from error
    if found != expected:
      raise _damaged(path, f"{found} of {expected} records are readable")


def _read(builder: "ProblemsBuilder", split: str) -> np.ndarray:
  (feature,) = builder.info.features
  source = builder.as_data_source(split)
  problems: np.ndarray = np.empty(0)
  for start in range(0, len(source), _READ_CHUNK):
    stop = min(start + _READ_CHUNK, len(source))
    try:
      examples = source.__getitems__(range(start, stop))
    except RuntimeError as error:  # A checksum of the file does not match.
      files = ", ".join(map(os.fspath, builder.info.splits[split].filepaths))
      raise _damaged(files, one_line(error)) from error
    if start == 0:
      # Pictures take gigabytes: they are there once, not in parts and whole.
      first = examples[0][feature]
      problems = np.empty((len(source), *first.shape), first.dtype)
    for row, example in enumerate(examples, start):
      problems[row] = example[feature]
  if problems.dtype == object:
    texts = [text.decode("utf-8") for text in problems.ravel()]
    return np.array(texts, dtype=object).reshape(problems.shape)
  return problems


def _damaged(path: str | os.PathLike[str], cause: str) -> UserError:
  path = os.fspath(path)
  return UserError(
    f"{path} is damaged ({cause}); delete {os.path.dirname(path)} and prepare"
    " the data set again"
  )


@contextlib.contextmanager
def _locked(directory: pathlib.Path) -> Iterator[None]:
  """Holds an exclusive lock, which the system drops if the process dies."""
  descriptor = os.open(directory, os.O_RDONLY)
  try:
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield
  finally:
    os.close(descriptor)


@contextlib.contextmanager
def _os_errors_of(data_dir: str | os.PathLike[str]) -> Iterator[None]:
  try:
    yield
  except OSError as error:
    raise UserError(
      f"cannot write {data_dir} ({error.strerror or error}); use another"
      " --data_dir"
    ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
  """Silences what TFDS prints and logs; its errors are exceptions."""
  verbosity = logging.get_verbosity()
  logging.set_verbosity(min(verbosity, logging.ERROR))
  try:
    with contextlib.redirect_stdout(io.StringIO()):
      yield
  finally:
    logging.set_verbosity(verbosity)
