"""Runs launch scripts as processes, and checks how they fail."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]
CONFIG = "configs/language/sv_singular.py:smoke"
# Every step may rewrite these files without changing what they mean.
_BOOKKEEPING = {"versions.json", "timings.json"}


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
  """Runs launch scripts on the CPU, each in a process of its own.

  They compile as this process does: `tests/conftest.py` sets the environment.
  """

  def __init__(self, directory: pathlib.Path):
    self._directory, self._num_started = directory, 0
    self._server = subprocess.Popen(
      [sys.executable, "-m", "tests.launch.fork_server"],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      text=True,
      cwd=ROOT,
      env={**os.environ, "JAX_PLATFORMS": "cpu"},
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
    """Waits until a script has ended; may be called once for each script."""
    return Outcome(self._ask(wait=started.pid), started.log.read_text())

  def in_workdir(self, verb: str, workdir: pathlib.Path, *more: str) -> Outcome:
    """Runs a launch script on the small experiment in `workdir`."""
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


def assert_one_line(outcome: Outcome, *expected: str) -> None:
  """Asserts that a script failed with one clear line."""
  assert outcome.status not in (0, None), outcome.text
  assert "Traceback" not in outcome.text, outcome.text
  assert len(outcome.errors) == 1, outcome.text
  (line,) = outcome.errors
  assert outcome.text.rstrip().endswith(line), "the error is the last line"
  assert_clear(line, *expected)


def assert_clear(line: str, *expected: str) -> None:
  """Asserts that one line says what is wrong and what to do."""
  assert "\n" not in line, line
  assert "; " in line, f"a cause and a remedy: {line}"
  assert "this is a bug" not in line, line
  for text in expected:
    assert text in line, f"{text!r} is not in {line!r}"


def contents(directory: pathlib.Path) -> dict[str, bytes]:
  """Returns {relative path: bytes} of everything that must not be lost."""
  return {
    str(file.relative_to(directory)): file.read_bytes()
    for file in sorted(directory.rglob("*"))
    if file.is_file() and file.name not in _BOOKKEEPING
  }
