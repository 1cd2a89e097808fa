"""What every benchmark of speed needs: a clock, a yardstick, facts.

The machine may do other work meanwhile. Whatever is compared is therefore
timed in turns, and a ratio is the median of the ratios within a turn.
"""

import importlib.metadata
import json
import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax

ROOT = pathlib.Path(__file__).resolve().parents[1]
# {backend: (rows of the square matrices that `matmul_peak` multiplies, products
# in one timing)}.
YARDSTICK = {"cpu": (4096, 1), "gpu": (16384, 10), "tpu": (16384, 10)}

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


def elapsed(run: Callable[[], Any]) -> float:
  """Returns the seconds until all arrays of a result are there."""
  started = time.perf_counter()
  jax.block_until_ready(run())
  return time.perf_counter() - started


def matmul_peak(dtype: str) -> float:
  """Returns FLOP/s of a large square matrix product, the best of three.

  With JAX's default precision, as the networks compute: on a GPU float32
  products then use its matrix units.
  """
  size, products = YARDSTICK[jax.default_backend()]
  matrix = jax.random.normal(jax.random.key(0), (size, size), dtype)
  multiply = jax.jit(lambda matrix: matrix @ matrix)
  jax.block_until_ready(multiply(matrix))

  def run():
    return [multiply(matrix) for _ in range(products)]

  return 2 * size**3 * products / min(elapsed(run) for _ in range(3))


def product_flops(function: Callable[..., Any], *arguments: Any) -> float:
  """Returns the arithmetic of all matrix products of a function.

  XLA counts the body of a loop once, whatever its length. Here the body of
  `lax.scan` counts as often as it runs; that of a loop whose length is data
  counts once, and of several branches the dearest counts.

  >>> matrix = jax.ShapeDtypeStruct((2, 2), "float32")
  >>> product_flops(lambda x: jax.lax.fori_loop(0, 3, lambda i, y: y @ x, x),
  ...               matrix)
  48.0
  """
  return _products(jax.make_jaxpr(function)(*arguments).jaxpr)


def _products(jaxpr: Any) -> float:
  total = 0.0
  for equation in jaxpr.eqns:
    if equation.primitive.name == "dot_general":
      (contracted, _), _ = equation.params["dimension_numbers"]
      shape = equation.invars[0].aval.shape
      depth = math.prod(shape[axis] for axis in contracted)
      total += 2.0 * math.prod(equation.outvars[0].aval.shape) * depth
      continue
    inner = [
      _products(getattr(part, "jaxpr", part))
      for parameter in equation.params.values()
      for part in (
        parameter if isinstance(parameter, (tuple, list)) else (parameter,)
      )
      if hasattr(getattr(part, "jaxpr", part), "eqns")
    ]
    if equation.primitive.name == "cond":
      total += max(inner)
    else:
      total += sum(inner) * equation.params.get("length", 1)
  return total


def program_bytes(compiled: Any) -> dict[str, int]:
  """Returns what a compiled program needs while it runs.

  Returns:
    "arguments"; "temporary": beside what it reads and writes; "total":
    arguments, results that do not reuse their memory, and temporary.
  """
  analysis = compiled.memory_analysis()
  results = analysis.output_size_in_bytes - analysis.alias_size_in_bytes
  return {
    "arguments": analysis.argument_size_in_bytes,
    "temporary": analysis.temp_size_in_bytes,
    "total": analysis.argument_size_in_bytes
    + results
    + analysis.temp_size_in_bytes,
  }


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

  Returns:
    What its last line of output says, JSON.
  """
  done = subprocess.run(
    [sys.executable, "-m", module, *arguments],
    cwd=ROOT,
    stdout=subprocess.PIPE,
    text=True,
    check=True,
  )
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
