"""Two processes do what one does, and go on after one of them was killed."""

import os
import signal
import socket
import time

import pytest

from launch.process import hosts, relay
from tests.launcher import CONFIG

# Masks of a base network that was never trained.
TINY = (
  f"--config={CONFIG}",
  "--config.regimes=('random_init',)",
  "--config.data.num_problems.train=64",
  "--config.data.num_problems.validation=16",
  "--config.data.num_problems.test=16",
  "--config.search.learning_rates=(0.1,)",
  "--config.search.num_epochs=5",
  "--config.search.batch_size=16",
  "--config.evaluation.batch_size=16",
)
# With a checkpoint after every step, a run takes long enough to be killed.
SLOW = (
  "--config.runtime.steps_per_call=1",
  "--config.runtime.checkpoint_seconds=0.0",
)
FIRST_CHECKPOINTS = "masks/seed_0/subject/checkpoint"
# Everything a user reads or compares.
RESULTS = ("*.csv", "**/masks.npz", "**/metrics.jsonl", "**/DONE")


def start_two(launch, workdir, *more):
  """Starts `launch.run` in two processes of one CPU device each."""
  with socket.socket() as probe:
    probe.bind(("localhost", 0))
    port = probe.getsockname()[1]
  return [
    launch.start(
      "run",
      f"--workdir={workdir}",
      *TINY,
      *more,
      "--distributed",
      f"--coordinator_address=localhost:{port}",
      "--num_processes=2",
      f"--process_id={index}",
    )
    for index in range(2)
  ]


def wait_for(path, running):
  """Waits until a directory exists."""
  deadline = time.monotonic() + 180
  while not path.is_dir():
    if time.monotonic() > deadline:
      pytest.fail("\n".join(one.log.read_text() for one in running))
    time.sleep(0.02)


def results(workdir):
  """Returns {relative path: bytes} of what must not depend on processes."""
  return {
    str(file.relative_to(workdir)): file.read_bytes()
    for pattern in RESULTS
    for file in workdir.glob(pattern)
  }


def test_two_processes_survive_a_kill_and_equal_one(launch, tmp_path):
  two = start_two(launch, tmp_path / "two", *SLOW)
  wait_for(tmp_path / "two" / FIRST_CHECKPOINTS / "3", two)
  os.kill(two[1].pid, signal.SIGKILL)
  left, killed = (launch.wait(one) for one in two)
  assert (left.status, killed.status) == (1, -signal.SIGKILL), left.text
  assert left.text.splitlines()[-1] == relay.PEER_LOST
  assert len(left.errors) == 1
  assert "Traceback" not in left.text
  assert killed.text == ""

  first, second = [
    launch.wait(one) for one in start_two(launch, tmp_path / "two")
  ]
  assert (first.status, second.status) == (0, 0), first.text + second.text
  assert second.text == "", "the first process speaks for all"
  assert "goes on at step" in first.text

  # One process with as many devices must give the same.
  one = launch(
    "run", f"--workdir={tmp_path}/one", *TINY, "--config.runtime.cpu_devices=2"
  )
  assert one.status == 0, one.text
  expected = results(tmp_path / "one")
  assert len(expected) > 8
  assert results(tmp_path / "two") == expected


def test_what_does_not_fit_is_one_line(launch, tmp_path):
  outcome = launch.in_workdir("run", tmp_path / "w", "--num_processes=2")
  assert outcome.status == 1
  assert outcome.errors == [
    "error: --num_processes is for several processes; give --distributed, too"
  ]
  outcome = launch.in_workdir("run", tmp_path / "w", "--distributed")
  assert outcome.status == 1
  (line,) = outcome.errors
  assert "--coordinator_address, --num_processes and --process_id" in line
  with socket.create_server(("", 0)) as taken:
    port = taken.getsockname()[1]
    outcome = launch.in_workdir(
      "run",
      tmp_path / "w",
      "--distributed",
      f"--coordinator_address=localhost:{port}",
      "--num_processes=2",
      "--process_id=0",
    )
  assert outcome.status == 1
  (line,) = outcome.errors
  assert f"port {port} of this host is not free" in line
  assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
  "text, lost",
  [
    ("FAILED_PRECONDITION: Gloo all-reduce failed: Connection closed", True),
    ("UNKNOWN: NCCL operation ncclGroupEnd() failed", True),
    ("UNAVAILABLE: recv: Connection reset by peer", True),
    (
      "INTERNAL: Barrier failed because: task is set to ERROR: UNAVAILABLE: "
      "Task 1 heartbeat timeout. [type.googleapis.com/tensorflow."
      "CoordinationServiceError='']",
      True,
    ),
    ("INTERNAL: error of the coordination service", True),
    ("RESOURCE_EXHAUSTED: out of memory", False),
  ],
)
def test_an_error_tells_whether_a_process_was_lost(text, lost, monkeypatch):
  monkeypatch.setattr(hosts, "_relays", ["one of several processes"])
  assert hosts.is_lost_peer(ValueError(text)) == lost
  monkeypatch.setattr(hosts, "_relays", [])
  assert not hosts.is_lost_peer(ValueError(text)), "a process of its own"


NOISE = b"""\
[Gloo] Rank 0 is connected to 1 peer ranks. Expected number of ... 1
training ...
E1121 07:40:12.578692    5087 coordination_service_agent.cc:289] Polled an error
E1121 07:40:12.578692    5087 coordination_service.cc:718] The following tasks
1
The tasks have crashed. Check the task logs for an earlier error
F1121 07:40:12.578697    5087 client.h:80] Terminating process because the JAX \
distributed service detected fatal errors. This most likely
Additional GRPC error information from remote target
    @     0x7f24c32cb505  std::_Function_handler<>::_M_invoke()
"""


def test_last_words_of_jax_become_one_line():
  lines = NOISE.splitlines(keepends=True)
  assert list(relay.relay(lines)) == [
    b"training ...\n",
    relay.PEER_LOST.encode() + b"\n",
  ]


def test_processes_that_do_not_come_are_another_line():
  (*_, last_words, _, _) = NOISE.splitlines(keepends=True)
  line = last_words.rstrip() + b" absl::Status: DEADLINE_EXCEEDED: Deadline\n"
  assert list(relay.relay([line])) == [relay.NOT_FOUND.encode() + b"\n"]


def test_own_error_is_the_last_line():
  lines = [b"error: disk full\n", *NOISE.splitlines(keepends=True)]
  assert list(relay.relay(lines)) == [b"error: disk full\n"]
