"""Speed and memory of mask search on the networks of Lepori et al. 2023.

    python -m benchmarks.mask_search [--networks=NAME,...]
      [--masked_from=STAGE,...] [--candidates=1,2,4,8] [--chunked=4]
      [--batch_size=N] [--dtype=float32|bfloat16] [--repeats=3] [--json=FILE]

For every network, masked from its first, a middle and its last stage: steps of
a search with K candidates, computed at once (`vmap`) and, from the first stage,
in chunks as wide as the search itself chooses ("auto"); of a single candidate
with and without cached features; and steps that train the same network without
masks. Features stand in for the problems wherever something lies below the
first masked stage. Printed are

- steps/s, and problems/s times candidates;
- the share of the matmul peak: arithmetic that cannot be avoided (no windows,
  no padding, no cached prefix) per second, of what a large square product
  reaches in the same process, before or after, the better one;
- memory of the compiled program, and of what it needs beside its arguments;
- how many training steps a search step takes;
- throughput of K candidates against K searches of one;
- speed of one candidate, cached against not;
- the host's share of the time of `search.run`, that is all time outside of
  compiled programs: measured over short epochs, and computed for those of the
  config.

Programs that are compared are timed in turns; ratios are medians over turns.
Every network has a process of its own. A network is a name below, or any
configs/FILE.py:VARIANT. More than half an hour on two idle cores.
"""

import argparse
import dataclasses
import json
import sys
from typing import Any

import jax

from benchmarks import host, measure, search_table
from benchmarks.steps import Steps
from benchmarks.workload import Workload, load_study
from structcomp_jax import trees
from structcomp_jax.engine import cost, memory
from structcomp_jax.report.text import text_table

_BERT = "configs/language/sv_singular.py:bert_small"
_MINILM = {
  "model": {
    "name": "minilm",
    "sizes": {
      "hidden_size": 384,
      "num_layers": 6,
      "num_heads": 12,
      "intermediate_size": 1536,
    },
  },
  "search": {"masked_from": (0, 3, 5)},
}
# name: (config, changes to it)
NETWORKS = {
  "bert_small": (_BERT, {}),
  "resnet50": ("configs/vision/inside_contact.py:resnet50", {}),
  "minilm": (_BERT, _MINILM),
  "wideresnet50": ("configs/vision/inside_contact.py:wideresnet50", {}),
}
# FLOPs of a search step from the first stage that keep a run to minutes.
_MOST_FLOPS = {"cpu": 0.25e12}
# Steps that are timed together take so long.
_LEAST_SECONDS = 0.5
# Parts of a published batch whose memory is reported, besides whole batches.
_MICRO_BATCHES = 4


@dataclasses.dataclass(frozen=True)
class Variant:
  """How a step is run.

  Attributes:
    masked_from: first masked stage; None: training without masks.
    is_cached: whether features stand in for problems.
    num_candidates: in the program.
    width: candidates computed at once; 0: all.
  """

  masked_from: Any = None
  is_cached: bool = False
  num_candidates: int = 1
  width: int = 0


def main() -> int:
  """Measures every network in a process of its own; returns the status."""
  arguments = parser().parse_args()
  names = arguments.networks.split(",")
  if arguments.worker:
    print(json.dumps(measure_network(names[0], arguments)))
    return 0
  results = {"command": measure.command(), "networks": []}
  for network in measure.each_elsewhere(
    "benchmarks.mask_search", "--networks", names
  ):
    results["networks"].append(network)
    measure.store(results, arguments.json)
  print(text_table(search_table.lines(results), num_left=4))
  for network in results["networks"]:
    print(search_table.about(network))
  return 0


def parser() -> argparse.ArgumentParser:
  """Returns the parser of the command line."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument("--networks", default=",".join(NETWORKS))
  parser.add_argument("--masked_from", default="", help="default: three")
  parser.add_argument("--candidates", default="1,2,4,8")
  parser.add_argument(
    "--auto",
    default="4",
    help="numbers to compute in chunks as wide as the search chooses",
  )
  parser.add_argument("--batch_size", type=int, default=0)
  parser.add_argument(
    "--dtype", default="float32", choices=("float32", "bfloat16")
  )
  parser.add_argument("--repeats", type=int, default=3)
  parser.add_argument("--json", help="also write all numbers to this file")
  parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
  return parser


def measure_network(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
  """Returns all numbers of one network."""
  peaks = [cost.matmul_peak(arguments.dtype)]
  workload, why = _choose_workload(name, arguments)
  stages = _stages(workload, arguments.masked_from)
  rows = _measure_steps(workload, stages, arguments)
  host_share = host.share_of_search(workload, stages[-1])
  memory = _published_memory(workload, stages[-1], _numbers(arguments.auto))
  peaks.append(cost.matmul_peak(arguments.dtype))
  config = workload.study.config
  return {
    "network": name,
    "facts": measure.facts(),
    "dtype": arguments.dtype,
    "batch_size": workload.batch_size,
    "why": why,
    "weights": trees.num_elements(workload.params),
    "network_bytes": trees.num_bytes(workload.params),
    "masked_weights": {
      str(stage): workload.spec(stage).num_weights for stage in stages
    },
    "published_batch_size": config.search.batch_size,
    "peaks": peaks,
    "rows": rows,
    "host": host_share,
    "published_memory": memory,
    "peak_device_bytes": measure.peak_device_bytes(),
  }


def _choose_workload(
  name: str, arguments: argparse.Namespace
) -> tuple[Workload, str]:
  """Returns what is measured, and why its batch has the size it has."""
  config, changes = NETWORKS.get(name, (name, {}))
  if arguments.dtype != "float32":
    search_changes = changes.get("search", {})
    search_changes = {**search_changes, "compute_dtype": arguments.dtype}
    changes = {**changes, "search": search_changes}
  study = load_study(config, changes)
  published = study.config.search.batch_size
  if arguments.batch_size:
    return (
      Workload.make(study, arguments.batch_size),
      f"--batch_size, published {published}",
    )
  backend = jax.default_backend()
  if backend not in _MOST_FLOPS:
    return Workload.make(study, published), "published"
  one = Workload.make(study, batch_size=1, num_batches=1)
  first = study.config.search.masked_from[0]
  flops = one.useful_flops(first, is_cached=False)
  fitting = measure.power_of_two_below(_MOST_FLOPS[backend] / flops)
  if fitting >= published:
    return Workload.make(study, published), "published"
  why = (
    f"published {published}, of {published * flops / 1e12:.1f} TFLOP a step; "
    f"on {backend} at most {_MOST_FLOPS[backend] / 1e12:g}"
  )
  return Workload.make(study, fitting), why


def _stages(workload: Workload, wanted: str) -> list[Any]:
  """Returns the first masked stages to measure."""
  if not wanted:
    return list(workload.study.config.search.masked_from)
  return [stage_named(name) for name in wanted.split(",")]


def stage_named(name: str) -> int | str:
  """Returns a first masked stage as configs give it: a number or a name."""
  return int(name) if name.isdigit() else name


def _numbers(text: str) -> list[int]:
  return [int(number) for number in text.split(",") if number]


def _variants(
  workload: Workload, stage: Any, numbers: list[int], auto: list[int]
) -> tuple[list[Variant], set[Variant]]:
  """Returns all ways to search from one stage on, and the chosen among them."""
  is_cached = workload.can_be_cached(stage)
  variants = [
    Variant(stage, is_cached, number) for number in sorted({1, *numbers})
  ]
  if is_cached:
    variants.append(Variant(stage))
  chosen = set()
  for number in auto:
    width = workload.choose_width(
      stage, is_cached=is_cached, num_candidates=number
    )
    chosen.add(Variant(stage, is_cached, number, width % number))
  return [*variants, *chosen.difference(variants)], chosen


def _measure_steps(workload, stages, arguments) -> list[dict[str, Any]]:
  """Times training and search from each stage, a stage after the other.

  The training step takes its turns with every stage.
  """
  training = Variant()
  compiled = {training: workload.training()}
  rows = []
  for stage in stages:
    # Choosing takes a measurement of its own: once is enough.
    auto = arguments.auto if stage == stages[0] else ""
    variants, chosen = _variants(
      workload, stage, _numbers(arguments.candidates), _numbers(auto)
    )
    for variant in variants:
      compiled[variant] = workload.search(**dataclasses.asdict(variant))
    stopwatches = {
      variant: compiled[variant].stopwatch(_LEAST_SECONDS)
      for variant in (training, *variants)
    }
    seconds = measure.take_turns(stopwatches, arguments.repeats)
    rows += [
      {
        **dataclasses.asdict(variant),
        "is_auto": variant in chosen,
        "seconds": seconds[variant],
        "training_seconds": seconds[training],
        "flops": variant.num_candidates
        * workload.useful_flops(stage, is_cached=variant.is_cached),
        **_bytes(compiled[variant]),
      }
      for variant in variants
    ]
    for variant in variants:
      del compiled[variant]
  return rows


def _bytes(program: Steps) -> dict[str, int]:
  return {
    **memory.program_bytes(program.compiled),
    "data": trees.num_bytes(program.job.dataset),
  }


def _published_memory(workload, stage, numbers) -> list[dict[str, Any]]:
  """Returns the memory of a search at the batch size of the config.

  Programs are compiled and not run, for every number of candidates, all at once
  and one by one, with whole batches and in micro-batches.
  """
  published = workload.study.config.search.batch_size
  whole = workload.with_batch(published)
  is_cached = whole.can_be_cached(stage)
  variants = [
    {
      **dataclasses.asdict(Variant(stage, is_cached, number, width)),
      "micro_batches": parts,
    }
    for number in numbers
    for width in (0, 1)
    for parts in (1, _MICRO_BATCHES)
  ]
  return [
    {**variant, "batch_size": published, **_bytes(whole.search(**variant))}
    for variant in variants
  ]


if __name__ == "__main__":
  sys.exit(main())
