"""Writes files whole or not at all, and marks finished steps with `DONE`.

If there are several processes, the first one acts for all (`hosts.by_first`).
"""

import errno
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from structcomp_jax.io import hosts
from structcomp_jax.types import UserError

DONE = "DONE"

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


def storage_error(
  path: str | os.PathLike[str], error: OSError, action: str = "write"
) -> UserError:
  """Returns the one-line `UserError` for a file operation that failed.

  Args:
    path: the file or directory that the user should look at.
    error: what the operating system raised.
    action: what failed, "write" or "read".
  """
  if error.errno in _FULL:
    remedy = "free disk space and run the same command again"
  elif error.errno in _FORBIDDEN:
    remedy = (
      f"give yourself permission to {action} it, or choose another directory"
    )
  elif error.errno in {errno.ENOTDIR, errno.EEXIST}:
    remedy = "a part of this path is a file: choose another directory"
  else:
    remedy = "choose another directory"
  cause = error.strerror or type(error).__name__
  return UserError(f"cannot {action} {os.fspath(path)}: {cause}; {remedy}")


def is_temporary(path: str | os.PathLike[str]) -> bool:
  """Returns whether `path` was left by an interrupted `write_atomic`."""
  name = Path(path).name
  return name.startswith(".") and name.endswith(".tmp")


@hosts.by_first
def write_atomic(path: str | os.PathLike[str], content: str | bytes) -> None:
  """Writes a whole file. Readers, even after a crash, see the old or the new.

  Args:
    path: the file; missing parent directories are created.
    content: text (stored as UTF-8 with its newlines unchanged) or bytes.

  Raises:
    UserError: the file cannot be written (permission, disk full, ...). The
      previous content, if any, is unchanged.
  """
  path = Path(path)
  # It must lie in the same directory: a rename is atomic within a file system.
  temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
      _write_synced(temporary, content)
      os.replace(temporary, path)
    finally:
      temporary.unlink(missing_ok=True)
    _sync_directory(path.parent)
  except OSError as error:
    raise storage_error(path, error) from error


@hosts.by_first
def exists(path: str | os.PathLike[str]) -> bool:
  """Returns whether a file exists."""
  return Path(path).is_file()


@hosts.by_first
def read_bytes(path: str | os.PathLike[str]) -> bytes:
  """Returns the content of a file.

  Raises:
    OSError: it cannot be read.
  """
  return Path(path).read_bytes()


@hosts.by_first
def read_text(path: str | os.PathLike[str]) -> str:
  """Returns the content of a small UTF-8 file.

  Raises:
    OSError: the file cannot be read.
    ValueError: the file is not text.
  """
  return Path(path).read_text(encoding="utf-8")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
  """Writes a JSON value as `write_atomic` does."""
  write_atomic(path, json.dumps(value, indent=2) + "\n")


def read_json(path: str | os.PathLike[str], default: Any = None) -> Any:
  """Returns the JSON value in a file, or the default if there is no file.

  Raises:
    UserError: the file is torn.
  """
  if not exists(path):
    return default
  try:
    return json.loads(read_text(path))
  except (OSError, ValueError) as error:
    raise UserError(
      f"{os.fspath(path)} is torn; delete it and run the same command again"
    ) from error


@hosts.by_first
def remove(path: str | os.PathLike[str]) -> None:
  """Removes a file, or what can be removed of a directory."""
  path = Path(path)
  if path.is_dir():
    shutil.rmtree(path, ignore_errors=True)
  else:
    path.unlink(missing_ok=True)


def mark_done(
  directory: str | os.PathLike[str], info: Mapping[str, Any] | None = None
) -> None:
  """Marks the step whose files are in `directory` as complete.

  Args:
    directory: the directory of the step, e.g. `WORKDIR/base/seed_0`.
    info: JSON values to store in the mark.
  """
  text = json.dumps(dict(info or {}), indent=2, sort_keys=True) + "\n"
  write_atomic(Path(directory) / DONE, text)


def is_done(directory: str | os.PathLike[str]) -> bool:
  """Returns whether `mark_done` was called for `directory`."""
  return exists(Path(directory) / DONE)


def read_done(directory: str | os.PathLike[str]) -> dict[str, Any]:
  """Returns the info that `mark_done` stored.

  Raises:
    UserError: the mark is missing or torn.
  """
  path = Path(directory) / DONE
  try:
    return json.loads(read_text(path))
  except (OSError, ValueError) as error:
    raise UserError(
      f"{path} is missing or torn; delete {directory} and run its step again"
    ) from error


def _write_synced(path: Path, content: str | bytes) -> None:
  data = content.encode() if isinstance(content, str) else content
  with open(path, "wb") as file:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
  """Makes a rename in `directory` survive a power cut."""
  descriptor = os.open(directory, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  except OSError as error:
    # Some network file systems cannot sync a directory. The file is written.
    if error.errno != errno.EINVAL:
      raise
  finally:
    os.close(descriptor)
