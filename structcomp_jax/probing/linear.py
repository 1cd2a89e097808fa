"""Linear probes on features: all sites, seeds and tasks in one program."""

import dataclasses
import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import trees, types
from structcomp_jax.engine import batching, loop, parallel
from structcomp_jax.engine.learner import Keys
from structcomp_jax.engine.plan import Machine, Plan
from structcomp_jax.probing import controls, problems, results, softmax
from structcomp_jax.probing.config import ProbeConfig
from structcomp_jax.probing.features import moments, stack_sites
from structcomp_jax.probing.linear_learner import (
  LinearLearner,
  LinearRow,
  LinearState,
  examples_of,
  metrics,
)


@dataclasses.dataclass(frozen=True)
class LinearResult:
  """What linear probes found.

  Attributes:
    rows: one dict per probe: "site", "task" ("labels" or "control"), "seed",
      "accuracy" (of the test examples), "validation_loss", "look" (whose
      weights were kept, from 1).
    majority: test accuracy of the most frequent training label.
    seen: part of the test examples whose type occurs in training; None where
      there are no types, and hence no control task.
    kernels: {site: f32[seeds, width, classes]}, of the task, for features as
      they were given.
    biases: {site: f32[seeds, classes]}, likewise.
    history: one dict per probe and look.
  """

  rows: list[dict[str, Any]]
  majority: float
  seen: float | None
  kernels: dict[str, np.ndarray]
  biases: dict[str, np.ndarray]
  history: list[dict[str, Any]]

  def summary(self) -> list[dict[str, Any]]:
    """Returns a line per site, see `summarise`."""
    return results.summarise(self.rows, ("site",))

  def describe(self) -> str:
    """Returns the summary as a table of text."""
    return results.describe(self.summary(), ("site",))


def run_linear(
  dataset: types.Batch,
  validation: types.Batch,
  test: types.Batch,
  config: ProbeConfig | None = None,
  *,
  key: jax.Array,
  state: LinearState | None = None,
  on_call: loop.OnCall | None = None,
  devices: Sequence[Any] | None = None,
) -> LinearResult:
  """Learns a linear probe per site, seed and task, all in one program.

  Features are shifted and scaled to mean 0 and standard deviation 1 of the
  training set. The weights of the lowest validation loss are kept, and they are
  tested once on examples that had no part in that.

  >>> labels = np.arange(64) % 2
  >>> split = {
  ...   "features": {"here": 1.0 * labels[:, None], "not": np.ones((64, 1))},
  ...   "labels": labels,
  ... }
  >>> found = run_linear(
  ...   split,
  ...   split,
  ...   split,
  ...   ProbeConfig(num_epochs=5, batch_size=16, seeds=(0,)),
  ...   key=jax.random.key(0),
  ... )
  >>> [(row["site"], row["accuracy"]) for row in found.rows]
  [('here', 1.0), ('not', 0.5)]

  Args:
    dataset: {"features": {site: float[N, width]}, "labels": i[N]}, and "types":
      i[N] where there is to be a control task, e.g. of `type_ids`: examples of
      one type have one control label, see `control_labels`.
    validation: the same, for early stopping.
    test: the same, for the accuracies.
    config: settings and seeds.
    key: base key of order and control labels; one key, same bits.
    state: where to go on, from a checkpoint; default: the beginning. Its
      arrays are reused: copy what must last.
    on_call: called with the state and the new history rows each time the host
      sees the devices: for checkpoints and progress.
    devices: default: all of `jax.devices()`.

  Returns:
    A `LinearResult`.

  Raises:
    UserError: data that do not fit each other or the settings, or a probe whose
      loss was never finite.
  """
  config = ProbeConfig() if config is None else config
  trees.check_key(key)
  splits = {"dataset": dataset, "validation": validation, "test": test}
  problems.check_sites(splits)
  num_classes = problems.check_splits(splits)
  order_key, draw_key, control_key = jax.random.split(key, 3)
  prepared, affine = _prepare(splits, config.seeds, control_key)
  width = int(prepared["dataset"]["features"].shape[-1])
  sites = tuple(dataset["features"])
  names = list(
    itertools.product(sites, controls.tasks_of(dataset), config.seeds)
  )
  rows = _rows(names, sites, config.seeds)
  job = loop.Job(
    learner=LinearLearner(
      config.learning_rate, config.weight_decay, config.patience
    ),
    init=lambda: jax.vmap(lambda row: LinearState.start(width, num_classes))(
      rows
    ),
    state=state,
    rows=rows,
    dataset=examples_of(prepared["dataset"]),
    plan=Plan.of(config),
    machine=Machine.of(config),
    keys=Keys(order_key, draw_key),
    fixed=prepared["dataset"],
    validation=prepared["validation"],
    devices=devices,
  )
  final, history = loop.run(job, on_call=on_call)
  best = final.best
  accuracies = _test(job, rows, best.value, prepared["test"])
  looks = parallel.fetch((best.score, best.look))
  found = _with_results(names, accuracies, looks)
  kernels, biases = _for_raw_features(
    names, parallel.fetch(best.value), affine, dataset["features"]
  )
  return LinearResult(
    rows=found,
    majority=problems.majority(test["labels"], dataset["labels"]),
    seen=problems.share_seen(test, dataset) if "types" in test else None,
    kernels=kernels,
    biases=biases,
    history=history,
  )


def _prepare(
  splits: Mapping[str, Any], seeds: Sequence[int], control_key: jax.Array
) -> tuple[dict[str, Any], tuple[np.ndarray, np.ndarray]]:
  """Returns {split: what the learner reads}, and (mean, scale) of the sites."""
  training = splits["dataset"]
  stacked = stack_sites(training["features"])
  mean, scale = moments(stacked)
  labels = controls.target_labels(splits, seeds, key=control_key)
  prepared = {}
  for name, split in splits.items():
    # In the order of the training set's sites.
    features = {site: split["features"][site] for site in training["features"]}
    raw = stack_sites(features, stacked.shape[-1])
    prepared[name] = {"features": (raw - mean) / scale, "labels": labels[name]}
  return prepared, (mean, scale)


def _rows(names, sites, seeds):
  """Returns the stacked rows of (site, task, seed)s."""
  columns = [
    (seed, sites.index(site), controls.target_of(task, seed, seeds))
    for site, task, seed in names
  ]
  return LinearRow(*map(jnp.asarray, np.array(columns, np.int32).T))


@functools.lru_cache(maxsize=16)
def _test_program(mesh, batch_size, width):
  """Returns program((rows, probes), split) -> f32[rows, N]."""

  def test(row, split):
    row, probe = row
    return batching.per_example(
      functools.partial(metrics, probe, row, split),
      examples_of(split),
      batch_size,
    )["accuracy"]

  return parallel.over_rows(test, mesh, width=width)


def _test(job, rows, probes, split):
  """Returns f64[rows], the accuracies on a split."""
  machine = job.machine
  program = _test_program(
    job.setup.mesh, machine.eval_batch_size, machine.vmap_width
  )
  right = parallel.fetch(program((rows, probes), split))
  return right.mean(axis=1, dtype=np.float64)


def _with_results(names, accuracies, best):
  """Returns a dict per probe."""
  scores, looks = best
  for (site, task, seed), look in zip(names, looks, strict=True):
    if not look:
      raise types.UserError(
        f"the probe of {task} at site {site!r}, seed {seed}, never had a "
        "finite validation loss; lower learning_rate"
      )
  return [
    {
      "site": site,
      "task": task,
      "seed": seed,
      "accuracy": float(accuracies[index]),
      "validation_loss": float(scores[index]),
      "look": int(looks[index]),
    }
    for index, (site, task, seed) in enumerate(names)
  ]


def _for_raw_features(
  names: Sequence[tuple[str, str, int]],
  probes: softmax.Probe,
  affine: tuple[np.ndarray, np.ndarray],
  features: Mapping[str, Any],
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
  """Returns {site: kernels}, {site: biases} of the task's probes."""
  mean, scale = affine
  kernels, biases = {}, {}
  for number, (site, array) in enumerate(features.items()):
    chosen = [
      index
      for index, (where, task, _) in enumerate(names)
      if where == site and task == controls.TASKS[0]
    ]
    raw = np.asarray(probes["kernel"])[chosen] / scale[number, 0][:, None]
    shift = np.einsum("w,swc->sc", mean[number, 0], raw)
    biases[site] = np.asarray(probes["bias"])[chosen] - shift
    kernels[site] = raw[:, : array.shape[1]]
  return kernels, biases
