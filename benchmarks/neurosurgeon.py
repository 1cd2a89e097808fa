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
import itertools
import os
import pathlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from benchmarks import measure
from benchmarks.frozen_networks import CASES, Case
from benchmarks.steps import Steps, search_steps
from structcomp_jax import masks, search, trees, types
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
      *(markdown_table(mask_lines(name, found)) for name in names),
      "### The same weights?",
      markdown_table(agreement_lines(found)),
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
  return facts


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


def mask_lines(
  network: str, found: Mapping[tuple[str, str], Mapping[str, Any]]
) -> list[tuple[str, ...]]:
  """Returns the table of one network: kept weights and accuracies."""
  own = {kind: one for (name, kind), one in found.items() if name == network}
  tasks = list(next(iter(own.values()))["tests"][_OURS, "kept"])
  columns = [(half, task) for half in ("kept", "removed") for task in tasks]
  lines = [
    (
      network,
      "masks of",
      "kept weights, %",
      *(f"{half}: {task}" for half, task in columns),
    )
  ]
  for kind, one in own.items():
    for system, mask in one["masks"].items():
      kept = 100 * np.array(
        [masks.total_density(trees.row(mask, i)) for i in _seeds_of(mask)]
      )
      accuracies = [
        one["tests"][system, half][task]["accuracy"] for half, task in columns
      ]
      lines.append(
        (
          kind,
          system,
          _mean_and_sd(kept),
          *(_mean_and_sd(values) for values in accuracies),
        )
      )
  return lines


def _seeds_of(mask: types.Mask) -> range:
  return range(len(next(iter(mask.values()))))


def _mean_and_sd(values: np.ndarray) -> str:
  return f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}"


def agreement_lines(
  found: Mapping[tuple[str, str], Mapping[str, Any]],
) -> list[tuple[str, ...]]:
  """Returns the table of intersections over unions."""
  head = (
    "network",
    "relaxation",
    f"two seeds of {_THEIRS}",
    f"two seeds of {_OURS}",
    "two seeds, one of each",
    "one seed, one of each",
    "random masks",
    "p",
    "largest difference of test losses",
  )
  lines = [head]
  for (name, kind), one in found.items():
    theirs, ours = one["masks"][_THEIRS], one["masks"][_OURS]
    means = agreement(_overlaps(theirs, ours))
    lines.append(
      (
        name,
        kind,
        *(f"{means[key]:.3f}" for key in ("first", "second", "across", "same")),
        f"{_by_chance(theirs, ours):.3f}",
        f"{means['p']:.2f}",
        f"{one['loss_gap']:.1e}",
      )
    )
  return lines


def _overlaps(first: types.Mask, second: types.Mask) -> np.ndarray:
  """Returns intersection over union of every two masks, f64[2 n, 2 n]."""
  flat = np.concatenate(
    [
      np.concatenate(
        [np.asarray(mask[path]).reshape(len(mask[path]), -1) for path in first],
        axis=1,
      )
      for mask in (first, second)
    ]
  ).astype(np.float64)
  both, kept = flat @ flat.T, flat.sum(1)
  return both / (kept[:, None] + kept - both)


def agreement(overlaps: np.ndarray) -> dict[str, float]:
  """Compares overlaps within two systems with those across.

  >>> two_kinds = np.kron(np.eye(2), np.ones((2, 2)))
  >>> agreement(two_kinds) == {
  ...   "first": 1, "second": 1, "across": 0, "same": 0, "p": 0.5
  ... }
  True

  Args:
    overlaps: f[2 n, 2 n], of n masks of the first system and then n of the
      second one, of the same seeds.

  Returns:
    "first", "second": mean over two seeds of one system; "across": mean over
    two seeds, one of each system; "same": mean over the same seed in both;
    "p": of all ways to swap the systems of some seeds, the share in which
    masks of one system are at least as much more alike, than across, as here.
    Systems that are no more than further seeds of one another have p < 0.05
    in at most 5 %.
  """
  num = len(overlaps) // 2
  one, two = np.triu_indices(num, 1)

  def means(swapped):
    places = np.arange(num) + num * swapped
    others = np.arange(num) + num * (1 - swapped)
    within = [overlaps[rows[one], rows[two]] for rows in (places, others)]
    across = [
      overlaps[places[one], others[two]],
      overlaps[others[one], places[two]],
    ]
    return *map(np.mean, within), np.mean(across)

  first, second, across = means(np.zeros(num, int))

  def excess(first, second, across):
    return (first + second) / 2 - across

  # Swapping all seeds is swapping none.
  swaps = itertools.product((0, 1), repeat=num - 1)
  drawn = [excess(*means(np.array((0, *swap)))) for swap in swaps]
  rounding = 1e-9
  seen = excess(first, second, across) - rounding
  return {
    "first": first,
    "second": second,
    "across": across,
    "same": np.mean([overlaps[i, i + num] for i in range(num)]),
    "p": np.mean([value >= seen for value in drawn]),
  }


def _by_chance(first: types.Mask, second: types.Mask) -> float:
  """Returns the overlap across of random masks as large in every leaf."""
  keys = jax.random.split(jax.random.key(_KEY), len(_seeds_of(first)))
  draw = jax.vmap(masks.random_like)
  overlaps = _overlaps(draw(first, keys), jax.device_get(second))
  return float(agreement(overlaps)["across"])


if __name__ == "__main__":
  main()
