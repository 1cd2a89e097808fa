"""The networks that a mask makes, and how they do on the test tasks.

    none    the subnetwork: what the mask keeps
    zero    the ablated network: what the mask keeps is set to zero
    random  the ablated network: what the mask keeps is drawn anew

All three and every test task are one compiled program over all masks.
"""

import functools
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import batching, masks, parallel, trees, types

ABLATIONS = ("none", "zero", "random")

# {test task: {metric: f32[...]}}
TaskMetrics = dict[str, dict[str, Any]]


def network(
  params: types.Params,
  mask: types.Mask,
  spec: masks.MaskSpec,
  key: jax.Array,
  ablation: jax.Array,
) -> types.Params:
  """Returns the network of one ablation.

  The random ablation redraws from U(-1/sqrt(fan_in), 1/sqrt(fan_in)), as
  published.

  Args:
    params: the dense network.
    mask: {path: bool[...]}.
    spec: the masked leaves.
    key: fixes the random draw.
    ablation: i32, index into `ABLATIONS`; traced, so that one program serves
      all three.
  """
  is_subnetwork = ablation == ABLATIONS.index("none")
  is_random = ablation == ABLATIONS.index("random")
  kept = {path: units == is_subnetwork for path, units in mask.items()}
  draw = masks.make_fill("random", params, spec, key)
  fill = {path: jnp.where(is_random, value, 0) for path, value in draw.items()}
  return masks.merge(params, kept, fill)


def task_sums(
  metrics_fn: types.MetricsFn,
  params: types.Params,
  datasets: Mapping[str, types.Batch],
  batch_size: int,
) -> TaskMetrics:
  """Returns {task: {metric: f32 sum over the task's examples}}."""
  together = jax.tree.map(
    lambda *arrays: jnp.concatenate(arrays), *datasets.values()
  )
  values = batching.per_example(
    functools.partial(metrics_fn, params), together, batch_size
  )
  sums, start = {}, 0
  for task, dataset in datasets.items():
    stop = start + trees.num_rows(dataset)
    sums[task] = {
      name: jnp.sum(value[start:stop]) for name, value in values.items()
    }
    start = stop
  return sums


def _means(
  sums: TaskMetrics, datasets: Mapping[str, types.Batch]
) -> TaskMetrics:
  """Divides on the host, correctly rounded: 168 of 500 is 0.336."""
  return {
    task: {
      name: np.asarray(value) / np.float32(trees.num_rows(datasets[task]))
      for name, value in metrics.items()
    }
    for task, metrics in sums.items()
  }


@functools.lru_cache(maxsize=16)
def _dense_program(metrics_fn, batch_size):
  return jax.jit(
    lambda params, datasets: task_sums(metrics_fn, params, datasets, batch_size)
  )


@functools.lru_cache(maxsize=16)
def _mask_program(
  metrics_fn, spec, ablations, num_rows, batch_size, width, devices
):
  """Compiled once for all masks of one selection on one kind of network."""

  def evaluate_row(row, shared):
    mask, seed = row
    key = jax.random.fold_in(shared["key"], seed)

    def evaluate_ablation(ablation):
      made = network(shared["params"], mask, spec, key, ablation)
      return task_sums(metrics_fn, made, shared["datasets"], batch_size)

    indices = [ABLATIONS.index(ablation) for ablation in ablations]
    return jax.lax.map(evaluate_ablation, jnp.array(indices))

  return parallel.over_rows(
    evaluate_row, parallel.row_mesh(num_rows, devices), width=width
  )


def evaluate_dense(
  metrics_fn: types.MetricsFn,
  params: types.Params,
  datasets: Mapping[str, types.Batch],
  *,
  batch_size: int = 256,
) -> TaskMetrics:
  """Returns {task: {metric: float}} of the network without a mask."""
  program = _dense_program(metrics_fn, batch_size)
  return _means(jax.device_get(program(params, dict(datasets))), datasets)


def evaluate_masks(
  metrics_fn: types.MetricsFn,
  params: types.Params,
  stacked: types.Mask,
  spec: masks.MaskSpec,
  datasets: Mapping[str, types.Batch],
  *,
  seeds: Sequence[int],
  key: jax.Array,
  ablations: tuple[str, ...] = ABLATIONS,
  batch_size: int = 256,
  width: int = 0,
  devices: tuple[Any, ...] | None = None,
) -> dict[str, TaskMetrics]:
  """Evaluates K masks of one frozen network under the given ablations.

  Args:
    metrics_fn: (params, batch) -> {metric: f32[batch]}.
    params: the frozen network.
    stacked: {path: bool[K, ...]}.
    spec: the masked leaves.
    datasets: {test task: arrays [examples, ...]}, alike but for the number
      of examples.
    seeds: K mask seeds; the random ablation of a seed is always the same.
    key: base key of the random ablation.
    ablations: which of `ABLATIONS`.
    batch_size: examples held in memory at a time.
    width: masks computed at once on a device; 0: all.
    devices: default: all of `jax.devices()`.

  Returns:
    {ablation: {test task: {metric: f32[K]}}}, NumPy arrays.
  """
  program = _mask_program(
    metrics_fn, spec, ablations, len(seeds), batch_size, width, devices
  )
  shared = {"params": params, "datasets": dict(datasets), "key": key}
  stacked_metrics = _means(
    jax.device_get(program((stacked, jnp.asarray(seeds, jnp.int32)), shared)),
    datasets,
  )
  return {
    ablation: jax.tree.map(
      operator.itemgetter(np.s_[:, index]), stacked_metrics
    )
    for index, ablation in enumerate(ablations)
  }


def kept_weights(
  stacked: types.Mask, spec: masks.MaskSpec
) -> dict[str, np.ndarray]:
  """Returns {ablation: i64[K]}: maskable weights the network still has.

  An ablated network has the complement, whatever the hole is filled with.
  """
  per_leaf = jax.vmap(lambda mask: masks.kept_weights(mask, spec))(stacked)
  kept = sum(np.asarray(count, np.int64) for count in per_leaf.values())
  removed = spec.num_weights - kept
  return {"none": kept, "zero": removed, "random": removed}
