"""What every step does around its work: lock, config, timing, versions."""

import contextlib
import importlib.metadata
import json
import os
import pathlib
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator

import jax
from absl import logging
from ml_collections import ConfigDict

from structcomp_jax import __version__
from structcomp_jax.io import files, hosts
from structcomp_jax.io.layout import TIMINGS, VERSIONS
from structcomp_jax.io.workdir import check_shared, open_workdir
from structcomp_jax.pipeline import rounds
from structcomp_jax.pipeline.experiment import Experiment, MakeStudy

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "tensorflow-datasets")


@contextlib.contextmanager
def open_experiment(
  config: ConfigDict,
  workdir: str | pathlib.Path,
  make_study: MakeStudy,
  command: str,
) -> Iterator[Experiment]:
  """Makes an experiment and holds its work directory.

  Raises:
    UserError: the config is bad, or the directory cannot be used.
  """
  experiment = Experiment(make_study(config), workdir)

  @hosts.by_first
  def enter(stack: contextlib.ExitStack) -> None:
    stack.enter_context(
      open_workdir(
        workdir,
        config.to_dict(),
        launched_as=command,
        may_grow=_may_grow(config),
      )
    )
    versions = experiment.paths.workdir / VERSIONS
    # Versions are those of the launch that began the work: a report that other
    # code makes later must not claim its numbers.
    if not versions.is_file():
      files.write_atomic(versions, json.dumps(_versions(), indent=2))

  with contextlib.ExitStack() as stack:
    enter(stack)
    check_shared(workdir, config.to_dict())
    yield experiment


def _may_grow(config: ConfigDict) -> tuple[str, ...]:
  """Returns the lists that may become longer in a work directory.

  Base networks and masks that are added to an experiment leave the others as
  they are. Where rounds add base seeds, their number was fixed when the risk
  was shared among them.
  """
  if len(rounds.planned(config)) > 1:
    return ("search.seeds",)
  return ("base_seeds", "search.seeds")


@contextlib.contextmanager
def timed(experiment: Experiment, name: str) -> Iterator[None]:
  """Logs how long a step took and adds it to timings.json.

  A step that an error or Ctrl-C ends counts as well, one that is killed does
  not.
  """
  logging.info("%s ...", name)
  start = time.monotonic()
  try:
    yield
  finally:
    seconds = time.monotonic() - start
    _add_timing(experiment.paths.workdir / TIMINGS, name, seconds)
  logging.info("%s took %.1f s", name, seconds)


@hosts.by_first
def _add_timing(path: pathlib.Path, name: str, seconds: float) -> None:
  timings = json.loads(path.read_text()) if path.is_file() else {}
  timings[name] = round(timings.get(name, 0) + seconds, 2)
  files.write_atomic(path, json.dumps(timings, indent=2))


def _versions() -> dict[str, str]:
  """Returns what a reader needs to remake the numbers."""
  devices = jax.devices()
  return {
    "structcomp_jax": __version__,
    "commit": _commit(),
    "command": _command(),
    "python": platform.python_version(),
    **{name: importlib.metadata.version(name) for name in _PACKAGES},
    "devices": f"{len(devices)} x {devices[0].device_kind}",
    "machine": f"{platform.machine()}, {os.cpu_count()} cores",
  }


def _command() -> str:
  """Returns the command line of this process."""
  # A Python that somebody types into has no second argument.
  if [pathlib.PurePath(one).stem for one in sys.orig_argv[1:2]] == [
    "structcomp"
  ]:
    return shlex.join(["structcomp", *sys.orig_argv[2:]])
  return shlex.join(["python", *sys.orig_argv[1:]])


def _commit() -> str:
  """Returns the commit of the source tree, "unknown" outside of one."""
  source = pathlib.Path(__file__).parent
  try:
    return subprocess.run(
      ["git", "-C", source, "describe", "--always", "--dirty"],
      capture_output=True,
      text=True,
      check=True,
    ).stdout.strip()
  except (OSError, subprocess.CalledProcessError):
    return "unknown"
