"""Mask search against the same search as a PyTorch user writes it.

    python -m benchmarks.pytorch.baseline [--cases=NETWORK:STAGE,...]
      [--candidates=1,4] [--batch_size=N] [--micro_batches=1] [--repeats=5]
      [--json=FILE]

Needs PyTorch (pip install '.[torch]'). In PyTorch every mask is part of its
layer, one mask is learnt at a time, sentences are padded to 50 tokens, nothing
is cached, the last layer computes every position, and the mode is eager, all as
in the code of Lepori et al. 2023. Ours runs what `benchmarks.mask_search` runs,
with cached features if something lies below the first masked stage, and with K
candidates in one program, in chunks as wide as the search itself chooses, and
batches in so many parts (`search.micro_batches`).
Network, weights, problems, settings and loss are the same: the losses of the
first steps are printed side by side and must agree.

Both take turns in one process, with the same number of threads. Printed is how
many times faster ours is per candidate: the median over turns. "arithmetic" is
how many times as much PyTorch multiplies and adds; "at peak", how many times
faster ours would be at the speed of a large matrix product in the same process;
"with features" adds their cost, spread over the epochs of one candidate.
Pictures are noise, sentences are real. A case is a network of
`benchmarks.mask_search`, or any configs/FILE.py:VARIANT, and a stage. It takes
about ten minutes on two idle cores.
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Mapping
from typing import Any

# The device's memory is for both.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import jax
import numpy as np

from benchmarks import measure
from benchmarks.mask_search import NETWORKS, stage_named
from benchmarks.steps import Steps
from benchmarks.workload import Workload, load_study, reads
from structcomp_jax.engine import cost
from structcomp_jax.report.text import text_table

_CASES = "resnet50:stage_4,resnet50:first,bert_small:0,bert_small:2"
# {backend: problems in a step that keep a run to minutes}; other backends take
# the batch size of the config.
_BATCH_SIZE = {"cpu": {"images": 4, "token_ids": 64}}
_CHECKED_STEPS = 3
_TOLERANCE = 1e-3
# Of the steps that are timed together. What a call of our program costs once
# is that of an epoch in a search.
_LEAST_SECONDS = 3.0


def main() -> int:
  """Measures every case in a process of its own; returns the status."""
  arguments = _arguments()
  cases = arguments.cases.split(",")
  if arguments.worker:
    print(json.dumps(measure_case(cases[0], arguments)))
    return 0
  results = {"command": measure.command(), "cases": []}
  for case in measure.each_elsewhere(
    "benchmarks.pytorch.baseline", "--cases", cases
  ):
    results["cases"].append(case)
    measure.store(results, arguments.json)
  print(text_table(lines(results), num_left=3))
  disagreeing = [case["case"] for case in results["cases"] if not agrees(case)]
  if disagreeing:
    print(f"the losses of {', '.join(disagreeing)} do not agree")
  return 1 if disagreeing else 0


def _arguments() -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument("--cases", default=_CASES)
  parser.add_argument("--candidates", default="1,4")
  parser.add_argument("--batch_size", type=int, default=0)
  parser.add_argument("--micro_batches", type=int, default=1)
  parser.add_argument("--repeats", type=int, default=5)
  parser.add_argument("--json", help="also write all numbers to this file")
  parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
  return parser.parse_args()


def measure_case(case: str, arguments: argparse.Namespace) -> dict[str, Any]:
  """Returns all numbers of one case."""
  torch_search = _import_torch_search()
  num_threads = torch_search.use_all_threads()
  peaks = [cost.matmul_peak("float32")]
  name, _, stage = case.rpartition(":")
  masked_from = stage_named(stage)
  config, changes = NETWORKS.get(name, (name, {}))
  study = load_study(config, changes)
  batch_size = arguments.batch_size or _default_batch_size(study)
  workload = Workload.make(study, batch_size, num_batches=1)
  is_cached = workload.can_be_cached(masked_from)
  numbers = [int(number) for number in arguments.candidates.split(",")]
  widths = {
    number: number
    if number == 1
    else workload.choose_width(
      masked_from, is_cached=is_cached, num_candidates=number
    )
    for number in numbers
  }
  ours = {
    number: workload.search(
      masked_from,
      is_cached=is_cached,
      num_candidates=number,
      width=width,
      micro_batches=arguments.micro_batches,
    )
    for number, width in widths.items()
  }
  baseline = torch_search.make_baseline(workload, masked_from)
  losses = {
    "ours": _our_losses(ours[numbers[0]]),
    "torch": baseline.run(_CHECKED_STEPS)[0],
  }
  seconds = measure.take_turns(
    {
      "torch": baseline.stopwatch(_LEAST_SECONDS),
      **{
        str(number): steps.stopwatch(_LEAST_SECONDS)
        for number, steps in ours.items()
      },
      **_features_stopwatch(workload, masked_from, is_cached),
    },
    arguments.repeats,
  )
  return {
    "case": case,
    "facts": measure.facts("torch"),
    "network": name,
    "masked_from": masked_from,
    "is_cached": is_cached,
    "batch_size": batch_size,
    "micro_batches": arguments.micro_batches,
    "published_batch_size": study.mask_search.batch_size,
    "num_epochs": study.mask_search.num_epochs,
    "candidates": numbers,
    "widths": list(widths.values()),
    "losses": losses,
    "seconds": seconds,
    "torch_flops": baseline.flops(),
    "flops": workload.useful_flops(masked_from, is_cached=is_cached),
    "threads": num_threads,
    "peaks": [*peaks, cost.matmul_peak("float32")],
  }


def _import_torch_search() -> Any:
  """Returns the module that needs PyTorch, which the tables do without."""
  try:
    from benchmarks.pytorch import search as torch_search
  except ImportError as error:
    raise SystemExit(
      f"error: {error}; install PyTorch: pip install '.[torch]'"
    ) from error
  return torch_search


def _default_batch_size(study) -> int:
  sizes = _BATCH_SIZE.get(jax.default_backend(), {})
  return sizes.get(reads(study), study.mask_search.batch_size)


def _our_losses(steps: Steps) -> list[float]:
  """Returns the loss of each of the first steps of the first candidate."""
  sums = [
    float(steps.run(number)[0].loss_sum[0])
    for number in range(1, _CHECKED_STEPS + 1)
  ]
  return np.diff(sums, prepend=0.0).tolist()


def _features_stopwatch(
  workload: Workload, masked_from: Any, is_cached: bool
) -> Mapping[str, measure.Stopwatch]:
  """Returns how to time the features of one batch, if there are any."""
  if not is_cached:
    return {}
  compute = workload.compute_features(workload.first_stage(masked_from))
  jax.block_until_ready(compute())
  return {"features": lambda: cost.elapsed(compute)}


# Tables.

_HEAD = (
  "network", "masked from", "ours reads", "problems", "parts", "PyTorch s/step",
  "K", "ours s/step/K", "arithmetic", "at peak", "times faster",
  "with features", "loss 1: PyTorch", "ours", "loss 3: PyTorch", "ours",
)  # fmt: skip


def lines(results: dict[str, Any]) -> list[tuple[str, ...]]:
  """Returns the table of all cases as lines of cells, the head first."""
  return [_HEAD] + [
    _line(case, number, width)
    for case in results["cases"]
    for number, width in zip(case["candidates"], case["widths"], strict=True)
  ]


def _line(case: dict[str, Any], number: int, width: int) -> tuple[str, ...]:
  seconds, losses = case["seconds"], case["losses"]
  return (
    case["network"],
    str(case["masked_from"]),
    "features" if case["is_cached"] else "problems",
    str(case["batch_size"]),
    str(case.get("micro_batches", 1)),
    f"{statistics.median(seconds['torch']):.3f}",
    f"{number} by {width}" if number > 1 else "1",
    f"{statistics.median(seconds[str(number)]) / number:.3f}",
    f"{case['torch_flops'] / case['flops']:.2f}",
    f"{at_peak(case):.2f}",
    f"{times_faster(case, number):.2f}",
    f"{times_faster(case, number, with_features=True):.2f}"
    if case["is_cached"]
    else "-",
    *(
      f"{losses[who][step]:.5f}"
      for step in (0, -1)
      for who in ("torch", "ours")
    ),
  )


def times_faster(
  case: dict[str, Any], number: int, *, with_features: bool = False
) -> float:
  """Returns how many times faster our step is, per candidate.

  Args:
    case: from `measure_case`.
    number: of candidates in our program.
    with_features: whether one candidate bears the cost of the features, which
      it reads once in every epoch.
  """
  seconds = case["seconds"]
  ours = [time / number for time in seconds[str(number)]]
  if with_features:
    ours = [
      step + features / case["num_epochs"]
      for step, features in zip(ours, seconds["features"], strict=True)
    ]
  return measure.median_ratio(seconds["torch"], ours)


def at_peak(case: dict[str, Any]) -> float:
  """Returns how many times faster than PyTorch products at the peak would be.

  Without masks, optimiser and norms: more than any program can reach.
  """
  best = case["flops"] / max(case["peaks"])
  return statistics.median(case["seconds"]["torch"]) / best


def agrees(case: dict[str, Any]) -> bool:
  """Returns whether both had the same loss in the first step."""
  first = [case["losses"][who][0] for who in ("torch", "ours")]
  return abs(first[0] - first[1]) <= _TOLERANCE


if __name__ == "__main__":
  sys.exit(main())
