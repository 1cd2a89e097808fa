"""Compiled programs are kept for the next launch."""

import hashlib
import os
import pathlib
import platform
import tempfile

import jax
from absl import logging

# Below this many seconds a look into the cache is not worth its while.
_LEAST_SECONDS = 0.3


def keep_programs(directory: str) -> None:
  """Makes JAX look for compiled programs in a directory, and store new ones.

  Where that cannot be, a warning says so, and everything is compiled. A cache
  that the environment names (`JAX_COMPILATION_CACHE_DIR`) is left as it is.

  Args:
    directory: "" for one below the user's cache directory, "off" for none.
  """
  if directory == "off" or jax.config.jax_compilation_cache_dir:
    return
  path = pathlib.Path(directory) if directory else _of_user()
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


def _of_user() -> pathlib.Path:
  """Returns a directory for this user and this kind of processor.

  A home directory may be shared by machines whose processors differ in what
  compiled programs need.
  """
  base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
  processor = hashlib.sha256(_processor().encode()).hexdigest()[:12]
  return pathlib.Path(base) / "structcomp_jax" / processor


def _processor() -> str:
  """Returns a text that is the same for processors that are alike."""
  try:
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
  except OSError:
    return f"{platform.machine()} {platform.processor()}"
  features = ("model name", "flags", "Features", "CPU part")
  return "\n".join(sorted({x for x in lines if x.startswith(features)}))
