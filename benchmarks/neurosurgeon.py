"""Masks and speed beside NeuroSurgeon, on the same frozen networks.

    python -m benchmarks.neurosurgeon [--cases=perceptron,bert] [--seeds=6]
      [--repeats=5] [--root=DIR]

Needs PyTorch and NeuroSurgeon (pip install NeuroSurgeon). The networks are
those of `benchmarks/frozen_networks.py`. Both packages learn masks for the same
task with the same relaxation, initial logits, step size, penalty, temperatures
and number of steps; the masks of one seed see the same batches in the same
order. NeuroSurgeon's layers are driven by a plain PyTorch loop.

All runs on one core. First a search step is timed, in processor seconds, which
other work on the machine changes little: both take turns, and a ratio is the
median over turns. Then the masks are learned and compared. All is written into
docs/results/neurosurgeon.md between its two comments.
"""

import argparse
import os
import pathlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from benchmarks import mask_agreement, measure
from benchmarks.frozen_networks import CASES, Case
from benchmarks.steps import Steps, search_steps
from structcomp_jax import search, trees, types
from structcomp_jax.engine import programs
from structcomp_jax.evaluation import Variant, evaluate
from structcomp_jax.io import files
from structcomp_jax.report.text import markdown_table, replace_between_markers

PAGE = "docs/results/neurosurgeon.md"
# The key of `search_steps`, so that both have the same order of examples.
_KEY = 0
_LEAST_SECONDS = 1.0
_FEW_STEPS = 3
_THEIRS, _OURS = "NeuroSurgeon", "structcomp_jax"
_SECONDS_PER_MS = 1e-3


def main() -> None:
  """Compares all cases; exit status 1 where that cannot be done."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument("--cases", default=",".join(CASES))
  parser.add_argument("--seeds", type=int, default=6)
  parser.add_argument("--repeats", type=int, default=5)
  parser.add_argument("--root", type=pathlib.Path, default=measure.ROOT)
  given = parser.parse_args()
  # Before JAX and PyTorch start their threads.
  os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
  try:
    print(
      update(given.root, given.cases.split(","), given.seeds, given.repeats)
    )
  except types.UserError as error:
    sys.exit(f"error: {error}")


def update(
  root: pathlib.Path, names: Sequence[str], num_seeds: int, repeats: int
) -> str:
  """Writes what is measured into the page, and returns it.

  Args:
    root: the repository.
    names: of the cases.
    num_seeds: masks of each kind.
    repeats: turns of the clock.

  Raises:
    UserError: a package is missing, or the page has no place for the tables.
  """
  page = root / PAGE
  replace_between_markers(page.read_text(), "measured", "")
  _import_circuits()
  seeds = tuple(range(num_seeds))
  cases = {}
  for name in names:
    measure.say(f"training {name} ...")
    cases[name] = CASES[name]()
  load = os.getloadavg()[0]
  pairs = [(name, kind) for name in names for kind in cases[name].settings]
  speeds, found = {}, {}
  for name, kind in pairs:
    measure.say(f"timing {name}, {kind} ...")
    speeds[name, kind] = speed(cases[name], kind, seeds, repeats)
  for name, kind in pairs:
    measure.say(f"learning masks of {name}, {kind} ...")
    found[name, kind] = learn_and_test(cases[name], kind, seeds)
  about = [
    *(f"- {name}: {value}" for name, value in _facts(load).items()),
    *(f"- {name}: {_settings(cases[name])}" for name in names),
  ]
  text = "\n\n".join(
    [
      "\n".join(about),
      "### The masks",
      *(
        markdown_table(mask_agreement.accuracy_lines(name, found))
        for name in names
      ),
      "### The same weights?",
      markdown_table(mask_agreement.agreement_lines(found)),
      "### Speed",
      markdown_table(speed_lines(speeds, num_seeds)),
    ]
  )
  files.write_atomic(
    page, replace_between_markers(page.read_text(), "measured", text)
  )
  return text


def _import_circuits() -> Any:
  try:
    from benchmarks.pytorch import circuits
  except ImportError as error:
    raise types.UserError(
      f"{error.name} is not installed; run: pip install NeuroSurgeon torch"
    ) from error
  return circuits


def _facts(load: float) -> dict[str, str]:
  facts = measure.facts("torch", "transformers", "NeuroSurgeon")
  facts["load average before the clock"] = f"{load:.1f}"
  facts["command"] = f"`{measure.command()}`"
  return {name: value for name, value in facts.items() if value}


def _settings(case: Case) -> str:
  """Returns what is masked and how it is searched, in words."""
  kinds = "; ".join(
    f"{kind}: "
    + ", ".join(
      f"{name} {'/'.join(map(str, np.atleast_1d(value)))}"
      for name, value in settings.items()
    )
    for kind, settings in case.settings.items()
  )
  return (
    f"{case.about}; {case.spec.num_weights} masked weights, "
    f"{trees.num_rows(case.train)} examples; {kinds}"
  )


# Speed.


def speed(
  case: Case, relaxation: str, seeds: tuple[int, ...], repeats: int
) -> dict[str, Any]:
  """Times one search step of both, ours also of all seeds in one program.

  Returns:
    "seconds": {name: [turns]} of a step of one mask; "compile": those until our
    program for one mask is compiled. All are processor seconds.
  """
  circuits = _import_circuits()
  alone = _steps(case, relaxation, seeds[:1])
  compile_seconds = _processor_seconds(lambda: alone.compiled)
  together = _steps(case, relaxation, seeds)
  order = _order(alone, case, 0)
  circuit = circuits.Circuit(case, relaxation, len(order), seed=0)
  seconds = measure.take_turns(
    {
      _THEIRS: _stopwatch(lambda steps: circuit.run(order[:steps])),
      "one mask": _stopwatch(alone.run),
      "all seeds": _stopwatch(together.run),
    },
    repeats,
  )
  seconds["all seeds"] = [one / len(seeds) for one in seconds["all seeds"]]
  return {"seconds": seconds, "compile": compile_seconds}


def _processor_seconds(run: Callable[[], Any]) -> float:
  started = time.process_time()
  run()
  return time.process_time() - started


def _stopwatch(run: Callable[[int], Any]) -> measure.Stopwatch:
  """Returns a stopwatch of one step of what runs so many; runs some."""
  run(1)  # It may compile.
  expected = _processor_seconds(lambda: run(_FEW_STEPS)) / _FEW_STEPS
  number = max(_FEW_STEPS, round(_LEAST_SECONDS / expected))
  return lambda: _processor_seconds(lambda: run(number)) / number


def _steps(case: Case, relaxation: str, seeds: tuple[int, ...]) -> Steps:
  """Returns our search of some seeds, as wide as it would choose to be."""
  data = jax.device_put(case.train)
  config = case.config(relaxation, seeds)
  arguments = (case.loss_fn, case.params, case.spec, data)
  if len(seeds) > 1:
    width = search.choose_width(
      *arguments, config, key=jax.random.key(_KEY), devices=jax.devices()[:1]
    ).width
    config = case.config(relaxation, seeds, vmap_width=width)
  return search_steps(*arguments, config)


def _order(steps: Steps, case: Case, seed: int) -> np.ndarray:
  """Returns the batches of a whole search of ours, i32[steps, batch]."""
  job = steps.job
  epochs = [
    programs.epoch_order(
      job.setup, job.keys.order, seed, epoch, trees.num_rows(case.train)
    )
    for epoch in range(job.plan.num_epochs)
  ]
  return np.concatenate([np.asarray(epoch)[:, 0] for epoch in epochs])


def speed_lines(
  speeds: Mapping[tuple[str, str], Mapping[str, Any]], num_seeds: int
) -> list[tuple[str, ...]]:
  """Returns the table of speeds."""
  head = (
    "network",
    "relaxation",
    f"{_THEIRS}, ms a step",
    "times faster, one mask",
    f"times faster per mask, {num_seeds} at once",
    "compiling costs, s",
    f"is as long as steps of {_THEIRS}",
  )
  lines = [head]
  for (name, kind), found in speeds.items():
    seconds = found["seconds"]
    step = float(np.median(seconds[_THEIRS]))
    lines.append(
      (
        name,
        kind,
        f"{step / _SECONDS_PER_MS:.2f}",
        *(
          f"{measure.median_ratio(seconds[_THEIRS], seconds[ours]):.1f}"
          for ours in ("one mask", "all seeds")
        ),
        f"{found['compile']:.1f}",
        f"{found['compile'] / step:.0f}",
      )
    )
  return lines


# Masks.


def learn_and_test(
  case: Case, relaxation: str, seeds: tuple[int, ...]
) -> dict[str, Any]:
  """Learns the masks of both, and tests the networks that they make.

  Returns:
    "masks": {system: {path: bool[seeds, ...]}}; "tests": {(system, "kept" or
    "removed"): {task: {metric: f32[seeds]}}}; "loss_gap": the largest
    difference between the test losses of NeuroSurgeon's masked networks as
    NeuroSurgeon computes them and as we do.
  """
  circuits = _import_circuits()
  config = case.config(relaxation, seeds)
  data = jax.device_put(case.train)
  ours = search.run(
    case.loss_fn, case.params, case.spec, data, config, key=jax.random.key(_KEY)
  )
  steps = search_steps(case.loss_fn, case.params, case.spec, data, config)
  theirs = []
  for seed in seeds:
    order = _order(steps, case, seed)
    theirs.append(circuits.Circuit(case, relaxation, len(order), seed))
    theirs[-1].run(order)
  found = {
    _THEIRS: trees.stack([circuit.mask() for circuit in theirs]),
    _OURS: jax.device_get(ours.masks),
  }
  variants = {
    (system, half): Variant(mask, seeds, inverted=half == "removed")
    for system, mask in found.items()
    for half in ("kept", "removed")
  }
  tests = evaluate(
    case.metrics_fn,
    case.params,
    case.spec,
    variants,
    case.tests,
    key=jax.random.key(_KEY),
  )
  gaps = [
    abs(circuit.test_loss(batch, removed=half == "removed") - loss)
    for half in ("kept", "removed")
    for task, batch in case.tests.items()
    for circuit, loss in zip(
      theirs, tests[_THEIRS, half][task]["loss"], strict=True
    )
  ]
  return {"masks": found, "tests": tests, "loss_gap": float(max(gaps))}


if __name__ == "__main__":
  main()
