"""The command `structcomp` finds scripts and configs, and lists them."""

import os
import pathlib
import subprocess
import sys

import pytest

from structcomp_jax import console, types
from structcomp_jax.pipeline import session

BESIDE = pathlib.Path(__file__).parents[1]
CONFIGS = BESIDE / "configs"


@pytest.mark.parametrize(
  ("given", "expected"),
  [
    ("language/sv_singular", "language/sv_singular.py"),
    ("language/sv_singular:small", "language/sv_singular.py:small"),
    ("language/sv_singular.py:small", "language/sv_singular.py:small"),
    ("quickstart", "quickstart.py"),
  ],
)
def test_a_config_of_the_package_is_its_file(
  tmp_path, monkeypatch, given, expected
):
  monkeypatch.chdir(tmp_path)
  flags = [f"--config={given}", "--config.seed=3", "--workdir=quickstart"]
  assert console.with_config_files(flags, CONFIGS) == [
    f"--config={CONFIGS / expected}", "--config.seed=3", "--workdir=quickstart",
  ]  # fmt: skip
  # Also by the name that it has in a checkout.
  flags[0] = f"--config=configs/{given}"
  found = console.with_config_files(flags, CONFIGS)
  assert found[0] == f"--config={CONFIGS / expected}"


def test_other_files_and_names_are_left_alone(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  (tmp_path / "quickstart").write_text("mine")
  for given in ("--config=quickstart:x", "--config=no/such", "--config=", "-h"):
    assert console.with_config_files([given], CONFIGS) == [given]


def run(*arguments, folder):
  """Runs the command where the scripts lie beside the package."""
  program = (
    "import sys, types, importlib, structcomp_jax\n"
    "for name in ('launch', 'configs'):\n"
    "  package = importlib.import_module(name)\n"
    "  sys.modules[f'structcomp_jax.{name}'] = package\n"
    "from structcomp_jax import console\n"
    "console.main()\n"
  )
  return subprocess.run(
    [sys.executable, "-c", program, *arguments],
    capture_output=True,
    text=True,
    cwd=folder,
    env={**os.environ, "PYTHONPATH": str(BESIDE)},
  )


def test_the_command_runs_a_script_and_lists_them_all(tmp_path):
  shown = run("--help", folder=tmp_path).stdout
  assert "\n  run           Runs a whole experiment" in shown
  assert "process" not in shown and "__init__" not in shown
  assert "language/sv_singular, " in shown and "common" not in shown
  wrong = run("fly", folder=tmp_path)
  assert wrong.returncode == 1
  assert "error: there is no verb 'fly'; known: check_shapes," in wrong.stderr
  done = run("report", f"--workdirs={tmp_path}/no", folder=tmp_path)
  assert done.returncode == 1
  assert "there is no work directory" in done.stderr


@pytest.mark.parametrize(
  ("started", "expected"),
  [
    (["python", "/bin/structcomp", "run"], "structcomp train"),
    (["python", "-m", "structcomp_jax", "run"], "structcomp train"),
    (["python", "-m", "launch.run"], "python -m launch.train"),
    (["python"], "python -m launch.train"),
  ],
)
def test_messages_name_the_command_that_is_there(
  monkeypatch, started, expected
):
  monkeypatch.setattr(sys, "orig_argv", started)
  assert types.command("train") == expected


@pytest.mark.parametrize(
  ("started", "expected"),
  [
    (["/bin/python3", "/bin/structcomp", "run", "--x"], "structcomp run --x"),
    (["/bin/python3", "-m", "launch.run", "--x"], "python -m launch.run --x"),
    (["/bin/python3"], "python"),
  ],
)
def test_a_run_stores_the_command_that_began_it(monkeypatch, started, expected):
  monkeypatch.setattr(sys, "orig_argv", started)
  assert session._command() == expected
