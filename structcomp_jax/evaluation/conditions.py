"""The networks that a mask makes, and how they do on the test tasks.

    none    the subnetwork: what the mask keeps
    zero    the ablated network: what the mask keeps is set to zero
    random  the ablated network: what the mask keeps is drawn anew

All three and every test task are one compiled program over all masks.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import batching, masks, parallel, types

ABLATIONS = ("none", "zero", "random")

MetricsFn = Callable[[types.Params, types.Batch], dict[str, jax.Array]]
# {test task: {metric: f32[...]}}
TaskMetrics = dict[str, dict[str, Any]]


def networks(
  params: types.Params,
  mask: types.Mask,
  spec: masks.MaskSpec,
  key: jax.Array,
) -> dict[str, types.Params]:
  """Returns the network of every ablation.

  The random ablation redraws from U(-1/sqrt(fan_in), 1/sqrt(fan_in)), as
  published; `key` fixes the draw.
  """
  removed = masks.complement(mask)
  return {
    "none": masks.merge(params, mask),
    "zero": masks.merge(params, removed),
    "random": masks.merge(
      params, removed, masks.make_fill("random", params, spec, key)
    ),
  }


def task_metrics(
  metrics_fn: MetricsFn,
  params: types.Params,
  datasets: Mapping[str, types.Batch],
  batch_size: int,
) -> TaskMetrics:
  """Returns {task: {metric: f32 mean over the task's examples}}."""
  return {
    task: batching.mean_over(
      functools.partial(metrics_fn, params), dataset, batch_size
    )
    for task, dataset in datasets.items()
  }


def evaluate_dense(
  metrics_fn: MetricsFn,
  params: types.Params,
  datasets: Mapping[str, types.Batch],
  *,
  batch_size: int = 256,
) -> TaskMetrics:
  """Returns {task: {metric: float}} of the network without a mask."""
  program = jax.jit(
    functools.partial(task_metrics, metrics_fn, batch_size=batch_size)
  )
  return jax.device_get(program(params, datasets))


def evaluate_masks(
  metrics_fn: MetricsFn,
  params: types.Params,
  stacked: types.Mask,
  spec: masks.MaskSpec,
  datasets: Mapping[str, types.Batch],
  *,
  seeds: Sequence[int],
  key: jax.Array,
  ablations: Sequence[str] = ABLATIONS,
  batch_size: int = 256,
  width: int = 0,
  devices: Sequence[Any] | None = None,
) -> dict[str, TaskMetrics]:
  """Evaluates K masks of one frozen network.

  Args:
    metrics_fn: (params, batch) -> {metric: f32[batch]}.
    params: the frozen network.
    stacked: {path: bool[K, ...]}.
    spec: the masked leaves.
    datasets: {test task: arrays [examples, ...]}.
    seeds: K mask seeds; the random ablation of a seed is always the same.
    key: base key of the random ablation.
    ablations: which of `ABLATIONS`.
    batch_size: examples held in memory at a time.
    width: masks computed at once on a device; 0: all.
    devices: default: all of `jax.devices()`.

  Returns:
    {ablation: {test task: {metric: f32[K]}}}, NumPy arrays.
  """

  def evaluate_row(row, shared):
    mask, seed = row
    made = networks(
      shared["params"], mask, spec, jax.random.fold_in(shared["key"], seed)
    )
    return {
      ablation: task_metrics(
        metrics_fn, made[ablation], shared["datasets"], batch_size
      )
      for ablation in ablations
    }

  seeds = jnp.asarray(seeds, jnp.int32)
  program = parallel.over_rows(
    evaluate_row, parallel.row_mesh(len(seeds), devices), width=width
  )
  shared = {"params": params, "datasets": dict(datasets), "key": key}
  return jax.device_get(program((stacked, seeds), shared))


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
