"""Kills an experiment again and again and compares what comes out of it.

    python -m tools.kill_resume [--kills=10] [--seed=0] [--root=DIR]
        [--config=configs/arithmetic/double_addition.py:smoke]

Runs a small experiment twice undisturbed (the second run measures how long
every step takes), then once more in another work directory where the process
is killed with SIGKILL at random moments of all five steps and started again
each time. Tables, masks, logits and metrics must agree bit for bit. The exit
status is 0 only if they do and every step was hit. About five minutes on two
cores.
"""

import argparse
import dataclasses
import importlib.util
import itertools
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

STEPS = ("prepare_data", "train", "search", "evaluate", "report")
WITH_CHECKPOINTS = ("train", "search")
# Sections that say how long these steps are.
_SECTIONS = ("training", "search")
CONFIG = "configs/language/sv_singular.py:smoke"
# A checkpoint after every single step, so that resuming really starts from one.
_EVERY_STEP = {
  "runtime.checkpoint_seconds": 0,
  "runtime.steps_per_call": 1,
}
# Long enough to be killed in the middle. What counts is the number of steps,
# unless it is 0 or there is none.
_LENGTHS = {"num_epochs": 12, "num_steps": 24}
_COMPARED = (
  "*.csv",
  "**/masks.npz",
  "**/logits.safetensors",
  "**/selection.json",
  "**/metrics.jsonl",
  "**/DONE",
  "rounds.json",
  "report/verdicts.json",
)
_POLL_SECONDS = 0.01


@dataclasses.dataclass
class Kill:
  """One planned kill, and where it hit.

  Attributes:
    step: of the road.
    fraction: of what is left of the step in time.
    delay: seconds into the step.
    hit: the step that was running, by its log.
    saved: checkpoints of unfinished work that the next start goes on from.
    after_save: whether to count from the first checkpoint of this start, so
      that not all kills hit while programs are compiled.
  """

  step: str
  fraction: float
  after_save: bool = False
  delay: float = 0.0
  hit: str = ""
  saved: str = ""


def main() -> int:
  """Runs the comparison; returns the exit status."""
  arguments = _arguments()
  root = pathlib.Path(arguments.root or tempfile.mkdtemp(prefix="kill_resume_"))
  root.mkdir(parents=True, exist_ok=True)
  print(f"work directories and logs: {root}", flush=True)
  runner = Runner(root, arguments.config)
  for name in ("undisturbed", "again"):
    runner.run(name)
    print(f"{name}: {_durations(root / name)}", flush=True)
  kills = plan(arguments.kills, random.Random(arguments.seed))
  runner.run_killed("killed", kills, _durations(root / "again"))
  missed = sorted(set(STEPS) - {kill.hit for kill in kills})
  different = {
    name: differences(root / "undisturbed", root / name)
    for name in ("again", "killed")
  }
  _print_verdict(kills, missed, different)
  return int(bool(missed or any(different.values())))


def _arguments() -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument("--kills", type=int, default=10)
  parser.add_argument("--seed", type=int, default=0, help="of the moments")
  parser.add_argument("--root", help="new directory; default: a temporary one")
  parser.add_argument("--config", default=CONFIG)
  return parser.parse_args()


def overrides(config: str) -> dict[str, int]:
  """Returns {field: value} that make a run long and easy to go on with.

  Args:
    config: file and variant, as of `--config`.
  """
  file, _, variant = config.partition(":")
  spec = importlib.util.spec_from_file_location("config_to_kill", file)
  if spec is None or spec.loader is None:
    raise SystemExit(f"error: --config {config!r} is no file of Python")
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  values = module.get_config(variant)
  changes = dict(_EVERY_STEP)
  for section in _SECTIONS:
    field = "num_steps" if values[section].get("num_steps") else "num_epochs"
    changes[f"{section}.{field}"] = _LENGTHS[field]
  return changes


def plan(num_kills: int, random_moments: random.Random) -> list[Kill]:
  """Returns the kills, spread evenly over the steps, in order of the road."""
  steps = [STEPS[i % len(STEPS)] for i in range(num_kills)]
  steps.sort(key=STEPS.index)
  kills = [Kill(step, random_moments.uniform(0, 0.9)) for step in steps]
  for before, kill in itertools.pairwise(kills):
    kill.after_save = before.step == kill.step and kill.step in WITH_CHECKPOINTS
  return kills


class Runner:
  """Starts `launch.run` and watches its log."""

  def __init__(self, root: pathlib.Path, config: str):
    self._root, self._config, self._number = root, config, 0
    self._overrides = [
      f"--config.{field}={value}" for field, value in overrides(config).items()
    ]
    # A killed process would compile everything again each time it starts.
    self._environment = {
      **os.environ,
      "JAX_COMPILATION_CACHE_DIR": str(root / "compiled"),
      "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
    }

  def start(self, workdir: str) -> tuple[subprocess.Popen, pathlib.Path]:
    """Returns a new process and its log."""
    self._number += 1
    log = self._root / f"{workdir}_{self._number:02d}.log"
    with open(log, "wb") as file:
      process = subprocess.Popen(
        [
          sys.executable,
          "-m",
          "launch.run",
          f"--config={self._config}",
          f"--workdir={self._root / workdir}",
          *self._overrides,
        ],
        stdout=file,
        stderr=file,
        env=self._environment,
        cwd=pathlib.Path(__file__).parents[1],
      )
    return process, log

  def run(self, workdir: str) -> None:
    """Runs to the end."""
    process, log = self.start(workdir)
    if process.wait() != 0:
      raise SystemExit(f"error: {log} ends with {_last_line(log)!r}; see there")

  def run_killed(
    self, workdir: str, kills: list[Kill], seconds: dict[str, float]
  ) -> None:
    """Runs with all kills, then to the end; notes where each one hit.

    A kill is drawn from what is left of its step in time, judged by the
    undisturbed run. A kill whose step ended before it came is drawn again in
    the next step; the report is written by every run, so none is lost.
    """
    spent = dict.fromkeys(STEPS, 0.0)
    for kill in kills:
      while not kill.hit:
        process, log = self.start(workdir)
        kill.delay = kill.fraction * max(
          seconds[kill.step] - spent[kill.step], 0.1 * seconds[kill.step]
        )
        if kill.after_save:
          kill.delay *= 0.3
        kill.hit = _kill_within(process, log, kill, self._root / workdir)
        kill.after_save = False
        if not kill.hit and kill.step != STEPS[-1]:
          kill.step = STEPS[STEPS.index(kill.step) + 1]
      spent[kill.step] += kill.delay
      kill.saved = _saved(self._root / workdir)
      print(f"killed {kill.delay:.2f} s into {kill.hit}", flush=True)
    self.run(workdir)


def _kill_within(
  process: subprocess.Popen,
  log: pathlib.Path,
  kill: Kill,
  workdir: pathlib.Path,
) -> str:
  """Waits for the step, then for the delay; returns the step that was hit.

  Returns "" and leaves nothing running where the step ended too early.
  """
  began, saved = None, _saved(workdir)
  while process.poll() is None:
    step = current_step(log.read_text(errors="replace"))
    if (
      began is None
      and step == kill.step
      and not (kill.after_save and _saved(workdir) == saved)
    ):
      began = time.monotonic()
    if began is not None and time.monotonic() - began >= kill.delay:
      break
    time.sleep(_POLL_SECONDS)
  process.kill()
  process.wait()
  if process.returncode > 0:
    raise SystemExit(f"error: {log} ends with {_last_line(log)!r}; see there")
  if process.returncode == 0:
    return ""
  return current_step(log.read_text(errors="replace"))


def current_step(text: str) -> str:
  """Returns the step that a log is in; "" before and between steps."""
  step = ""
  for line in text.splitlines():
    name, _, rest = line.partition(" ")
    if name in STEPS and rest == "...":
      step = name
    elif name == step and rest.startswith("took "):
      step = ""
  return step


def differences(a: pathlib.Path, b: pathlib.Path) -> list[str]:
  """Returns the files that are not in both directories with equal bytes."""
  names = {
    str(file.relative_to(root))
    for root in (a, b)
    for pattern in _COMPARED
    for file in root.glob(pattern)
  }
  return [
    name for name in sorted(names) if _content(a / name) != _content(b / name)
  ]


def _content(file: pathlib.Path) -> bytes | None:
  return file.read_bytes() if file.is_file() else None


def _saved(workdir: pathlib.Path) -> str:
  """Returns which unfinished trainings and searches have a checkpoint."""
  found = []
  for checkpoint in sorted(workdir.glob("**/checkpoint")):
    steps = [
      int(path.name)
      for path in checkpoint.glob("[0-9]*")
      if path.name.isdigit()
    ]
    if steps and not (checkpoint.parent / "DONE").exists():
      place = checkpoint.parent.relative_to(workdir)
      found.append(f"{place}: step {max(steps) + 1}")
  return ", ".join(found)


def _durations(workdir: pathlib.Path) -> dict[str, float]:
  return json.loads((workdir / "timings.json").read_text())


def _last_line(log: pathlib.Path) -> str:
  lines = log.read_text(errors="replace").splitlines()
  return lines[-1] if lines else ""


def _print_verdict(kills, missed, different) -> None:
  print("\nkill  step          seconds into it  goes on from")
  for number, kill in enumerate(kills, start=1):
    print(f"{number:4}  {kill.hit:12}  {kill.delay:15.2f}  {kill.saved or '-'}")
  if missed:
    print(f"no kill hit {', '.join(missed)}: choose another --seed")
  for name, files in different.items():
    verdict = f"DIFFERENT: {', '.join(files)}" if files else "bit-identical"
    print(f"undisturbed against {name}: {verdict}")


if __name__ == "__main__":
  sys.exit(main())
