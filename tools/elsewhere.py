"""Runs tests in other environments than `.venv`.

    python tools/elsewhere.py oldest newest    # make test-matrix
    python tools/elsewhere.py wheel            # make test-wheel

- oldest: the oldest Python found, and the lowest versions of all packages that
  pyproject.toml allows; a short suite.
- newest: the newest Python found, and today's packages; the same suite.
- wheel: every test, on what a user installs, in a folder without the sources.

Environments lie in `.venvs` and are made anew when pyproject.toml changes. The
script needs nothing but Python, since it runs before anything is installed.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[1]
ENVIRONMENTS = ROOT / ".venvs"
# Imports, masks, search, the smoke roads of the first study, and
# made-up experiments of the second.
SHORT_SUITE = (
  "tests/test_imports.py",
  "tests/engine/test_parallel.py",
  "tests/masks",
  "tests/search",
  "tests/studies/break_it_down/test_golden.py",
  "tests/studies/are_nets_modular/test_seq2seq_network.py",
  "tests/studies/are_nets_modular/test_wiring_of_tasks.py",
)
# What the tests read; `structcomp_jax` itself is the installed one.
BESIDE_THE_WHEEL = (
  "benchmarks",
  "configs",
  "docs",
  "examples",
  "launch",
  "tests",
  "tools",
  "CHANGELOG.md",
  "CITATION.cff",
  "Makefile",
  "README.md",
  "mkdocs.yml",
  "pyproject.toml",
)


def main() -> None:
  """Runs the environments that are named; stops at the first that fails."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("kinds", nargs="+", choices=("oldest", "newest", "wheel"))
  for kind in parser.parse_args().kinds:
    {"oldest": test_oldest, "newest": test_newest, "wheel": test_wheel}[kind]()


def test_oldest() -> None:
  """Runs the short suite on the lowest versions of everything."""
  python = min(find_pythons().items())[1]
  install = ["-m", "uv", "pip", "install", "--resolution", "lowest-direct"]
  environment = make_environment(
    "oldest", python, [["-m", "pip", "install", "uv"], install]
  )
  run_short_suite("oldest", environment)


def test_newest() -> None:
  """Runs the short suite on the newest Python, unless that is the usual one."""
  pythons = find_pythons()
  version, python = max(pythons.items())
  if len(pythons) == 1:
    found = ".".join(map(str, version))
    say(f"newest: SKIPPED, no Python but {found} was found on this machine")
    return
  install = ["-m", "pip", "install", "--upgrade"]
  environment = make_environment("newest", python, [install])
  run_short_suite("newest", environment)


def test_wheel() -> None:
  """Runs all tests on the installed wheel, in a folder without sources."""
  environment = make_environment("wheel", pathlib.Path(sys.executable), [])
  with tempfile.TemporaryDirectory() as directory:
    elsewhere = pathlib.Path(directory)
    wheels = elsewhere / "dist"
    call(environment, "-m", "pip", "wheel", "--no-deps", "-w", wheels, ROOT)
    (wheel,) = wheels.glob("*.whl")
    call(environment, "-m", "pip", "install", "--upgrade", f"{wheel}[dev]")
    # Of the same version, and perhaps another content.
    again = ("--force-reinstall", "--no-deps")
    call(environment, "-m", "pip", "install", *again, wheel)
    run_command(environment, elsewhere)
    for name in BESIDE_THE_WHEEL:
      copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
      copy(ROOT / name, elsewhere / name)
    say(f"wheel: every test on {wheel.name}")
    run_pytest(environment, elsewhere)


def run_command(environment: pathlib.Path, folder: pathlib.Path) -> None:
  """Walks the smoke road by the command of the wheel, without any source."""
  say("wheel: structcomp run")
  workdir = folder / "smoke"
  config = "--config=language/sv_singular:smoke"
  subprocess.run(
    [
      environment.with_name("structcomp"),
      "run",
      config,
      f"--workdir={workdir}",
    ],
    cwd=folder,
    check=True,
  )
  if not (workdir / "report" / "index.html").is_file():
    raise SystemExit("wheel: structcomp run wrote no page")


def find_pythons() -> dict[tuple[int, int], pathlib.Path]:
  """Returns {(3, minor): interpreter} of all that the project supports.

  Those of the command path, of this process, and of pyenv.
  """
  text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
  least = int(re.search(r'requires-python = ">=3\.(\d+)"', text)[1])
  pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
  candidates = [pathlib.Path(sys.executable)]
  for minor in range(least, 30):
    name = f"python3.{minor}"
    candidates += sorted(pyenv.glob(f"versions/*/bin/{name}"))
    if found := shutil.which(name):
      candidates.append(pathlib.Path(found))
  pythons = {}
  for candidate in candidates:
    version = version_of(candidate)
    if version is not None and version[1] >= least:
      pythons.setdefault(version, candidate)
  return pythons


def version_of(python: pathlib.Path) -> tuple[int, int] | None:
  """Returns (3, minor); None of what does not start, or is a preview."""
  program = (
    "import sys; v = sys.version_info; "
    "print(v.major, v.minor) if v.releaselevel == 'final' else None"
  )
  try:
    found = subprocess.run(
      [python, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
  except (OSError, subprocess.CalledProcessError):
    return None  # A shim of pyenv, for one, of a version not chosen.
  return (int(found[0]), int(found[1])) if found else None


def make_environment(
  name: str, python: pathlib.Path, steps: list[list[str]]
) -> pathlib.Path:
  """Returns the interpreter of an environment, made where it is not current.

  Args:
    name: of the folder in `.venvs`.
    python: interpreter to make it of.
    steps: arguments to Python; the last one installs this project.
  """
  directory = ENVIRONMENTS / name
  interpreter, mark = directory / "bin" / "python", directory / "installed"
  wanted = f"{python}\n{steps}\n{(ROOT / 'pyproject.toml').read_text()}"
  if mark.is_file() and mark.read_text() == wanted:
    return interpreter
  shutil.rmtree(directory, ignore_errors=True)
  say(f"{name}: installing, with {python}")
  subprocess.run([python, "-m", "venv", directory], check=True)
  call(interpreter, "-m", "pip", "install", "--upgrade", "pip")
  for step in steps[:-1]:
    call(interpreter, *step)
  for step in steps[-1:]:
    call(interpreter, *step, "--editable", f"{ROOT}[dev]")
  mark.write_text(wanted)
  return interpreter


def run_short_suite(name: str, environment: pathlib.Path) -> None:
  """Runs `SHORT_SUITE`, and says on what."""
  program = (
    "import platform, jax, flax, numpy; print('Python',"
    " platform.python_version(), 'jax', jax.__version__, 'flax',"
    " flax.__version__, 'numpy', numpy.__version__)"
  )
  versions = subprocess.run(
    [environment, "-c", program], capture_output=True, text=True, check=True
  ).stdout.strip()
  say(f"{name}: the short suite on {versions}")
  run_pytest(environment, ROOT, *SHORT_SUITE)


def run_pytest(
  environment: pathlib.Path, directory: pathlib.Path, *tests: str
) -> None:
  """Runs tests in a folder; ends the script where one fails."""
  command = [environment, "-m", "pytest", "-n", "auto", "--dist", "loadfile"]
  status = subprocess.run([*command, *tests], cwd=directory).returncode
  if status:
    sys.exit(status)


def call(python: pathlib.Path, *arguments: object) -> None:
  """Runs Python quietly; what it printed is shown where it fails."""
  command = [str(python), *map(str, arguments)]
  done = subprocess.run(
    command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
  )
  if done.returncode:
    sys.exit(f"{done.stdout}\n{' '.join(command)} failed")


def say(text: str) -> None:
  """Prints a line before what runs next prints its own."""
  print(text, flush=True)


if __name__ == "__main__":
  main()
