"""Lets one process at a time work in a work directory.

The lock is an advisory lock of the operating system on `run.lock`, which ends
with its process, however that dies. The JSON in the file says who holds it, and
alone decides if the file system does not support such locks or if another host
left the file.
"""

import contextlib
import datetime
import errno
import fcntl
import json
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from structcomp_jax.io import files
from structcomp_jax.types import UserError

LOCK = "run.lock"
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
# The logger of absl, which launch scripts configure.
_log = logging.getLogger("absl")


@contextlib.contextmanager
def hold_lock(directory: Path, *, launched_as: str) -> Iterator[None]:
  """Holds the lock of `directory` while the `with` body runs.

  Args:
    directory: an existing directory.
    launched_as: the command of this process. It is part of the message that
      another process gets.

  Raises:
    UserError: another process holds the lock, or the lock file cannot be
      written. A lock that a dead process of this host left is taken over.
  """
  path = directory / LOCK
  descriptor = _open_locked(path)
  try:
    _refuse_or_take_over(path, _read_holder(descriptor))
    _write_holder(path, descriptor, launched_as)
    try:
      yield
    finally:
      # The lock is still held, so no other process relies on this file.
      path.unlink(missing_ok=True)
  finally:
    os.close(descriptor)


def _open_locked(path: Path) -> int:
  """Returns a descriptor of the lock file, locked if the system can do that."""
  while True:
    try:
      descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
      raise files.storage_error(path, error) from error
    try:
      fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      holder = _read_holder(descriptor)
      os.close(descriptor)
      raise _busy(path, holder) from None
    except OSError as error:
      if error.errno not in _UNSUPPORTED:
        os.close(descriptor)
        raise files.storage_error(path, error) from error
    if _is_current(path, descriptor):
      return descriptor
    # The previous holder removed the file after this process had opened it.
    os.close(descriptor)


def _is_current(path: Path, descriptor: int) -> bool:
  try:
    return os.path.samestat(os.stat(path), os.fstat(descriptor))
  except FileNotFoundError:
    return False


def _read_holder(descriptor: int) -> dict[str, Any] | None:
  """Returns who wrote the lock file; None if it is empty or torn."""
  try:
    holder = json.loads(os.pread(descriptor, 1 << 16, 0))
    return {**holder, "pid": int(holder["pid"])}
  except (ValueError, TypeError, KeyError):
    return None


def _write_holder(path: Path, descriptor: int, launched_as: str) -> None:
  now = datetime.datetime.now(datetime.UTC)
  holder = {
    "pid": os.getpid(),
    "host": socket.gethostname(),
    "process_start": process_start(os.getpid()),
    "command": launched_as,
    "started": now.isoformat(timespec="seconds"),
  }
  try:
    # Written in place: a new file in its place would not be locked.
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, (json.dumps(holder) + "\n").encode(), 0)
    os.fsync(descriptor)
  except OSError as error:
    raise files.storage_error(path, error) from error


def _refuse_or_take_over(path: Path, holder: dict[str, Any] | None) -> None:
  if holder is None:
    return
  if holder.get("host") != socket.gethostname():
    raise UserError(
      f"{_who(path, holder)}, which cannot be checked from here; if that run "
      f"is dead, delete {path}"
    )
  start = process_start(holder["pid"])
  if start is not None and start == holder.get("process_start"):
    raise _busy(path, holder)
  _log.warning(
    "took over the stale lock %s: process %d, started %s, is dead",
    path,
    holder["pid"],
    holder.get("started"),
  )


def _busy(path: Path, holder: dict[str, Any] | None) -> UserError:
  return UserError(
    f"{_who(path, holder)}; wait for it, stop it, or choose another work "
    "directory"
  )


def _who(path: Path, holder: dict[str, Any] | None) -> str:
  if holder is None:
    return f"another process works in {path.parent}"
  return (
    f"{path.parent} is in use by process {holder['pid']} on host "
    f"{holder.get('host')} since {holder.get('started')} "
    f"({holder.get('command')})"
  )


def process_start(pid: int) -> str | None:
  """Returns a text that tells apart two processes with the same id.

  Args:
    pid: process id.

  Returns:
    The id of the boot and the start of the process in clock ticks since then;
    None if there is no such process, if it is a zombie, or if the system has
    no /proc. Without /proc the lock of the operating system decides alone.
  """
  try:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    stat = Path(f"/proc/{pid}/stat").read_text()
  except OSError:
    return None
  # The name, in parentheses, may contain spaces; see proc_pid_stat(5).
  state, *rest = stat.rpartition(")")[2].split()
  return None if state in "ZX" else f"{boot} {rest[18]}"
