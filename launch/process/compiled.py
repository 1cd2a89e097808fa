"""Keeps compiled programs for the next launch."""

import hashlib
import os
import pathlib
import platform
import tempfile

import jax
from absl import logging

# A program that compiles in less than this many seconds is not worth storing.
_LEAST_SECONDS = 0.3


def keep_programs(directory: str) -> None:
  """Makes JAX look for compiled programs in a directory, and store new ones.

  If the directory cannot be used, a warning says so and everything is compiled.
  A cache that the environment names (`JAX_COMPILATION_CACHE_DIR`) comes first.

  Args:
    directory: its path; "" for one below the user's cache directory, "off" for
      none.
  """
  if directory == "off" or jax.config.jax_compilation_cache_dir:
    return
  path = pathlib.Path(directory) if directory else _user_directory()
  try:
    path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path):
      pass
  except OSError as error:
    logging.warning(
      "cannot keep compiled programs in %s (%s); every launch compiles them "
      "again: set runtime.compilation_cache to a writable directory, or to off",
      path,
      error.strerror,
    )
    return
  jax.config.update("jax_compilation_cache_dir", str(path))
  jax.config.update(
    "jax_persistent_cache_min_compile_time_secs", _LEAST_SECONDS
  )


def _user_directory() -> pathlib.Path:
  """Returns a directory for this user and this kind of processor.

  Machines may share a home directory although a program that was compiled for
  the processor of one does not run on the other.
  """
  base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
  processor = hashlib.sha256(_processor().encode()).hexdigest()[:12]
  return pathlib.Path(base) / "structcomp_jax" / processor


def _processor() -> str:
  """Returns a text that is the same for processors of the same kind."""
  try:
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
  except OSError:
    return f"{platform.machine()} {platform.processor()}"
  features = ("model name", "flags", "Features", "CPU part")
  return "\n".join(sorted({x for x in lines if x.startswith(features)}))
