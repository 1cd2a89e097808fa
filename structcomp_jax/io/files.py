"""Whole-file writes that are complete or absent, and `DONE` marks."""

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from structcomp_jax.types import UserError

DONE = "DONE"

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


def storage_error(
  path: str | os.PathLike, error: OSError, action: str = "write"
) -> UserError:
  """Returns the one-line `UserError` for a file operation that failed.

  Args:
    path: the file or directory the user should look at.
    error: what the operating system said.
    action: what was tried, "write" or "read".
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


def is_temporary(path: str | os.PathLike) -> bool:
  """Returns whether `path` is left from an interrupted `write_atomic`."""
  name = Path(path).name
  return name.startswith(".") and name.endswith(".tmp")


def write_atomic(path: str | os.PathLike, content: str | bytes) -> None:
  """Writes a whole file; a reader or a crash sees the old or the new one.

  Args:
    path: the file; missing parent directories are created.
    content: text (stored as UTF-8, newlines unchanged) or bytes.

  Raises:
    UserError: the file cannot be written (permission, disk full, ...). The
      previous content, if any, is untouched.
  """
  path = Path(path)
  # In the same directory, because a rename is atomic within a file system.
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


def mark_done(
  directory: str | os.PathLike, info: Mapping[str, Any] | None = None
) -> None:
  """Marks the step whose files are in `directory` as complete.

  Args:
    directory: the directory of the step, e.g. `WORKDIR/base/seed_0`.
    info: JSON values worth keeping beside the mark.
  """
  text = json.dumps(dict(info or {}), indent=2, sort_keys=True) + "\n"
  write_atomic(Path(directory) / DONE, text)


def is_done(directory: str | os.PathLike) -> bool:
  """Returns whether `mark_done` was called for `directory`."""
  return (Path(directory) / DONE).is_file()


def read_done(directory: str | os.PathLike) -> dict[str, Any]:
  """Returns the info that `mark_done` stored.

  Raises:
    UserError: the mark is missing or torn.
  """
  path = Path(directory) / DONE
  try:
    return json.loads(path.read_text(encoding="utf-8"))
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
    # Some network file systems cannot sync a directory; the file is there.
    if error.errno != errno.EINVAL:
      raise
  finally:
    os.close(descriptor)
