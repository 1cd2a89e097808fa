"""What every benchmark of speed needs: a clock, a yardstick, facts.

The machine may do other work meanwhile. Whatever is compared is therefore
timed in turns, and a ratio is the median of the ratios within a turn.
"""

import dataclasses
import importlib.metadata
import json
import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax

ROOT = pathlib.Path(__file__).resolve().parents[1]
# A stopwatch: runs something once and returns seconds for one unit of it.
Stopwatch = Callable[[], float]


def take_turns(
  stopwatches: Mapping[str, Stopwatch], repeats: int
) -> dict[str, list[float]]:
  """Returns {name: seconds of every turn}; each turn runs all of them once.

  Every second turn goes backwards, so that none is always the first one.
  """
  seconds = {name: [] for name in stopwatches}
  for turn in range(repeats):
    names = list(stopwatches)
    for name in names if turn % 2 == 0 else reversed(names):
      seconds[name].append(stopwatches[name]())
  return seconds


def median_ratio(first: Sequence[float], second: Sequence[float]) -> float:
  """Returns the median over turns of first / second."""
  return statistics.median(
    one / other for one, other in zip(first, second, strict=True)
  )


def peak_device_bytes() -> int | None:
  """Returns the most memory this process ever had on the device, if known."""
  return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")


def facts(*packages: str) -> dict[str, str]:
  """Returns what a result depends on: machine, commit, versions."""
  device = jax.devices()[0]
  devices = device.device_kind if device.platform != "cpu" else "no accelerator"
  return {
    "machine": f"{platform.machine()}, {os.cpu_count()} cores, {devices}",
    "vectors": _vector_instructions(),
    "commit": _git("rev-parse", "--short", "HEAD"),
    "changed": _git("status", "--porcelain", "--untracked-files=no") and "yes",
    "python": platform.python_version(),
    **{
      name: importlib.metadata.version(name)
      for name in ("jax", "jaxlib", "flax", "optax", "numpy", *packages)
    },
  }


def command() -> str:
  """Returns the command line of this process without the file it writes."""
  path = pathlib.Path(sys.argv[0]).resolve().relative_to(ROOT)
  module = ".".join(path.with_suffix("").parts)
  passed = [text for text in sys.argv[1:] if not text.startswith("--json")]
  return " ".join(["python -m", module, *passed])


def _git(*arguments: str) -> str:
  """Returns what git says, "unknown" outside of a repository."""
  try:
    done = subprocess.run(
      ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
  except (OSError, subprocess.CalledProcessError):
    return "unknown"
  return done.stdout.strip()


def _vector_instructions() -> str:
  """Returns the widest vectors of the processor that Linux lists."""
  try:
    text = pathlib.Path("/proc/cpuinfo").read_text()
  except OSError:
    return "unknown"
  known = {"avx512f": "AVX-512", "avx2": "AVX2", "asimd": "NEON"}
  words = set(text.split())
  return next((name for flag, name in known.items() if flag in words), "other")


def elsewhere(module: str, *arguments: str) -> Any:
  """Runs a module in a new process, whose memory ends with it.

  Ends this process, too, where that one fails, which has said why.

  Returns:
    What its last line of output says, JSON.
  """
  done = subprocess.run(
    [sys.executable, "-m", module, *arguments],
    cwd=ROOT,
    stdout=subprocess.PIPE,
    text=True,
  )
  if done.returncode:
    sys.exit(done.returncode)
  return json.loads(done.stdout.splitlines()[-1])


def each_elsewhere(
  module: str, flag: str, names: Sequence[str]
) -> Iterator[Any]:
  """Runs this command line again for one name after the other.

  Each in a new process, with `--worker` and with `flag` set to one name.

  Yields:
    What the process returned.
  """
  passed = [text for text in sys.argv[1:] if not text.startswith(flag)]
  for name in names:
    say(f"measuring {name} ...")
    yield elsewhere(module, *passed, "--worker", f"{flag}={name}")


def compiled_elsewhere(
  module: str, cases: Iterable[Any], path: str | None, *, again: bool = False
) -> list[dict[str, Any]]:
  """Returns what a module says of each case, each in a new process.

  Args:
    module: prints the numbers of a case, JSON, with --worker=CASE.
    cases: dataclasses, whose fields are among the numbers.
    path: a JSON file that keeps {"programs": numbers of cases}, written after
      every case; None: nothing is kept.
    again: whether to ask about cases that the file has already.
  """
  kept = programs(path)
  found = []
  for case in cases:
    fields = dataclasses.asdict(case)
    old = next((one for one in kept if fields.items() <= one.items()), None)
    if old is None or again:
      described = json.dumps(fields)
      say(f"compiling {described} ...")
      new = elsewhere(module, f"--worker={described}")
      if old is None:
        kept.append(new)
      else:
        kept[kept.index(old)] = new
      store({"programs": kept}, path)
      old = new
    found.append(old)
  return found


def programs(path: str | None) -> list[dict[str, Any]]:
  """Returns the programs of a file that `compiled_elsewhere` keeps, if any."""
  if not path or not pathlib.Path(path).exists():
    return []
  return json.loads(pathlib.Path(path).read_text())["programs"]


def store(results: dict[str, Any], path: str | None) -> None:
  """Writes results to a JSON file, if a path is given."""
  if path:
    pathlib.Path(path).write_text(json.dumps(results, indent=1) + "\n")


def say(text: str) -> None:
  """Prints progress, which is not part of the result."""
  print(text, file=sys.stderr, flush=True)


def power_of_two_below(number: float) -> int:
  """Returns the largest power of two that is not larger, at least 1."""
  return 2 ** max(0, int(math.log2(max(number, 1))))
