"""How the networks that masks make do on the test tasks.

One compiled program evaluates every network, those of learned masks, of control
masks and the dense one, on every test task. It is fed with one chunk of the
problems of all tasks after another.
"""

import dataclasses
import functools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from structcomp_jax import masks, trees, types
from structcomp_jax.engine import batching, parallel
from structcomp_jax.evaluation import checks
from structcomp_jax.evaluation.variants import (
  Variant,
  make_network,
  unique_masks,
)

# {test task: {metric: f32[...]}}
TaskMetrics = dict[str, dict[str, Any]]
Label = TypeVar("Label", bound=Hashable)


@functools.lru_cache(maxsize=16)
def _program(metrics_fn, spec, mesh, batch_size, width, fills):
  """Returns the program that tests networks of the same masked leaves."""

  def evaluate_network(row, shared):
    made = make_network(
      shared["params"],
      trees.row(shared["masks"], row["mask"]),
      spec,
      jax.random.fold_in(shared["key"], row["seed"]),
      inverted=row["inverted"],
      fill=row["fill"],
      fills=fills,
    )
    return batching.per_example(
      functools.partial(metrics_fn, made), shared["chunk"], batch_size
    )

  return parallel.over_rows(evaluate_network, mesh, width=width)


def evaluate(
  metrics_fn: types.MetricsFn,
  params: types.Params,
  spec: masks.MaskSpec,
  variants: Mapping[Label, Variant],
  datasets: Mapping[str, types.Batch],
  *,
  key: jax.Array,
  batch_size: int = 256,
  chunk_size: int = 0,
  width: int = 0,
  devices: Sequence[Any] | None = None,
) -> dict[Label, TaskMetrics]:
  """Evaluates all networks that some masks make of one frozen network.

  >>> params = {"kernel": np.array([1.0, 2.0], np.float32)}
  >>> mask = {"kernel": np.array([[True, False]])}
  >>> found = evaluate(
  ...   lambda params, batch: {"output": batch["x"] @ params["kernel"]},
  ...   params,
  ...   masks.select(params, [(".*", "weight")]),
  ...   {"kept": Variant(mask, [0]), "cut": Variant(mask, [0], inverted=True)},
  ...   {"base": {"x": np.ones((4, 2), np.float32)}},
  ...   key=jax.random.key(0),
  ... )
  >>> [found[name]["base"]["output"].tolist() for name in ("kept", "cut")]
  [[1.0], [2.0]]

  Args:
    metrics_fn: (params, batch) -> {metric: f32[batch, ...]}.
    params: the frozen network.
    spec: the masked leaves.
    variants: {label: networks}, e.g. of learned masks, of controls, and
      `dense(spec)`.
    datasets: {test task: arrays [examples, ...]}, alike but for the number
      of examples; NumPy arrays may be mapped from files.
    key: base key of random fills.
    batch_size: examples computed at a time.
    chunk_size: examples of all tasks together that lie on the devices at a
      time; 0: all. The networks are made again for every chunk.
    width: networks computed at once on a device; 0: all.
    devices: default: all of `jax.devices()`.

  Returns:
    {label: {test task: {metric: f32[K, ...]}}}, NumPy arrays.

  Raises:
    UserError: masks, tasks or metrics that do not fit each other.
  """
  trees.check_key(key)
  masks.check_network(params)
  masks.check_spec(spec, params)
  checks.check_sizes(batch_size=batch_size, chunk_size=chunk_size, width=width)
  checks.check_variants(variants, spec)
  checks.check_tasks(metrics_fn, params, datasets, batch_size)
  stacks, _ = unique_masks(variants)
  made = make_program(
    metrics_fn,
    spec,
    variants,
    batch_size=batch_size,
    width=width,
    devices=devices,
  )
  mesh = made.mesh
  stacked = jax.tree.map(
    lambda *parts: np.concatenate(parts),
    *(parallel.fetch(dict(stack)) for stack in stacks),
  )
  shared = parallel.replicate(
    {"params": params, "masks": stacked, "key": key}, mesh
  )
  values = _values(
    lambda chunk: made.program(
      made.rows, {**shared, "chunk": parallel.replicate(chunk, mesh)}
    ),
    datasets,
    batch_size,
    chunk_size,
  )
  means = _means(trees.row(values, slice(made.num_networks)), datasets)
  return _by_variant(means, variants)


@dataclasses.dataclass(frozen=True, eq=False)
class Networks:
  """The networks of an evaluation as rows of one program.

  Attributes:
    program: (rows, {"params", "masks", "key", "chunk"}) -> {metric: f32[rows,
      examples, ...]}; "masks" are all stacks, each once, joined.
    rows: of the networks, filled up to as many on every device.
    num_networks: those that are wanted.
    mesh: over which devices.
  """

  program: parallel.Program
  rows: dict[str, np.ndarray]
  num_networks: int
  mesh: Mesh


def make_program(
  metrics_fn: types.MetricsFn,
  spec: masks.MaskSpec,
  variants: Mapping[Any, Variant],
  *,
  batch_size: int,
  width: int = 0,
  devices: Sequence[Any] | None = None,
) -> Networks:
  """Returns the program of an evaluation, which it does not run.

  >>> params = {"kernel": np.ones(2)}
  >>> spec = masks.select(params, [(".*", "weight")])
  >>> shapes = {"kernel": jax.ShapeDtypeStruct((3, 2), "bool")}
  >>> make_program(
  ...   lambda params, batch: {"output": batch["x"] @ params["kernel"]},
  ...   spec,
  ...   {"kept": Variant(shapes, [0, 1, 2])},
  ...   batch_size=4,
  ... ).num_networks
  3

  Args: those of `evaluate`; of masks the shapes are enough.
  """
  _, starts = unique_masks(variants)
  fills = tuple(sorted({variant.fill for variant in variants.values()}))
  rows = _rows(variants, starts, fills)
  num_networks = trees.num_rows(rows)
  num_filled = parallel.num_filled(num_networks, devices)
  rows = parallel.fill_up(rows, num_networks, num_filled)
  mesh = parallel.row_mesh(num_filled, devices)
  return Networks(
    program=_program(metrics_fn, spec, mesh, batch_size, width, fills),
    rows=rows,
    num_networks=num_networks,
    mesh=mesh,
  )


def _rows(
  variants: Mapping[Any, Variant],
  starts: Mapping[int, int],
  fills: Sequence[str],
) -> dict[str, np.ndarray]:
  """Returns {"mask", "seed", "inverted", "fill": [networks]}."""
  rows = [
    (index, seed, variant.inverted, fills.index(variant.fill))
    for variant in variants.values()
    for index, seed in enumerate(variant.seeds, starts[id(variant.stacked)])
  ]
  columns = np.array(rows, np.int32).T
  names = ("mask", "seed", "inverted", "fill")
  return dict(zip(names, columns, strict=True)) | {
    "inverted": columns[2].astype(bool)
  }


def _by_variant(
  means: TaskMetrics, variants: Mapping[Label, Variant]
) -> dict[Label, TaskMetrics]:
  """Cuts f32[networks, ...] into {label: f32[K, ...]}, tasks inside."""
  result = {}
  start = 0
  for label, variant in variants.items():
    stop = start + len(variant.seeds)
    result[label] = trees.row(means, slice(start, stop))
    start = stop
  return result


def _values(
  program: Callable[[types.Batch], dict[str, jax.Array]],
  datasets: Mapping[str, types.Batch],
  batch_size: int,
  chunk_size: int,
) -> dict[str, np.ndarray]:
  """Returns {metric: f32[networks, examples of all data sets, ...]}.

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
    lambda *parts: np.concatenate(parts, axis=1)[:, :total], *values
  )


def _chunks(
  datasets: Mapping[str, types.Batch], batch_size: int, chunk_size: int
) -> Iterator[types.Batch]:
  """Yields the examples of all data sets, one after another.

  All chunks have one size, so that one program serves them. The last one is
  filled up with examples from the start.
  """
  total = sum(map(trees.num_rows, datasets.values()))
  size = examples_of_chunk(total, batch_size, chunk_size)
  for start in range(0, total, size):
    parts = _examples(datasets, start, start + size)
    if start + size > total:
      parts += _examples(datasets, 0, start + size - total)
    yield jax.tree.map(_concatenate, *parts)


def examples_of_chunk(total: int, batch_size: int, chunk_size: int = 0) -> int:
  """Returns how many examples lie on the devices at a time.

  Chunks are as equal as whole batches allow.

  >>> examples_of_chunk(total=100, batch_size=8, chunk_size=64)
  56

  Args:
    total: examples of all tasks.
    batch_size: examples computed at a time.
    chunk_size: of a chunk, at most; 0: all.
  """
  num_batches = -(-total // batch_size)
  num_chunks = -(-total // (chunk_size or total))
  return min(-(-num_batches // num_chunks) * batch_size, total)


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
  """Returns {task: {metric: f32[networks, ...]}}.

  Sums on the host, in float64: the same for any batches, chunks and devices,
  and correctly rounded, so that 168 of 500 is 0.336.
  """
  means, start = {}, 0
  for task, dataset in datasets.items():
    stop = start + trees.num_rows(dataset)
    means[task] = {
      name: value[:, start:stop].mean(1, dtype=np.float64).astype(np.float32)
      for name, value in values.items()
    }
    start = stop
  return means
