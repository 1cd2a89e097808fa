"""The networks that a mask makes, and how they do on the test tasks.

    none    the subnetwork: what the mask keeps
    zero    the ablated network: what the mask keeps is set to zero
    random  the ablated network: what the mask keeps is drawn anew

All three and every test task are one compiled program over all masks, fed
with one chunk of the problems of all tasks after another.
"""

import functools
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
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
  ablation: jax.Array,
  draw: masks.Fill = None,
) -> types.Params:
  """Returns the network of one ablation.

  Args:
    params: the dense network.
    mask: {path: bool[...]}.
    ablation: i32, index into `ABLATIONS`; traced, so that one program serves
      all three.
    draw: the weights of the random ablation, from `masks.make_fill`; None
      where nobody asks for it.
  """
  is_subnetwork = ablation == ABLATIONS.index("none")
  kept = {path: units == is_subnetwork for path, units in mask.items()}
  if draw is None:
    return masks.merge(params, kept)
  is_random = ablation == ABLATIONS.index("random")
  fill = {path: jnp.where(is_random, value, 0) for path, value in draw.items()}
  return masks.merge(params, kept, fill)


@functools.lru_cache(maxsize=16)
def _dense_program(metrics_fn, batch_size):
  return jax.jit(
    lambda params, chunk: batching.per_example(
      functools.partial(metrics_fn, params), chunk, batch_size
    )
  )


@functools.lru_cache(maxsize=16)
def _mask_program(metrics_fn, spec, ablations, mesh, batch_size, width):
  """Compiled once for all masks of one selection on one kind of network."""

  def evaluate_row(row, shared):
    mask, seed = row
    params, draw = shared["params"], None
    if "random" in ablations:
      # U(-1/sqrt(fan_in), 1/sqrt(fan_in)), as published; once per mask.
      key = jax.random.fold_in(shared["key"], seed)
      draw = masks.make_fill("random", params, spec, key)

    def evaluate_ablation(ablation):
      made = network(params, mask, ablation, draw)
      return batching.per_example(
        functools.partial(metrics_fn, made), shared["chunk"], batch_size
      )

    indices = [ABLATIONS.index(ablation) for ablation in ablations]
    return jax.lax.map(evaluate_ablation, jnp.array(indices))

  return parallel.over_rows(evaluate_row, mesh, width=width)


def evaluate_dense(
  metrics_fn: types.MetricsFn,
  params: types.Params,
  datasets: Mapping[str, types.Batch],
  *,
  batch_size: int = 256,
  chunk_size: int = 0,
) -> TaskMetrics:
  """Returns {task: {metric: float}} of the network without a mask.

  Args:
    metrics_fn: (params, batch) -> {metric: f32[batch]}.
    params: the network.
    datasets: as in `evaluate_masks`.
    batch_size: examples computed at a time.
    chunk_size: examples on the device at a time; 0: all.
  """
  program = functools.partial(_dense_program(metrics_fn, batch_size), params)
  return _means(_values(program, datasets, batch_size, chunk_size), datasets)


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
  chunk_size: int = 0,
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
      of examples; NumPy arrays may be mapped from files.
    seeds: K mask seeds; the random ablation of a seed is always the same.
    key: base key of the random ablation.
    ablations: which of `ABLATIONS`.
    batch_size: examples computed at a time.
    chunk_size: examples of all tasks together that lie on the devices at a
      time; 0: all. The masked networks are made again for every chunk.
    width: masks computed at once on a device; 0: all.
    devices: default: all of `jax.devices()`.

  Returns:
    {ablation: {test task: {metric: f32[K]}}}, NumPy arrays.
  """
  mesh = parallel.row_mesh(len(seeds), devices)
  program = _mask_program(metrics_fn, spec, ablations, mesh, batch_size, width)
  rows = (stacked, np.asarray(seeds, np.int32))
  shared = parallel.replicate({"params": params, "key": key}, mesh)
  values = _values(
    lambda chunk: program(
      rows, {**shared, "chunk": parallel.replicate(chunk, mesh)}
    ),
    datasets,
    batch_size,
    chunk_size,
  )
  means = _means(values, datasets)
  return {
    ablation: jax.tree.map(operator.itemgetter(np.s_[:, index]), means)
    for index, ablation in enumerate(ablations)
  }


def _values(
  program: Callable[[types.Batch], dict[str, jax.Array]],
  datasets: Mapping[str, types.Batch],
  batch_size: int,
  chunk_size: int,
) -> dict[str, np.ndarray]:
  """Returns {metric: f32[..., examples of all data sets]}.

  A chunk is copied to the devices while they compute the one before.
  """
  values, previous = [], None
  for chunk in _chunks(datasets, batch_size, chunk_size):
    current = program(chunk)
    if previous is not None:
      values.append(parallel.fetch(previous))
    previous = current
  values.append(parallel.fetch(previous))
  total = sum(map(trees.num_rows, datasets.values()))
  return jax.tree.map(
    lambda *parts: np.concatenate(parts, axis=-1)[..., :total], *values
  )


def _chunks(
  datasets: Mapping[str, types.Batch], batch_size: int, chunk_size: int
) -> Iterator[types.Batch]:
  """Yields the examples of all data sets, one after another.

  In chunks of one size, which the last one reaches with examples from the
  start: one program serves them all.
  """
  total = sum(map(trees.num_rows, datasets.values()))
  num_batches = -(-total // batch_size)
  num_chunks = -(-total // (chunk_size or total))
  # As even as whole batches allow.
  size = min(-(-num_batches // num_chunks) * batch_size, total)
  for start in range(0, total, size):
    parts = _examples(datasets, start, start + size)
    if start + size > total:
      parts += _examples(datasets, 0, start + size - total)
    yield jax.tree.map(_concatenate, *parts)


def _examples(
  datasets: Mapping[str, types.Batch], start: int, stop: int
) -> list[types.Batch]:
  """Returns examples start to stop of all data sets, in parts."""
  parts = []
  for dataset in datasets.values():
    num_examples = trees.num_rows(dataset)
    if start < num_examples and stop > 0:
      parts.append(trees.row(dataset, slice(max(start, 0), max(stop, 0))))
    start, stop = start - num_examples, stop - num_examples
  return parts


def _concatenate(*arrays: Any) -> Any:
  """Joins arrays where they lie, on a device or in the host's memory."""
  if len(arrays) == 1:
    return arrays[0]
  on_device = isinstance(arrays[0], jax.Array)
  return (jnp if on_device else np).concatenate(arrays)


def _means(
  values: Mapping[str, np.ndarray], datasets: Mapping[str, types.Batch]
) -> TaskMetrics:
  """Returns {task: {metric: f32[...]}}, correctly rounded: 168 of 500 is 0.336.

  Sums on the host, in float64: the same for any batches, chunks and devices.
  """
  means, start = {}, 0
  for task, dataset in datasets.items():
    stop = start + trees.num_rows(dataset)
    means[task] = {
      name: value[..., start:stop].mean(-1, dtype=np.float64).astype(np.float32)
      for name, value in values.items()
    }
    start = stop
  return means


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
