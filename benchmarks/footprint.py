"""Memory and arithmetic of the experiments at full size, measured here.

    python -m benchmarks.footprint [--config=configs/FILE.py:VARIANT ...]
      [--gigabytes=G] [--batch_size=N] [--json=FILE]

Every experiment's network is initialised, then one training step and one step
of a mask search (one candidate, masked from the first of its stages) are
compiled at the batch size of the config, and really run: at that size, or at
the largest power of two that fits into --gigabytes (default: 80% of what is
free) and --batch_size. Printed are, for one base network and one candidate,

- bytes of the state (weights or mask logits, with the optimiser's moments) and
  of what the step itself needs at the batch size of the config: activations,
  windows and gradients, the compiled program's temporary memory;
- floating point operations of a step at the batch size of the config and of
  the whole run of one regime, as XLA counts them before optimisation. The run
  counts every epoch; early stopping makes it shorter.

Pictures are noise, so that no data has to be prepared. It takes about twenty
minutes on two idle cores.
"""

import argparse
import dataclasses
import json
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import measure
from benchmarks.steps import Steps
from benchmarks.workload import Workload, load_study, train_config
from structcomp_jax import trees
from structcomp_jax.engine import memory
from structcomp_jax.report.text import text_table

# One experiment for every network and batch size.
CONFIGS = (
  "configs/vision/inside_contact.py:resnet50",
  "configs/vision/inside_contact.py:wideresnet50",
  "configs/vision/inside_contact.py:vit",
  "configs/language/sv_singular.py:bert_small",
  "configs/language/anaphora_singular.py:bert_small",
  "configs/arithmetic/add_mul.py:ff_huge",
  "configs/arithmetic/double_addition.py:lstm_together",
  "configs/images/cifar10.py:no_dropout",
  "configs/images/cifar10.py:resnet110",
  "configs/scan/scan.py:lstm",
  "configs/scan/scan.py:transformer",
  "configs/mathematics/mathematics.py:linear_1d",
  "configs/mathematics/mathematics.py:differentiate",
)


@dataclasses.dataclass(frozen=True)
class Limits:
  """What a step that is run may take.

  Attributes:
    num_bytes: of memory.
    batch_size: problems.
  """

  num_bytes: float
  batch_size: int


def main() -> int:
  """Measures every config in a process of its own; returns the exit status."""
  arguments = _arguments()
  if arguments.worker:
    (name,) = arguments.config
    limits = Limits(arguments.gigabytes * 1e9, arguments.batch_size)
    print(json.dumps(measure_config(name, limits)))
    return 0
  results = []
  for name in arguments.config or CONFIGS:
    print(f"measuring {name} ...", file=sys.stderr, flush=True)
    results.append(
      measure.elsewhere(
        "benchmarks.footprint",
        "--worker",
        f"--config={name}",
        f"--gigabytes={arguments.gigabytes}",
        f"--batch_size={arguments.batch_size}",
      )
    )
  print(table(results))
  if arguments.json:
    pathlib.Path(arguments.json).write_text(json.dumps(results, indent=1))
  return 0


def _arguments() -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument("--config", action="append", help="may be repeated")
  parser.add_argument("--gigabytes", type=float, default=_free_gigabytes())
  parser.add_argument("--batch_size", type=int, default=2**20)
  parser.add_argument("--json", help="also write all numbers to this file")
  parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
  return parser.parse_args()


def _free_gigabytes() -> float:
  """Returns 80% of the host's free memory."""
  lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
  fields = dict(line.split(":") for line in lines)
  return 0.8 * int(fields["MemAvailable"].split()[0]) * 1024 / 1e9


def measure_config(name: str, limits: Limits) -> dict[str, Any]:
  """Returns all numbers of one config."""
  workload = Workload.make(load_study(name), batch_size=1, num_batches=1)
  return {
    "config": name,
    "model": workload.study.config.model.name,
    "parameters": trees.num_elements(workload.params),
    "training": _measure_training(workload, limits),
    "search": _measure_search(workload, limits),
  }


def _measure_training(workload: Workload, limits: Limits) -> dict[str, Any]:
  study = workload.study
  config = train_config(study)
  steps = _num_steps(study, next(iter(study.datasets)), config)
  num_seeds = len(study.config.base_seeds)

  def make(batch_size):
    return workload.with_batch(batch_size).training()

  flops = make(config.batch_size).flops
  return {
    **_run(make, config.batch_size, limits),
    "flops_per_step": flops,
    "steps": steps,
    "flops_of_run": num_seeds * steps * flops,
  }


def _measure_search(workload: Workload, limits: Limits) -> dict[str, Any]:
  """Measures one candidate; counts the run for every first masked stage."""
  study = workload.study
  config = study.search_config()
  first_stages = study.mask_search.masked_from
  keeps_features = study.mask_search.cache != "off"
  # Those of all subtasks are about as many.
  steps = _num_steps(study, next(iter(study.datasets)), config)

  def make(batch_size, stage=first_stages[0]):
    is_cached = keeps_features and workload.can_be_cached(stage)
    return workload.with_batch(batch_size).search(stage, is_cached=is_cached)

  counted = [make(config.batch_size, stage).flops for stage in first_stages]
  num_settings = trees.num_rows(config.candidates()) // len(config.seeds)
  num_masks = len(study.config.base_seeds) * len(study.subroutines)
  if hasattr(study.mask_search, "selection"):
    # All settings with one seed, then the chosen one, at worst the largest,
    # with every seed.
    flops = num_settings * sum(counted) + len(config.seeds) * max(counted)
  else:
    flops = num_settings * len(config.seeds) * sum(counted)
  return {
    **_run(make, config.batch_size, limits),
    "masked_weights": workload.spec(first_stages[0]).num_weights,
    "num_settings": num_settings * len(first_stages),
    "flops_per_step": dict(zip(map(str, first_stages), counted, strict=True)),
    "steps": steps,
    "flops_of_run": num_masks * steps * flops,
  }


def _num_steps(study, task, config) -> int:
  num_problems = study.datasets[task].sizes["train"]
  return config.total_steps(num_problems // config.batch_size)


def _run(
  make: Callable[[int], Steps], published: int, limits: Limits
) -> dict[str, Any]:
  """Compiles the step of the config and runs the largest that fits."""
  batch_size, steps = published, make(published)
  needed = num_bytes = memory.program_bytes(steps.compiled)
  while num_bytes["total"] > limits.num_bytes or batch_size > limits.batch_size:
    if batch_size == 1:
      raise SystemExit(
        f"error: one problem needs {num_bytes['total'] / 1e9:.1f} GB; "
        "free memory or raise --gigabytes"
      )
    # Close to proportional to the batch size; the next power of two below.
    fitting = batch_size * min(0.5, limits.num_bytes / num_bytes["total"])
    batch_size = measure.power_of_two_below(min(fitting, limits.batch_size))
    steps = make(batch_size)
    num_bytes = memory.program_bytes(steps.compiled)
  state, seconds = steps.run(1)
  if not np.isfinite(state.loss_sum).all():
    raise SystemExit("error: the loss of the step is not finite")
  return {
    "published_batch_size": published,
    "batch_size": batch_size,
    "state_bytes": trees.num_bytes(state),
    "temporary_bytes": needed["temporary"],
    "total_bytes": needed["total"],
    "seconds": seconds,
    "loss": float(state.loss_sum[0]),
  }


def table(results: list[dict[str, Any]]) -> str:
  """Returns the numbers as a text table, one line for each kind of step."""
  head = (
    "config", "step", "weights", "masked", "batch", "run with", "state",
    "step needs", "TFLOP/step", "steps", "whole run",
  )  # fmt: skip
  lines = [head]
  for result in results:
    for kind in ("training", "search"):
      numbers = result[kind]
      flops = numbers["flops_per_step"]
      flops = flops if isinstance(flops, float) else max(flops.values())
      batch, published = (
        numbers["batch_size"], numbers["published_batch_size"]
      )  # fmt: skip
      masked = numbers.get("masked_weights")
      lines.append(
        (
          result["config"].removeprefix("configs/").replace(".py", ""),
          kind,
          f"{result['parameters'] / 1e6:.1f} M",
          f"{masked / 1e6:.1f} M" if masked else "-",
          f"{published}",
          f"{batch}",
          f"{numbers['state_bytes'] / 1e9:.2f} GB",
          f"{numbers['temporary_bytes'] / 1e9:.2f} GB",
          f"{flops / 1e12:.3g}",
          f"{numbers['steps']}",
          f"{numbers['flops_of_run'] / 1e18:.3f} EFLOP",
        )
      )
  return text_table(lines, num_left=2)


if __name__ == "__main__":
  sys.exit(main())
