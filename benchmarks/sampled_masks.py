"""What several mask samples per batch cost, and the same in PyTorch.

    python -m benchmarks.sampled_masks [--configs=configs/FILE.py:VARIANT,...]
      [--candidates=1,4] [--repeats=7] [--torch] [--json=FILE]

For every experiment of "Are Neural Nets Modular?", in turns: a training step of
the network without masks; a step of the search with its samples; the same with
bits that cost nothing instead of random ones (what remains is the price of the
noise), with the norm of the logits alone (the price of the frozen weights'
gradients), and with one sample; and K masks in one program, in chunks as wide
as the search itself chooses. With --torch (pip install '.[torch]') also the
search as it was published, one mask at a time, with the masks in the layers:
with logits so large that every weight is kept, its loss must be that of our
network. Ratios are medians over turns. A few minutes on two idle cores.
"""

import argparse
import contextlib
import json
import statistics
import sys
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import measure
from benchmarks.workload import Workload, load_study
from structcomp_jax import trees
from structcomp_jax.engine import cost
from structcomp_jax.masks import noise
from structcomp_jax.report.text import text_table

_CONFIGS = (
  "configs/arithmetic/add_mul.py:ff_medium",
  "configs/arithmetic/double_addition.py:lstm_together",
)
_LEAST_SECONDS = 0.5
# So large that no mask removes a weight.
_KEEPS_ALL = 40.0
_TOLERANCE = 1e-4


def main() -> int:
  """Measures every config in a process of its own; returns the status."""
  arguments = _arguments()
  if arguments.worker:
    print(json.dumps(measure_config(arguments.configs, arguments)))
    return 0
  extra = [f"--candidates={arguments.candidates}"]
  extra += [f"--repeats={arguments.repeats}"]
  extra += ["--torch"] * arguments.torch
  results = {"command": measure.command(), "configs": []}
  for name in arguments.configs.split(","):
    print(f"measuring {name} ...", file=sys.stderr, flush=True)
    results["configs"].append(
      measure.elsewhere(
        "benchmarks.sampled_masks", "--worker", f"--configs={name}", *extra
      )
    )
    measure.store(results, arguments.json)
  for result in results["configs"]:
    print(table(result))
  return 0


def _arguments() -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument("--configs", default=",".join(_CONFIGS))
  parser.add_argument("--candidates", default="4")
  parser.add_argument("--repeats", type=int, default=7)
  parser.add_argument("--torch", action="store_true")
  parser.add_argument("--json", help="also write all numbers to this file")
  parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
  return parser.parse_args()


def measure_config(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
  """Returns all numbers of one config."""
  peak = cost.matmul_peak("float32")
  study = load_study(name)
  workload = Workload.make(study, study.config.search.batch_size)
  first = study.mask_search.masked_from[0]
  steps = {
    "training, no masks": workload.training(),
    "search": workload.search(first),
    "search, logits' norm": workload.search(first, clip_scope="masks"),
    "search, one sample": workload.search(first, num_mask_samples=1),
  }
  stopwatches = {k: s.stopwatch(_LEAST_SECONDS) for k, s in steps.items()}
  with _free_noise():
    free = workload.search(first, constant_beta=(".*",))
    stopwatches["search, free noise"] = free.stopwatch(_LEAST_SECONDS)
  candidates = {}
  for number in map(int, arguments.candidates.split(",")):
    width = workload.choose_width(first, is_cached=False, num_candidates=number)
    label = f"search, {number} masks, {width} at once"
    many = workload.search(first, num_candidates=number, width=width)
    stopwatches[label] = many.stopwatch(_LEAST_SECONDS)
    candidates[label] = number
  checked = None
  if arguments.torch:
    checked, stopwatches["PyTorch, one mask"] = _torch(workload, first)
  seconds = measure.take_turns(stopwatches, arguments.repeats)
  return {
    "config": name,
    "facts": measure.facts(),
    "peak": peak,
    "flops": workload.useful_flops(first, is_cached=False),
    "candidates": candidates,
    "seconds": seconds,
    "first_losses": checked,
  }


@contextlib.contextmanager
def _free_noise():
  """Bits that are the place of a weight, not mixed."""

  def bits(key, shape):
    word = jax.random.key_data(key)[0]
    return jnp.arange(np.prod(shape), dtype=jnp.uint32).reshape(shape) + word

  with mock.patch.object(noise, "bits", bits):
    yield


def _torch(workload: Workload, first: Any) -> tuple[Any, measure.Stopwatch]:
  """Returns the first losses of both, and PyTorch's stopwatch."""
  from benchmarks.pytorch import sampled, search

  search.use_all_threads()
  batch = trees.row(workload.problems, slice(workload.batch_size))
  ours = float(workload.network.loss_fn(workload.params, batch))
  theirs = sampled.make_baseline(workload, _KEEPS_ALL).run(1)[0][0]
  config = workload.search_config()
  baseline = sampled.make_baseline(workload, config.init_logits[0])
  return [ours, theirs], baseline.stopwatch(_LEAST_SECONDS)


def table(result: dict[str, Any]) -> str:
  """Returns one line for each kind of step."""
  seconds = result["seconds"]
  lines = [
    ("step", "ms", "x training", "x search", "of peak"),
  ]
  for name, times in seconds.items():
    number = result["candidates"].get(name, 1)
    per_mask = [time / number for time in times]
    median = statistics.median(per_mask)
    lines.append(
      (
        name + (" (per mask)" if number > 1 else ""),
        f"{1e3 * median:.2f}",
        f"{measure.median_ratio(per_mask, seconds['training, no masks']):.2f}",
        f"{measure.median_ratio(per_mask, seconds['search']):.2f}",
        f"{result['flops'] / median / result['peak']:.0%}",
      )
    )
  about = f"{result['config']}: matmul peak {result['peak'] / 1e9:.0f} GFLOP/s"
  if result["first_losses"]:
    ours, theirs = result["first_losses"]
    about += f"; first loss without removal {ours:.5f}, PyTorch {theirs:.5f}"
    if abs(ours - theirs) > _TOLERANCE:
      about += " (THEY DISAGREE)"
  return f"{about}\n{text_table(lines, num_left=1)}"


if __name__ == "__main__":
  sys.exit(main())
