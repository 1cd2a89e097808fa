"""Launch scripts as processes, and one small experiment run to its end.

Shared by tests/launch and tests/recipes, so that the experiment runs once.
"""

import dataclasses
import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
CONFIG = "configs/language/sv_singular.py:smoke"
_ENVIRONMENT = {
  "JAX_PLATFORMS": "cpu",
  # Fast to compile is fast enough to run.
  "XLA_FLAGS": "--xla_backend_optimization_level=0",
  "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
}


@dataclasses.dataclass(frozen=True)
class Outcome:
  """How a launch script ended.

  Attributes:
    status: exit status.
    text: everything it wrote.
  """

  status: int
  text: str

  @property
  def errors(self) -> list[str]:
    """The lines that say what was wrong."""
    lines = self.text.splitlines()
    return [line for line in lines if line.startswith("error: ")]


@dataclasses.dataclass(frozen=True)
class Started:
  """A launch script that may still run.

  Attributes:
    pid: its process.
    log: file of what it writes.
  """

  pid: int
  log: pathlib.Path


class Launcher:
  """Runs launch scripts, each in a process of its own."""

  def __init__(self, directory: pathlib.Path):
    self._directory, self._num_started = directory, 0
    self._server = subprocess.Popen(
      [sys.executable, "-m", "tests.launch.fork_server"],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      text=True,
      cwd=ROOT,
      env={
        **os.environ,
        **_ENVIRONMENT,
        # The children compile the same programs.
        "JAX_COMPILATION_CACHE_DIR": str(directory / "compiled"),
      },
    )

  def __call__(self, verb: str, *arguments: str, absent=()) -> Outcome:
    """Runs `python -m launch.VERB ARGUMENTS`; see `start`."""
    return self.wait(self.start(verb, *arguments, absent=absent))

  def start(self, verb: str, *arguments: str, absent=()) -> Started:
    """Starts `python -m launch.VERB ARGUMENTS`.

    Args:
      verb: e.g. "search".
      *arguments: of the command line.
      absent: packages to treat as not installed.
    """
    self._num_started += 1
    log = self._directory / f"log_{self._num_started}"
    pid = self._ask(
      module=f"launch.{verb}",
      arguments=[str(argument) for argument in arguments],
      log=str(log),
      absent=list(absent),
    )
    return Started(pid, log)

  def wait(self, started: Started) -> Outcome:
    """Waits until a script has ended; once for each."""
    return Outcome(self._ask(wait=started.pid), started.log.read_text())

  def in_workdir(self, verb: str, workdir: pathlib.Path, *more: str) -> Outcome:
    """The same on the small experiment in `workdir`."""
    return self(verb, f"--config={CONFIG}", f"--workdir={workdir}", *more)

  def _ask(self, **request) -> int:
    self._server.stdin.write(json.dumps(request) + "\n")
    self._server.stdin.flush()
    return int(self._server.stdout.readline())

  def close(self) -> None:
    """Ends the server."""
    self._server.stdin.close()
    self._server.wait()
    self._server.stdout.close()


@functools.cache
def _launcher(directory: pathlib.Path) -> Launcher:
  return Launcher(directory)


@functools.cache
def _finished(directory: pathlib.Path) -> pathlib.Path:
  workdir = directory / "finished"
  outcome = _launcher(directory).in_workdir("run", workdir)
  assert outcome.status == 0, outcome.text
  (directory / "finished.log").write_text(outcome.text)
  return workdir


@pytest.fixture(scope="session")
def shared_directory(tmp_path_factory):
  """One directory per test process."""
  directory = tmp_path_factory.getbasetemp() / "launch"
  directory.mkdir(exist_ok=True)
  return directory


@pytest.fixture(scope="session")
def launch(shared_directory):
  """Runs launch scripts."""
  launcher = _launcher(shared_directory)
  yield launcher
  launcher.close()


@pytest.fixture(scope="session")
def finished(launch, shared_directory):
  """A finished work directory; copy it before you change it."""
  return _finished(shared_directory)


@pytest.fixture
def workdir(finished, tmp_path):
  """A copy of a finished work directory."""
  return shutil.copytree(finished, tmp_path / "workdir")
