"""The networks that a mask makes, and how they do on the test tasks.

    none    the subnetwork: what the mask keeps
    zero    the ablated network: what the mask keeps is set to zero
    random  the ablated network: what the mask keeps is drawn anew

One compiled program evaluates every network, those of learned masks, of control
masks and the dense one, on every test task. It is fed with one chunk of the
problems of all tasks after another.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import masks, trees, types
from structcomp_jax.engine import batching, parallel

ABLATIONS = ("none", "zero", "random")

# {test task: {metric: f32[...]}}
TaskMetrics = dict[str, dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Group:
  """K masks of one frozen network, and which networks to make of them.

  Attributes:
    stacked: {path: bool[K, ...]}.
    seeds: K mask seeds; the random ablation of a seed is always the same.
    ablations: which of `ABLATIONS`.
  """

  stacked: types.AnyMask
  seeds: Sequence[int]
  ablations: tuple[str, ...] = ABLATIONS


def dense(spec: masks.MaskSpec) -> Group:
  """Returns the group of the network without a mask: one that keeps all.

  >>> spec = masks.select({"kernel": np.ones(2)}, [(".*", "weight")])
  >>> dense(spec).stacked["kernel"].tolist()
  [[True, True]]
  """
  ones = {
    leaf.path: np.ones((1, *leaf.mask_shape), bool) for leaf in spec.leaves
  }
  return Group(ones, seeds=(0,), ablations=("none",))


def network(
  params: types.Params,
  mask: types.Mask,
  spec: masks.MaskSpec,
  key: jax.Array,
  ablation: jax.Array,
) -> types.Params:
  """Returns the network of one ablation.

  >>> params = {"kernel": jnp.array([1.0, 2.0])}
  >>> mask = {"kernel": jnp.array([True, False])}
  >>> spec = masks.select(params, [(".*", "weight")])
  >>> zero = jnp.int32(ABLATIONS.index("zero"))
  >>> network(params, mask, spec, jax.random.key(0), zero)["kernel"].tolist()
  [0.0, 2.0]

  The random ablation redraws from U(-1/sqrt(fan_in), 1/sqrt(fan_in)), as
  Lepori et al. 2023 did.

  Args:
    params: the dense network.
    mask: {path: bool[...]}.
    spec: the masked leaves.
    key: fixes the random draw.
    ablation: i32, index into `ABLATIONS`; traced, so that one program serves
      all three.
  """
  is_subnetwork = ablation == ABLATIONS.index("none")
  kept = {path: units == is_subnetwork for path, units in mask.items()}
  # A zero that varies from row to row, as the draw does.
  zero = jnp.float32(0) * ablation

  def draw():
    return masks.make_fill("random", params, spec, key)

  def zeros():
    return jax.tree.map(
      lambda leaf: jnp.full(leaf.shape, zero, leaf.dtype), jax.eval_shape(draw)
    )

  fill = jax.lax.cond(ablation == ABLATIONS.index("random"), draw, zeros)
  return masks.merge(params, kept, fill)


@functools.lru_cache(maxsize=16)
def _program(metrics_fn, spec, mesh, batch_size, width):
  """Compiled once for all networks of one selection."""

  def evaluate_network(row, shared):
    made = network(
      shared["params"],
      trees.row(shared["masks"], row["mask"]),
      spec,
      jax.random.fold_in(shared["key"], row["seed"]),
      row["ablation"],
    )
    return batching.per_example(
      functools.partial(metrics_fn, made), shared["chunk"], batch_size
    )

  return parallel.over_rows(evaluate_network, mesh, width=width)


def evaluate(
  metrics_fn: types.MetricsFn,
  params: types.Params,
  spec: masks.MaskSpec,
  groups: Mapping[str, Group],
  datasets: Mapping[str, types.Batch],
  *,
  key: jax.Array,
  batch_size: int = 256,
  chunk_size: int = 0,
  width: int = 0,
  devices: Sequence[Any] | None = None,
) -> dict[str, dict[str, TaskMetrics]]:
  """Evaluates all networks that some masks make of one frozen network.

  >>> params = {"kernel": np.array([1.0, 2.0], np.float32)}
  >>> mask = {"kernel": np.array([[True, False]])}
  >>> metrics = evaluate(
  ...   lambda params, batch: {"output": batch["x"] @ params["kernel"]},
  ...   params,
  ...   masks.select(params, [(".*", "weight")]),
  ...   {"learned": Group(mask, seeds=(0,), ablations=("none", "zero"))},
  ...   {"base": {"x": np.ones((4, 2), np.float32)}},
  ...   key=jax.random.key(0),
  ... )["learned"]
  >>> [metrics[name]["base"]["output"].tolist() for name in ("none", "zero")]
  [[1.0], [2.0]]

  Args:
    metrics_fn: (params, batch) -> {metric: f32[batch]}.
    params: the frozen network.
    spec: the masked leaves.
    groups: {name: masks}, e.g. those learned, controls and `dense(spec)`.
    datasets: {test task: arrays [examples, ...]}, alike but for the number
      of examples; NumPy arrays may be mapped from files.
    key: base key of the random ablation.
    batch_size: examples computed at a time.
    chunk_size: examples of all tasks together that lie on the devices at a
      time; 0: all. The networks are made again for every chunk.
    width: networks computed at once on a device; 0: all.
    devices: default: all of `jax.devices()`.

  Returns:
    {name: {ablation: {test task: {metric: f32[K]}}}}, NumPy arrays.
  """
  rows = _rows(groups)
  num_networks = trees.num_rows(rows)
  rows = _fill_up(rows, len(jax.devices() if devices is None else devices))
  mesh = parallel.row_mesh(trees.num_rows(rows), devices)
  program = _program(metrics_fn, spec, mesh, batch_size, width)
  stacked = jax.tree.map(
    lambda *parts: np.concatenate(parts),
    *(parallel.fetch(dict(group.stacked)) for group in groups.values()),
  )
  shared = parallel.replicate(
    {"params": params, "masks": stacked, "key": key}, mesh
  )
  values = _values(
    lambda chunk: program(
      rows, {**shared, "chunk": parallel.replicate(chunk, mesh)}
    ),
    datasets,
    batch_size,
    chunk_size,
  )
  means = _means(trees.row(values, slice(num_networks)), datasets)
  return _by_group(means, groups)


def _rows(groups: Mapping[str, Group]) -> dict[str, np.ndarray]:
  """Returns {"mask", "seed", "ablation": i32[networks]}.

  "mask" counts the masks of all groups, one after another.
  """
  rows, start = [], 0
  for group in groups.values():
    for ablation in group.ablations:
      for index, seed in enumerate(group.seeds, start):
        rows.append((index, seed, ABLATIONS.index(ablation)))
    start += len(group.seeds)
  columns = np.array(rows, np.int32).T
  return dict(zip(("mask", "seed", "ablation"), columns, strict=True))


def _fill_up(
  rows: dict[str, np.ndarray], num_devices: int
) -> dict[str, np.ndarray]:
  """Repeats rows where the devices would not have equally many."""
  num_rows = trees.num_rows(rows)
  rows_each = -(-num_rows // num_devices)
  used = -(-num_rows // rows_each)
  return {name: np.resize(row, used * rows_each) for name, row in rows.items()}


def _by_group(
  means: TaskMetrics, groups: Mapping[str, Group]
) -> dict[str, dict[str, TaskMetrics]]:
  """Cuts f32[networks] into {name: {ablation: f32[K]}}, tasks inside."""
  result: dict[str, dict[str, TaskMetrics]] = {}
  start = 0
  for name, group in groups.items():
    result[name] = {}
    for ablation in group.ablations:
      stop = start + len(group.seeds)
      result[name][ablation] = trees.row(means, slice(start, stop))
      start = stop
  return result


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
  if isinstance(arrays[0], jax.Array):
    return jnp.concatenate(arrays)
  shape = (sum(map(len, arrays)), *arrays[0].shape[1:])
  return np.concatenate(arrays, out=batching.empty(shape, arrays[0].dtype))


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
  stacked: types.AnyMask, spec: masks.MaskSpec
) -> dict[str, np.ndarray]:
  """Returns {ablation: i64[K]}: maskable weights the network still has.

  >>> spec = masks.select({"kernel": np.ones(3)}, [(".*", "weight")])
  >>> kept = kept_weights({"kernel": np.array([[True, True, False]])}, spec)
  >>> kept["none"].tolist(), kept["zero"].tolist()
  ([2], [1])

  An ablated network has the complement, whatever the hole is filled with.
  """
  per_leaf = jax.vmap(lambda mask: masks.kept_weights(mask, spec))(stacked)
  kept = np.sum([np.asarray(n, np.int64) for n in per_leaf.values()], axis=0)
  removed = spec.num_weights - kept
  return {"none": kept, "zero": removed, "random": removed}
