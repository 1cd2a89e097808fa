"""Which commands launch/tpu_vm.sh runs; here they only note their arguments."""

import os
import subprocess

import pytest

from tests.launch import gcloud_grammar
from tests.launcher import ROOT

GCLOUD = """#!/bin/sh
echo "$@" >> "{log}"
printf '%s\\0' "$@" >> "{log}.calls"
printf '\\n\\0' >> "{log}.calls"
case "$*" in
  *describe*) cat "{state}" ;;
  *create*) echo ACTIVE > "{state}" ;;
esac
"""
# git is replaced, too: the tests also run where there is no repository.
GIT = """#!/bin/sh
echo "git $@" >> "{log}"
"""


@pytest.fixture
def gcloud_calls(tmp_path):
  """Returns the arguments of every `gcloud`, call by call."""

  def read():
    *words, end = (tmp_path / "log.calls").read_text().split("\0")
    assert end == ""
    calls = [[]]
    for word in words:
      if word == "\n":
        calls.append([])
      else:
        calls[-1].append(word)
    return calls[:-1]

  return read


@pytest.fixture
def tpu_vm(tmp_path):
  """Runs the script; returns its result and the commands it gave."""
  log, state = tmp_path / "log", tmp_path / "state"
  for name, script in (("gcloud", GCLOUD), ("git", GIT)):
    (tmp_path / name).write_text(script.format(log=log, state=state))
    (tmp_path / name).chmod(0o755)
  surroundings = {
    **os.environ,
    "PATH": f"{tmp_path}:{os.environ['PATH']}",
    "PROJECT": "project",
    "ZONE": "zone",
    "NFS": "host:/share",
    "SECONDS_BETWEEN_LOOKS": "0",
  }

  def run(*arguments, was="NONE", **changes):
    state.write_text(f"{was}\n")
    log.write_text("")
    result = subprocess.run(
      [ROOT / "launch" / "tpu_vm.sh", *arguments],
      env={**surroundings, **changes},
      capture_output=True,
      text=True,
    )
    return result, log.read_text()

  return run


def test_create_asks_and_waits(tpu_vm):
  result, commands = tpu_vm("create")
  assert result.returncode == 0, result.stderr
  asked, looked = commands.splitlines()
  assert asked.startswith("compute tpus queued-resources create structcomp ")
  assert "--spot --project=project --zone=zone" in asked
  assert "describe" in looked
  _, commands = tpu_vm("create", SPOT="0")
  assert "--spot" not in commands


@pytest.mark.parametrize("spot", ["0", "1"])
def test_every_command_is_one_that_gcloud_documents(tpu_vm, gcloud_calls, spot):
  run = ("configs/a.py:b", "/mnt/structcomp/w", "--config.x=('a b',)")
  for verb in (("create",), ("install",), ("run", *run), ("log",),
               ("resume", *run), ("delete",)):  # fmt: skip
    was = "SUSPENDED" if verb[0] == "resume" else "NONE"
    result, _ = tpu_vm(*verb, was=was, SPOT=spot)
    assert result.returncode == 0, result.stderr
  given = [gcloud_grammar.parse(call) for call in gcloud_calls()]
  assert {words for words, _ in given} == set(gcloud_grammar.COMMANDS)
  for words, flags in given:
    assert (flags["project"], flags["zone"]) == ("project", "zone"), words
    assert ("spot" in flags) == (words.endswith("create") and spot == "1")


@pytest.mark.parametrize(
  ("line", "expected"),
  [
    ("tpu-vm start a", "no such command"),
    ("tpu-vm ssh a --commands=x", "has no --commands"),
    ("tpu-vm ssh a --command", "lacks its value"),
    ("tpu-vm scp a", "1 arguments"),
    ("queued-resources delete a --zone=z --force=yes", "has no value"),
    ("queued-resources describe a", "lacks zone"),
    ("queued-resources create a --zone=z --runtime-version=r --node-id=n",
     "lacks accelerator-type or topology"),
  ],
)  # fmt: skip
def test_a_command_that_is_not_documented_is_refused(line, expected):
  with pytest.raises(ValueError, match=expected):
    gcloud_grammar.parse(["compute", "tpus", *line.split()])


def test_run_starts_every_host_with_the_same_command(tpu_vm):
  result, commands = tpu_vm(
    "run", "configs/a.py:b", "/mnt/structcomp/w", "--config.x=('a b',)"
  )
  assert result.returncode == 0, result.stderr
  assert commands.count("ssh") == 1
  assert "--worker=all" in commands
  assert "-m launch.run --distributed --config=configs/a.py:b" in commands
  assert "--config.runtime.compilation_cache=/mnt/structcomp/" in commands
  assert r"--config.x=\(\'a\ b\'\,\)" in commands


def test_resume_makes_a_lost_slice_anew(tpu_vm):
  arguments = ("resume", "configs/a.py", "/mnt/structcomp/w")
  result, commands = tpu_vm(*arguments, was="SUSPENDED")
  assert result.returncode == 0, result.stderr
  steps = (
    "delete",
    "create",
    "archive",
    "scp",
    "apt-get",
    "rm -f /mnt",
    "launch.run",
  )
  places = [commands.index(step) for step in steps]
  assert places == sorted(places)
  result, commands = tpu_vm(*arguments, was="ACTIVE")
  assert result.returncode == 0, result.stderr
  assert "create" not in commands
  assert "rm -f" not in commands
  assert "launch.run" in commands


@pytest.mark.parametrize(
  ("arguments", "changes", "expected"),
  [
    (("start",), {}, "unknown verb start"),
    (("create",), {"ZONE": ""}, "set ZONE"),
    (("run", "configs/a.py"), {}, "CONFIG and WORKDIR"),
    (("run", "configs/a.py", "/home/w"), {}, "below /mnt/structcomp"),
  ],
)
def test_mistakes_are_one_line(tpu_vm, arguments, changes, expected):
  result, commands = tpu_vm(*arguments, **changes)
  assert result.returncode == 1
  assert commands == ""
  (line,) = result.stderr.splitlines()
  assert line.startswith("error: ")
  assert expected in line


def test_help_names_every_verb(tpu_vm):
  result, _ = tpu_vm("--help")
  assert result.returncode == 0
  for verb in ("create", "install", "run", "log", "resume", "delete"):
    assert f"tpu_vm.sh {verb} " in result.stdout
