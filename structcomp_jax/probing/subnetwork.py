"""Subnetwork probing: a probe and the mask of the network below, together."""

import dataclasses
import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import masks, trees, types
from structcomp_jax.engine import batching, data, loop, parallel
from structcomp_jax.engine.learner import Keys
from structcomp_jax.engine.plan import Machine, Plan
from structcomp_jax.probing import controls, problems, results
from structcomp_jax.probing.config import SubnetworkConfig
from structcomp_jax.probing.features import compute_features, moments
from structcomp_jax.probing.subnetwork_learner import (
  SubnetworkLearner,
  SubnetworkRow,
  SubnetworkState,
  VectorFn,
  inputs_of,
)


@dataclasses.dataclass(frozen=True)
class SubnetworkResult:
  """What masks with probes found.

  Attributes:
    rows: one dict per row: "network", "penalty" (None: a probe alone on the
      whole network), "task" ("labels" or "control"), "seed", "accuracy" (of the
      test examples, hard mask), "kept" (weights), "density" (part of the
      maskable weights) and "finite" (False: stopped by a loss that was no
      number, do not use).
    masks: {path: bool[rows, ...]}.
    majority: test accuracy of the most frequent training label.
    seen: part of the test examples whose type occurs in training; None where
      there are no types, and hence no control task.
    history: one dict per row and look.
  """

  rows: list[dict[str, Any]]
  masks: types.Mask
  majority: float
  seen: float | None
  history: list[dict[str, Any]]

  def summary(self) -> list[dict[str, Any]]:
    """Returns a line per network and penalty, see `summarise`."""
    return results.summarise(self.rows, ("network", "penalty"))

  def describe(self) -> str:
    """Returns the summary as a table of text."""
    return results.describe(self.summary(), ("network", "penalty"))


def run_subnetwork(
  feature_fn: VectorFn,
  networks: Mapping[str, types.Params],
  spec: masks.MaskSpec,
  dataset: types.Batch,
  test: types.Batch,
  config: SubnetworkConfig | None = None,
  *,
  key: jax.Array,
  validation: types.Batch | None = None,
  state: SubnetworkState | None = None,
  on_call: loop.OnCall | None = None,
  devices: Sequence[Any] | None = None,
) -> SubnetworkResult:
  """Learns masks of frozen networks, each with a linear probe on its features.

  Cao, Sanh and Rush 2021 (arXiv 2104.03514): the weights stay as they are, and
  a mask keeps those from whose features a linear probe can read the labels. One
  program has all networks, penalties, seeds and tasks, and for each network,
  task and seed a row whose network stays whole: the probe alone.

  The features are shifted and scaled to mean 0 and standard deviation 1 of the
  whole network's on the training set, whatever a mask makes of them.

  >>> params = {"kernel": np.eye(2, dtype=np.float32)}
  >>> def feature_fn(params, batch):
  ...   return batch["x"] @ params["kernel"]
  >>> inputs = np.tile(np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "f4"), (8, 1))
  >>> split = {"x": inputs, "labels": inputs[:, 0].astype(int)}
  >>> found = run_subnetwork(
  ...   feature_fn,
  ...   {"identity": params},
  ...   masks.select(params, [(".*", "weight")]),
  ...   split,
  ...   split,
  ...   SubnetworkConfig(
  ...     num_epochs=30, batch_size=8, seeds=(0,), penalties=(0.1,)),
  ...   key=jax.random.key(0))
  >>> [(row["penalty"], row["kept"], row["accuracy"]) for row in found.rows]
  [(None, 4, 1.0), (0.1, 1, 1.0)]

  Args:
    feature_fn: (params, batch) -> float[batch, width]; a batch has the arrays
      of `dataset` but labels and types.
    networks: {name: params}, of one structure: say "trained" and, as a control,
      "untrained".
    spec: which leaves are masked, from `masks.select`.
    dataset: {name: array [N, ...], "labels": i[N]}, and "types": i[N] where
      there is to be a control task, see `run_linear`.
    test: the same, for the accuracies.
    config: settings and seeds.
    key: base key of order, masks and control labels; one key, same bits.
    validation: the same as `dataset`, for the history; nothing is chosen by it.
    state: where to go on, from a checkpoint; default: the beginning. Its
      arrays are reused: copy what must last.
    on_call: called with the state and the new history rows each time the host
      sees the devices: for checkpoints and progress.
    devices: default: all of `jax.devices()`.

  Returns:
    A `SubnetworkResult`.

  Raises:
    UserError: settings, networks and data that do not fit each other, or no
      row has a finite loss.
  """
  config = SubnetworkConfig() if config is None else config
  trees.check_key(key)
  splits = {"dataset": dataset, "test": test}
  if validation is not None:
    splits["validation"] = validation
  num_classes = problems.check_splits(splits)
  _check_networks(networks, spec)
  one_network = next(iter(networks.values()))
  data.check_features(
    feature_fn,
    one_network,
    config.batch_size // config.data_devices,
    {name: inputs_of(split) for name, split in splits.items()},
  )
  order_key, draw_key, control_key = jax.random.split(key, 3)
  labels = controls.target_labels(splits, config.seeds, key=control_key)
  prepared = {
    name: {**inputs_of(split), "labels": labels[name]}
    for name, split in splits.items()
  }
  fixed = _fixed(feature_fn, networks, dataset, config.eval_batch_size)
  names = _names(networks, controls.tasks_of(dataset), config)
  rows = _rows(names, tuple(networks), config)
  learner = SubnetworkLearner(
    feature_fn,
    spec,
    masks.get_relaxation(config.relaxation),
    config.learning_rate,
    config.mask_learning_rate,
    config.weight_decay,
  )
  width = fixed["mean"].shape[-1]
  job = loop.Job(
    learner=learner,
    init=lambda: jax.vmap(
      lambda row: learner.start(width, num_classes, config.init_logit)
    )(rows),
    state=state,
    rows=rows,
    dataset=prepared["dataset"],
    plan=Plan.of(config),
    machine=Machine.of(config),
    keys=Keys(order_key, draw_key),
    fixed=fixed,
    validation=prepared.get("validation"),
    devices=devices,
  )
  final, history = loop.run(job, on_call=on_call)
  hard_masks, accuracies = _test(job, final, fixed, prepared["test"])
  finite = parallel.fetch(final.finite)
  return SubnetworkResult(
    rows=_with_results(names, finite, accuracies, hard_masks, spec),
    masks=hard_masks,
    majority=problems.majority(test["labels"], dataset["labels"]),
    seen=problems.share_seen(test, dataset) if "types" in test else None,
    history=history,
  )


def _check_networks(
  networks: Mapping[str, types.Params], spec: masks.MaskSpec
) -> None:
  """Raises UserError unless there are networks of one structure."""
  if not networks:
    raise types.UserError("networks has none; give {name: params}")
  shapes = {}
  for name, params in networks.items():
    masks.check_network(params)
    masks.check_spec(spec, params)
    shapes[name] = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), params)
  first = next(iter(shapes))
  for name, shape in shapes.items():
    if shape != shapes[first]:
      raise types.UserError(
        f"networks {first!r} and {name!r} have leaves of other names, shapes "
        "or dtypes; probe them one by one"
      )


def _fixed(feature_fn, networks, dataset, batch_size):
  """Returns the networks with moments of their features, all stacked."""
  found = [
    moments(
      compute_features(
        feature_fn, params, inputs_of(dataset), batch_size=batch_size
      )
    )
    for params in networks.values()
  ]
  mean, scale = (np.stack(part) for part in zip(*found, strict=True))
  return {
    "networks": trees.stack(list(networks.values())),
    "mean": mean,
    "scale": scale,
  }


def _names(networks, tasks, config):
  """Returns (network, penalty or None, task, seed) of every row."""
  return list(
    itertools.product(
      networks,
      (None, *config.penalties),
      tasks,
      config.seeds,
    )
  )


def _rows(names, networks, config):
  """Returns the stacked rows of their names."""
  penalties = [0.0 if one is None else one for _, one, *_ in names]
  seeds = config.seeds
  targets = [controls.target_of(task, seed, seeds) for *_, task, seed in names]
  return SubnetworkRow(
    seed=jnp.array([seed for *_, seed in names], jnp.int32),
    network=jnp.array([networks.index(one) for one, *_ in names], jnp.int32),
    target=jnp.array(targets, jnp.int32),
    penalty=jnp.array(penalties, jnp.float32),
    is_whole=jnp.array([penalty is None for _, penalty, *_ in names]),
  )


@functools.lru_cache(maxsize=16)
def _test_program(learner, mesh, batch_size, width):
  """Returns program((state, row), (fixed, split)) -> masks and accuracies."""

  def test(state_and_row, shared):
    state, row = state_and_row
    fixed, split = shared
    metrics = batching.per_example(
      functools.partial(learner.metrics, state, row, fixed), split, batch_size
    )
    return learner.hard_mask(state, row), metrics["accuracy"]

  return parallel.over_rows(test, mesh, width=width)


def _test(job, state, fixed, split):
  """Returns {path: bool[rows, ...]} and f64[rows], accuracies on a split."""
  machine = job.machine
  program = _test_program(
    job.learner, job.setup.mesh, machine.eval_batch_size, machine.vmap_width
  )
  hard_masks, right = parallel.fetch(program((state, job.rows), (fixed, split)))
  return hard_masks, right.mean(axis=1, dtype=np.float64)


def _with_results(names, finite, accuracies, hard_masks, spec):
  """Returns a dict per row."""
  if not finite.any():
    raise types.UserError(
      f"all {len(names)} probes stopped at a loss that is no finite number; "
      "lower learning_rate and mask_learning_rate, or look for non-finite "
      "weights in the network"
    )
  kept = sum(
    leaf.weights_per_unit
    * hard_masks[leaf.path].reshape(len(names), -1).sum(1, dtype=np.int64)
    for leaf in spec.leaves
  )
  return [
    {
      "network": network,
      "penalty": penalty,
      "task": task,
      "seed": seed,
      "accuracy": float(accuracies[index]),
      "kept": int(kept[index]),
      "density": float(kept[index] / spec.num_weights),
      "finite": bool(finite[index]),
    }
    for index, (network, penalty, task, seed) in enumerate(names)
  ]
