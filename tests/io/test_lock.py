import fcntl
import json
import logging
import os
import signal
import socket
import subprocess
import sys

import pytest

from structcomp_jax.io import lock
from structcomp_jax.io.workdir import open_workdir
from structcomp_jax.types import UserError

# Opens the work directory, says so, and waits for a line or to be killed.
HOLDER = """
import sys
from structcomp_jax.io.workdir import open_workdir
with open_workdir(sys.argv[1], {}, launched_as="launch.run --config=a.py"):
  print("locked", flush=True)
  sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path):
  process = subprocess.Popen(
    [sys.executable, "-c", HOLDER, str(tmp_path)],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  )
  assert process.stdout.readline() == "locked\n"
  yield process
  process.kill()
  process.communicate()


def enter(path):
  with open_workdir(path, {}, launched_as="test"):
    return json.loads((path / "run.lock").read_text())


def write_lock(path, **changes):
  content = {
    "pid": os.getpid(),
    "host": socket.gethostname(),
    "process_start": lock.process_start(os.getpid()),
    "command": "launch.run",
    "started": "2020-01-01T00:00:00+00:00",
    **changes,
  }
  (path / "run.lock").write_text(json.dumps(content))


def test_lock_says_who_holds_it(tmp_path):
  content = enter(tmp_path)
  assert content["pid"] == os.getpid()
  assert content["host"] == socket.gethostname()
  assert content["command"] == "test"
  assert not (tmp_path / "run.lock").exists()


def test_second_process_is_refused_until_the_first_ends(tmp_path, holder):
  with pytest.raises(UserError) as caught:
    enter(tmp_path)
  message = str(caught.value)
  assert f"process {holder.pid} on host {socket.gethostname()}" in message
  assert "since 20" in message
  assert "launch.run --config=a.py" in message
  holder.communicate("\n")
  assert holder.returncode == 0
  enter(tmp_path)


def test_lock_of_a_killed_process_is_taken_over(tmp_path, holder, caplog):
  holder.send_signal(signal.SIGKILL)
  holder.wait()
  assert (tmp_path / "run.lock").exists()
  with caplog.at_level(logging.WARNING, "absl"):
    assert enter(tmp_path)["pid"] == os.getpid()
  assert f"stale lock {tmp_path}/run.lock: process {holder.pid}" in caplog.text


def test_second_opening_in_the_same_process_is_refused(tmp_path):
  with (
    open_workdir(tmp_path, {}, launched_as="first"),
    pytest.raises(UserError, match=r"in use by process .*\(first\)"),
  ):
    enter(tmp_path)
  enter(tmp_path)


def test_lock_is_released_after_an_error(tmp_path):
  with (
    pytest.raises(KeyError),
    open_workdir(tmp_path, {}, launched_as="test"),
  ):
    raise KeyError
  assert not (tmp_path / "run.lock").exists()


def test_reused_process_id_is_recognised(tmp_path, caplog):
  write_lock(tmp_path, process_start="another boot 123")
  with caplog.at_level(logging.WARNING, "absl"):
    enter(tmp_path)
  assert "took over the stale lock" in caplog.text


def test_live_process_without_system_lock_is_respected(tmp_path):
  # No lock of the system is held, as on a file system that has none.
  write_lock(tmp_path)
  with pytest.raises(UserError, match=r"in use by process"):
    enter(tmp_path)


def test_file_system_without_locks_relies_on_the_content(tmp_path, monkeypatch):
  def unsupported(*unused):
    raise OSError(95, "Operation not supported")

  monkeypatch.setattr(fcntl, "flock", unsupported)
  with (
    open_workdir(tmp_path, {}, launched_as="first"),
    pytest.raises(UserError, match=r"in use by process .*\(first\)"),
  ):
    enter(tmp_path)
  enter(tmp_path)


def test_lock_of_another_host_is_refused_with_the_remedy(tmp_path):
  write_lock(tmp_path, host="elsewhere")
  before = (tmp_path / "run.lock").read_bytes()
  with pytest.raises(UserError, match=r"host elsewhere .*delete .*run\.lock"):
    enter(tmp_path)
  assert (tmp_path / "run.lock").read_bytes() == before


@pytest.mark.parametrize("content", ["", '{"pid": 1', "[]", '{"pid": "x"}'])
def test_torn_lock_of_a_dead_process_is_taken_over(tmp_path, content):
  (tmp_path / "run.lock").write_text(content)
  enter(tmp_path)


def test_file_removed_between_opening_and_locking_is_noticed(
  tmp_path, monkeypatch
):
  path, flock, calls = tmp_path / "run.lock", fcntl.flock, []

  def flock_after_release(descriptor, operation):
    flock(descriptor, operation)
    calls.append(descriptor)
    if len(calls) == 1:
      path.unlink()

  monkeypatch.setattr(fcntl, "flock", flock_after_release)
  with lock.hold_lock(tmp_path, launched_as="test"):
    assert len(calls) == 2
    assert path.exists()


def test_process_start_tells_processes_apart():
  child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1)
  try:
    assert lock.process_start(child.pid) is not None
    assert lock.process_start(child.pid) == lock.process_start(child.pid)
    assert lock.process_start(child.pid) != lock.process_start(os.getpid())
  finally:
    child.kill()
  # The process is a zombie until it is waited for; then it does not exist.
  os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
  assert lock.process_start(child.pid) is None
  child.communicate()
  assert lock.process_start(child.pid) is None
