"""What a chip would be given: our programs compiled for TPUs, on any host.

    pip install "jax[tpu]"
    python -m benchmarks.compiled [--configs=FILE.py:VARIANT,...]
      [--steps=search,cached,training,evaluation] [--masked_from=0]
      [--topologies=v5e:1,...] [--candidates=1,16] [--widths=0]
      [--micro_batches=1] [--dtypes=bfloat16] [--json=FILE] [--again]

Programs that FILE has already are compiled anew with --again alone.
`benchmarks.compiled_page` makes a page of it, and says which commits compiled
them.

No chip is needed, and nothing is run: the compiler says what a program holds,
computes and moves. Printed are, for each program and chip,

- memory: arguments, temporary, and whether both fit;
- useful arithmetic (see docs/design/speed.md) and what the compiler counts;
- bytes moved between the chip and its main memory (`engine/traffic.py`) beside
  the fewest: frozen weights read once, mask logits and Adam's moments read and
  written once, the batch read, and what the gradient needs of the forward pass
  written and read once, although some of it may stay inside of the chip; of a
  test, frozen weights, masks and the batch read once;
- bytes that instructions read and write wherever they lie, as the compiler
  counts them;
- the roofline time, max(arithmetic / peak, bytes moved / bandwidth), and which
  of the two bounds it; the share of the peak that useful arithmetic would have
  then;
- collectives; seconds of compiling.

All numbers are those of one step of all candidates. What the compiler counts is
that of a call with one step; where it counts once what is in a loop over
candidates or micro-batches, it is multiplied, with what little lies beside it.
"""

import argparse
import dataclasses
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from benchmarks import measure
from benchmarks.collectives import collectives
from benchmarks.steps import Steps
from benchmarks.workload import (
  Workload,
  load_study,
  loss_draws,
  train_config,
)
from structcomp_jax import target, trees
from structcomp_jax.engine import chips, memory, traffic
from structcomp_jax.report.text import text_table

CONFIGS = (
  "configs/language/sv_singular.py:bert_small",
  "configs/vision/inside_contact.py:resnet50",
  "configs/vision/inside_contact.py:wideresnet50",
  "configs/vision/inside_contact.py:vit",
  "configs/arithmetic/double_addition.py:lstm_together",
  "configs/scan/scan.py:transformer",
)
STEPS = ("search", "cached", "training", "evaluation")
# Bytes that Adam reads and writes of a number that it learns: itself and two
# moments in float32.
_STATE_BYTES = 2 * 3 * 4
_HEAD = (
  "program", "chips", "K", "at once", "parts", "dtype", "holds", "fits",
  "useful", "counted", "moved", "fewest", "ratio", "anywhere", "roofline",
  "bound by", "MFU", "collectives", "compiling",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Case:
  """One program.

  Attributes:
    config: of the network and its settings.
    step: "search"; "cached": one that reads what enters its first masked
      stage; "training": of one network, without masks; "evaluation": tests of
      what one mask a candidate keeps, of one batch.
    masked_from: number of the first masked stage among those of the config.
    topology: kind and number of chips, as "v5e:4".
    num_candidates: masks at once, on all chips together.
    width: of them, computed at once on a chip; 0: all.
    micro_batches: parts of a batch, one after the other.
    dtype: of the frozen network.
  """

  config: str
  step: str
  masked_from: int
  topology: str
  num_candidates: int
  width: int
  micro_batches: int
  dtype: str


def main() -> int:
  """Compiles every program in a process of its own; returns the status."""
  arguments = _arguments()
  if arguments.worker:
    print(json.dumps(compile_case(Case(**json.loads(arguments.worker)))))
    return 0
  chips.prepare_environment()
  found = measure.compiled_elsewhere(
    "benchmarks.compiled",
    _cases(arguments),
    arguments.json,
    again=arguments.again,
  )
  print(text_table(lines(found)))
  return 0


def _arguments() -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  for name, default in (
    ("configs", ",".join(CONFIGS)),
    ("steps", "search"),
    ("masked_from", "0"),
    ("topologies", "v5e:1"),
    ("candidates", "1,16"),
    ("widths", "0"),
    ("micro_batches", "1"),
    ("dtypes", "bfloat16"),
  ):
    parser.add_argument(f"--{name}", default=default, help="comma-separated")
  parser.add_argument("--json", help="also write all numbers to this file")
  parser.add_argument("--again", action="store_true", help="see above")
  parser.add_argument("--worker", help=argparse.SUPPRESS)
  return parser.parse_args()


def _cases(arguments: argparse.Namespace) -> Iterator[Case]:
  """Yields every combination of what was asked for."""
  unknown = set(arguments.steps.split(",")) - set(STEPS)
  if unknown:
    raise SystemExit(f"error: unknown step {min(unknown)}; use {STEPS}")
  for (
    config,
    step,
    stage,
    topology,
    number,
    width,
    micro_batches,
    dtype,
  ) in itertools.product(
    arguments.configs.split(","),
    arguments.steps.split(","),
    map(int, arguments.masked_from.split(",")),
    arguments.topologies.split(","),
    map(int, arguments.candidates.split(",")),
    map(int, arguments.widths.split(",")),
    map(int, arguments.micro_batches.split(",")),
    arguments.dtypes.split(","),
  ):
    yield Case(
      config, step, stage, topology, number, width, micro_batches, dtype
    )


def compile_case(case: Case) -> dict[str, Any]:
  """Returns all numbers of one program."""
  with target.compiling_for("tpu"):
    program = _PROGRAMS[case.step](
      load_study(case.config, _changes(case)), case
    )
    started = time.perf_counter()
    compiled = program.compile()
    seconds = time.perf_counter() - started
    text, times = compiled.as_text(), repeats(case, program.num_chips)
    return {
      **dataclasses.asdict(case),
      "stage": program.stage,
      "chips_used": program.num_chips,
      "useful_flops": program.useful_flops,
      "counted_flops": times * compiled.cost_analysis()["flops"],
      "bytes": traffic.bytes_per_step(text),
      "bytes_anywhere": traffic.bytes_per_step(text, inside_too=True),
      "fewest": program.fewest,
      "memory": memory.program_bytes(compiled),
      "collectives": collectives(text),
      "seconds": seconds,
      **measure.facts("libtpu"),
    }


@dataclasses.dataclass(frozen=True)
class _Compared:
  """A program, and what is the least that it needs.

  Attributes:
    compile: makes it.
    num_chips: that it runs on.
    stage: the first masked one; "everything" in a training.
    useful_flops: of one row.
    fewest: see `fewest_bytes`.
  """

  compile: Callable[[], jax.stages.Compiled]
  num_chips: int
  stage: str
  useful_flops: float
  fewest: dict[str, int]


def _search(study: Any, case: Case) -> _Compared:
  stage = study.mask_search.masked_from[case.masked_from]
  batch_size = study.search_config().batch_size
  workload = Workload.make(study, batch_size, num_batches=1)
  is_cached = case.step == "cached"
  steps = workload.search(
    stage,
    is_cached=is_cached,
    num_candidates=case.num_candidates,
    width=case.width,
    micro_batches=case.micro_batches,
  )
  return _of_steps(
    steps,
    case,
    stage=str(stage),
    useful_flops=workload.useful_flops(stage, is_cached=is_cached),
    fewest=fewest_bytes(workload, stage, is_cached=is_cached),
  )


def _training(study: Any, case: Case) -> _Compared:
  batch_size = train_config(study).batch_size
  workload = Workload.make(study, batch_size, num_batches=1)
  return _of_steps(
    workload.training(),
    case,
    stage="everything",
    useful_flops=workload.useful_training_flops(),
    fewest=fewest_bytes_of_training(workload),
  )


def _of_steps(steps: Steps, case: Case, **least: Any) -> _Compared:
  job = dataclasses.replace(steps.job, devices=chips.devices(case.topology))
  return _Compared(lambda: Steps(job).compiled, job.setup.mesh.size, **least)


def _evaluation(study: Any, case: Case) -> _Compared:
  stage = study.mask_search.masked_from[case.masked_from]
  batch_size = study.config.evaluation.batch_size
  workload = Workload.make(study, batch_size, num_batches=1)
  made, arguments = workload.evaluation(
    stage,
    num_networks=case.num_candidates,
    width=case.width,
    devices=chips.devices(case.topology),
  )
  return _Compared(
    lambda: made.program.compile(*arguments),
    made.mesh.size,
    str(stage),
    workload.useful_evaluation_flops(),
    {
      "once": trees.num_bytes((workload.params, workload.problems)),
      "each": workload.spec(stage).num_weights,  # Masks, of a byte a weight.
    },
  )


_PROGRAMS: dict[str, Callable[[Any, Case], _Compared]] = {
  "search": _search,
  "cached": _search,
  "training": _training,
  "evaluation": _evaluation,
}


def repeats(case: Case, chips_used: int) -> int:
  """Returns how often the body of the inner loops runs in a step."""
  rows = case.num_candidates // chips_used
  return rows // (case.width or rows) * case.micro_batches


def _changes(case: Case) -> dict[str, Any]:
  if case.dtype == "float32":
    return {}
  return {"search": {"compute_dtype": case.dtype}}


def fewest_bytes(
  workload: Workload, masked_from: Any, *, is_cached: bool
) -> dict[str, int]:
  """Returns what a step of a search must move.

  Returns:
    {"once": frozen weights and a batch, "each": logits, moments and what the
    gradient needs of the forward pass, for every candidate}.
  """
  network, problems = workload.read(masked_from, is_cached)
  return _fewest(workload, network, problems, workload.spec(masked_from).paths)


def fewest_bytes_of_training(workload: Workload) -> dict[str, int]:
  """Returns the same of a training step, which learns all weights."""
  every = list(trees.leaves_by_path(workload.params))
  return _fewest(workload, workload.network, workload.problems, every)


def _fewest(
  workload: Workload, network: Any, problems: Any, learned: Sequence[str]
) -> dict[str, int]:
  batch = jax.tree.map(lambda rows: rows[: workload.batch_size], problems)
  if loss_draws(workload.study):
    batch["key"] = jax.random.split(jax.random.key(0), workload.batch_size)
  leaves = trees.leaves_by_path(workload.params)
  masked = {path: leaves[path] for path in learned}

  def needed(masked, batch):
    def loss(masked):
      params = trees.replace_leaves(workload.params, masked)
      return network.loss_fn(params, batch)

    return jax.tree.leaves(jax.vjp(loss, masked)[1])

  # What has the shape of a weight is one, perhaps in the dtype of the network.
  weights = {np.shape(leaf) for leaf in leaves.values()}
  kept = [
    leaf
    for leaf in jax.eval_shape(needed, masked, batch)
    if leaf.shape not in weights
  ]
  num_learned = sum(leaf.size for leaf in masked.values())
  return {
    "once": trees.num_bytes(workload.params) + trees.num_bytes(batch),
    "each": _STATE_BYTES * num_learned + 2 * trees.num_bytes(kept),
  }


def lines(results: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
  """Returns the table of all programs as lines of cells, the head first."""
  return [_HEAD, *map(_line, results)]


def _line(one: dict[str, Any]) -> tuple[str, ...]:
  kind = one["topology"].partition(":")[0]
  chip = chips.CHIPS[kind]
  # The compiler counts what one chip does.
  rows = one["num_candidates"] // one["chips_used"]
  useful, fewest = rows * one["useful_flops"], one["fewest"]
  fewest = fewest["once"] + rows * fewest["each"]
  by_flops = max(one["counted_flops"], useful) / chip.flops
  by_bytes = one["bytes"] / chip.bandwidth
  roofline = max(by_flops, by_bytes)
  held = one["memory"]["total"]
  exchanged = [
    f"{found['count']} {name} ({found['bytes'] / 1e6:.3g} MB)"
    for name, found in one["collectives"].items()
  ]
  name = one["config"].removeprefix("configs/").replace(".py", "")
  return (
    f"{name} {one['step']} from {one['stage']}",
    f"{one['chips_used']} of {one['topology']}",
    f"{one['num_candidates']}",
    f"{one['width'] or rows}",
    f"{one['micro_batches']}",
    one["dtype"],
    f"{held / 1e9:.2f} GB",
    "yes" if held < chip.memory else "no",
    f"{useful / 1e12:.3f} TFLOP",
    f"{one['counted_flops'] / 1e12:.3f}",
    f"{one['bytes'] / 1e9:.2f} GB",
    f"{fewest / 1e9:.2f} GB",
    f"{one['bytes'] / fewest:.1f}",
    f"{one['bytes_anywhere'] / 1e9:.2f} GB",
    f"{1e3 * roofline:.2f} ms",
    "arithmetic" if by_flops > by_bytes else "bytes",
    f"{useful / roofline / chip.flops:.2f}",
    ", ".join(exchanged) or "none",
    f"{one['seconds']:.0f} s",
  )


if __name__ == "__main__":
  sys.exit(main())
