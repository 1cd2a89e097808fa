"""Memory and arithmetic of the published experiments, measured here.

    python -m benchmarks.footprint [--config=configs/FILE.py:VARIANT ...]
      [--gigabytes=G] [--batch_size=N] [--json=FILE]

Every experiment's network is initialised, then one training step and one step
of a mask search (one candidate, masked from the first of its stages) are
compiled at the published batch size, and really run: at that size, or at the
largest power of two that fits into --gigabytes (default: 80% of what is free)
and --batch_size. Printed are, for one base network and one candidate,

- bytes of the state (weights or mask logits, with the optimiser's moments) and
  of what the step itself needs at the published batch size: activations,
  windows and gradients, the compiled program's temporary memory;
- floating point operations of a step at the published batch size and of the
  whole published run of one regime, as XLA counts them before optimisation.
  The run counts every epoch: early stopping makes it shorter.

Pictures are noise: no data has to be prepared. About fifteen minutes on two
idle cores.
"""

import argparse
import dataclasses
import functools
import importlib
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from structcomp_jax import training, trees, types
from structcomp_jax.recipes import experiment as experiments
from structcomp_jax.recipes import vision
from structcomp_jax.search import step
from structcomp_jax.tasks import syntax
from structcomp_jax.training import base

# One experiment for every network and batch size.
CONFIGS = (
  "configs/vision/inside_contact.py:resnet50",
  "configs/vision/inside_contact.py:wideresnet50",
  "configs/vision/inside_contact.py:vit",
  "configs/language/sv_singular.py:bert_small",
  "configs/language/anaphora_singular.py:bert_small",
)
_IMAGE_SHAPE = (4, 128, 128, 3)
_KEY = jax.random.key(0)


@dataclasses.dataclass(frozen=True)
class Program:
  """A compiled step and what it works on.

  Attributes:
    compiled: (rows, shared) -> rows.
    rows: state of one base network or candidate, with a leading axis of 1.
    shared: what is stored once however many rows there are.
    batch_size: problems in a step.
  """

  compiled: Any
  rows: Any
  shared: dict[str, Any]
  batch_size: int

  @property
  def temporary_bytes(self) -> int:
    """Memory of the step beside what it reads and writes."""
    return self.compiled.memory_analysis().temp_size_in_bytes

  @property
  def total_bytes(self) -> int:
    """Memory while it runs; the rows are updated in place."""
    analysis = self.compiled.memory_analysis()
    return analysis.argument_size_in_bytes + self.temporary_bytes


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
    print(json.dumps(measure(name, limits)))
    return 0
  results = []
  for name in arguments.config or CONFIGS:
    print(f"measuring {name} ...", file=sys.stderr, flush=True)
    results.append(_measure_elsewhere(name, arguments))
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


def _measure_elsewhere(
  name: str, arguments: argparse.Namespace
) -> dict[str, Any]:
  """Runs `measure` in a new process, whose memory ends with it."""
  command = [sys.executable, "-m", "benchmarks.footprint", "--worker"]
  done = subprocess.run(
    [
      *command,
      f"--config={name}",
      f"--gigabytes={arguments.gigabytes}",
      f"--batch_size={arguments.batch_size}",
    ],
    cwd=pathlib.Path(__file__).parents[1],
    stdout=subprocess.PIPE,
    text=True,
    check=True,
  )
  return json.loads(done.stdout.splitlines()[-1])


def measure(name: str, limits: Limits) -> dict[str, Any]:
  """Returns all numbers of one config."""
  path, _, variant = name.partition(":")
  module = path.removesuffix(".py").replace("/", ".")
  config = importlib.import_module(module).get_config(variant)
  with tempfile.TemporaryDirectory() as directory:
    experiment = experiments.load(config, directory)
  params = jax.jit(experiment.network.init)(_KEY)
  return {
    "config": name,
    "model": config.model.name,
    "parameters": trees.num_elements(params),
    "training": _measure_training(experiment, params, limits),
    "search": _measure_search(experiment, params, limits),
  }


def _measure_training(experiment, params, limits) -> dict[str, Any]:
  config = experiment.train_config(experiment.config.regimes[0])
  optimizer = optax.adam(config.learning_rate)

  def make(batch_size):
    changed = dataclasses.replace(config, batch_size=batch_size)
    advance = functools.partial(
      base.train_steps,
      loss_fn=experiment.network.loss_fn,
      optimizer=optimizer,
      config=changed,
    )
    state = training.init_state(jnp.int32(0), params, changed)
    shared = {"dataset": _problems(experiment, batch_size), "draw_key": None}
    return advance, state, shared

  steps = _num_steps(experiment, "base", config.batch_size, config.num_epochs)
  num_seeds = len(experiment.config.base_seeds)
  flops = _flops(make(config.batch_size))
  return {
    **_run(make, config.batch_size, limits),
    "flops_per_step": flops,
    "steps": steps,
    "flops_of_run": num_seeds * steps * flops,
  }


def _measure_search(experiment, params, limits) -> dict[str, Any]:
  """Measures one candidate; counts the run for every first masked stage."""
  config = experiment.search_config()
  first_stages = experiment.config.search.masked_from
  task = experiment.subroutines[0]
  steps = _num_steps(experiment, task, config.batch_size, config.num_epochs)
  counted = [
    _flops(_make_search(experiment, params, stage)(config.batch_size))
    for stage in first_stages
  ]
  num_settings = trees.num_rows(config.candidates()) // len(config.seeds)
  num_masks = len(experiment.config.base_seeds) * len(experiment.subroutines)
  # All settings with one seed, then the chosen one, at worst the largest,
  # with every seed.
  flops = num_settings * sum(counted) + len(config.seeds) * max(counted)
  spec = experiment.mask_spec(params, first_stages[0])
  make = _make_search(experiment, params, first_stages[0])
  return {
    **_run(make, config.batch_size, limits),
    "masked_weights": spec.num_weights,
    "num_settings": num_settings * len(first_stages),
    "flops_per_step": dict(zip(map(str, first_stages), counted, strict=True)),
    "steps": steps,
    "flops_of_run": num_masks * steps * flops,
  }


def _make_search(experiment, params, masked_from) -> Callable[[int], Any]:
  """Returns a function of the batch size that makes one candidate's step."""
  config = experiment.search_config()
  spec = experiment.mask_spec(params, masked_from)
  candidate = trees.row(config.candidates(), 0)
  first = experiment.domain.masked_stages(masked_from)[0]

  def make(batch_size):
    problems = _problems(experiment, batch_size)
    network = experiment.network
    if _is_cached(experiment, params, first):
      features = functools.partial(network.features_before, stage=first)
      problems = jax.jit(features)(params, problems)
      network = network.from_stage(first)
    changed = dataclasses.replace(config, batch_size=batch_size)

    def advance(row, shared):
      state = step.run_steps(
        *row, shared, loss_fn=network.loss_fn, spec=spec, config=changed
      )
      return state, row[1]

    row = (step.init_state(candidate, spec), candidate)
    return advance, row, {"dataset": problems, "frozen": params}

  return make


def _is_cached(experiment, params, stage) -> bool:
  """Whether a search computes what enters its first masked stage once."""
  if stage == experiment.domain.stages[0]:
    return False
  network, num_problems = experiment.network, experiment.num_problems("base")
  features = jax.eval_shape(
    functools.partial(network.features_before, stage=stage),
    params,
    _problems(experiment, 1),
  )
  size = sum(leaf.size * leaf.dtype.itemsize for leaf in features.values())
  budget = experiment.config.search.cache_gigabytes
  return size * max(num_problems.values()) <= budget * 1e9


def _problems(experiment, num_problems: int) -> types.Batch:
  """Returns problems as the network reads them: noise, or real sentences."""
  if isinstance(experiment.domain, vision.Vision):
    random = np.random.default_rng(0)
    shape = (num_problems, *_IMAGE_SHAPE)
    problems = random.integers(0, 256, shape, np.uint8)
  else:
    policy = experiment.config.data.policy
    datasets = syntax.make_datasets(experiment.config.experiment, policy)
    problems = datasets["base"]["train"][:num_problems]
  return experiment.domain.encode(problems)


def _num_steps(experiment, task, batch_size, num_epochs) -> int:
  num_problems = experiment.num_problems(task)["train"]
  return num_epochs * (num_problems // batch_size)


def _lower(made) -> tuple[Any, Any, dict[str, Any]]:
  """Returns the lowered program of one row, and its arguments."""
  advance, row, shared = made
  rows = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], row)
  shared = {**shared, "key": _KEY, "num_steps": jnp.int32(1)}
  program = jax.jit(jax.vmap(advance, (0, None)), donate_argnums=0)
  return program.lower(rows, shared), rows, shared


def _flops(made) -> float:
  """Returns the floating point operations of one step, before optimisation."""
  return _lower(made)[0].cost_analysis()["flops"]


def _compile(make, batch_size) -> Program:
  lowered, rows, shared = _lower(make(batch_size))
  return Program(lowered.compile(), rows, shared, batch_size)


def _run(make, published: int, limits: Limits) -> dict[str, Any]:
  """Compiles the published step and runs the largest that fits."""
  program = _compile(make, published)
  needed, temporary = program.total_bytes, program.temporary_bytes
  while (
    program.total_bytes > limits.num_bytes
    or program.batch_size > limits.batch_size
  ):
    if program.batch_size == 1:
      raise SystemExit(
        f"error: one problem needs {program.total_bytes / 1e9:.1f} GB; "
        "free memory or raise --gigabytes"
      )
    # Close to proportional to the batch size; the next power of two below.
    fitting = program.batch_size * min(
      0.5, limits.num_bytes / program.total_bytes
    )
    fitting = max(1, min(int(fitting), limits.batch_size))
    program = _compile(make, 2 ** int(math.log2(fitting)))
  started = time.perf_counter()
  rows = jax.block_until_ready(program.compiled(program.rows, program.shared))
  seconds = time.perf_counter() - started
  state = rows[0] if isinstance(rows, tuple) else rows
  if not np.isfinite(state.loss_sum).all():
    raise SystemExit("error: the loss of the step is not finite")
  return {
    "published_batch_size": published,
    "batch_size": program.batch_size,
    "state_bytes": _num_bytes(state),
    "temporary_bytes": temporary,
    "total_bytes": needed,
    "seconds": seconds,
    "loss": float(state.loss_sum[0]),
  }


def _num_bytes(tree: Any) -> int:
  return sum(leaf.nbytes for leaf in jax.tree.leaves(tree))


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
          f"{flops / 1e12:.2f}",
          f"{numbers['steps']}",
          f"{numbers['flops_of_run'] / 1e18:.3f} EFLOP",
        )
      )
  widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
  return "\n".join(
    "  ".join(
      cell.ljust(width) if index < 2 else cell.rjust(width)
      for index, (cell, width) in enumerate(zip(line, widths, strict=True))
    )
    for line in lines
  )


if __name__ == "__main__":
  sys.exit(main())
