"""Whether networks and tasks can be evaluated, checked before compiling."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from structcomp_jax import masks, settings, trees, types
from structcomp_jax.engine import data
from structcomp_jax.evaluation.variants import Variant


def check_sizes(**sizes: int) -> None:
  """Raises UserError unless sizes are integers; `batch_size` at least 1.

  >>> check_sizes(batch_size=1, width=0)
  """
  for name, size in sizes.items():
    settings.whole(name, size, 1 if name == "batch_size" else 0)


def check_variants(variants: Any, spec: masks.MaskSpec) -> None:
  """Raises UserError unless all variants are networks of these leaves.

  >>> spec = masks.select({"kernel": np.ones(2)}, [(".*", "weight")])
  >>> mask = {"kernel": np.ones((1, 2), bool)}
  >>> check_variants({"dense": Variant(mask, seeds=[0])}, spec)

  Args:
    variants: {label: networks}.
    spec: the masked leaves.
  """
  if not isinstance(variants, Mapping) or not variants:
    raise types.UserError(
      "there are no networks to evaluate; give {label: Variant}"
    )
  for label, variant in variants.items():
    if not isinstance(variant, Variant):
      raise types.UserError(
        f"{label!r} is a {type(variant).__name__}; give a Variant(masks, seeds)"
      )
    if variant.fill not in masks.FILLS:
      raise types.UserError(
        f"{label!r} has the unknown fill {variant.fill!r}; use one of "
        f"{', '.join(masks.FILLS)}"
      )
    for seed in variant.seeds:
      settings.whole(f"a seed of {label!r}", seed)
    shapes = {path: np.shape(leaf) for path, leaf in variant.stacked.items()}
    wanted = {
      leaf.path: (len(variant.seeds), *leaf.mask_shape) for leaf in spec.leaves
    }
    for path in sorted({*shapes, *wanted}):
      if shapes.get(path) != wanted.get(path):
        raise types.UserError(
          f"masks {label!r} have leaf {path!r} of shape {shapes.get(path)}, "
          f"wanted {wanted.get(path)}; give one mask for each of the "
          f"{len(variant.seeds)} seeds, and every masked leaf"
        )


def check_tasks(
  metrics_fn: types.MetricsFn,
  params: types.Params,
  datasets: Any,
  batch_size: int,
) -> None:
  """Raises UserError unless tasks are alike, and metrics fit them.

  >>> params, dataset = {"scale": np.ones(1)}, {"x": np.ones(3)}
  >>> def metrics_fn(params, batch):
  ...   return {"output": params["scale"] * batch["x"]}
  >>> check_tasks(metrics_fn, params, {"test": dataset}, 2)

  Args:
    metrics_fn, params, datasets, batch_size: as for `evaluate`.
  """
  if not isinstance(datasets, Mapping) or not datasets:
    raise types.UserError(
      "there are no tasks to evaluate; give {task: {name: array}}"
    )
  for task, dataset in datasets.items():
    data.check(dataset, f"task {task!r}")
  kinds = {task: _kinds(dataset) for task, dataset in datasets.items()}
  (first, wanted), *others = kinds.items()
  for task, found in others:
    for path in sorted({*found, *wanted}):
      if found.get(path) != wanted.get(path):
        raise types.UserError(
          f"tasks {first!r} and {task!r} differ in {path!r} "
          f"({_words(wanted.get(path))} and {_words(found.get(path))}); "
          "give them alike but for the number of examples"
        )
  total = sum(map(trees.num_rows, datasets.values()))
  named = {f"task {task!r}": dataset for task, dataset in datasets.items()}
  data.check_metrics(metrics_fn, params, min(batch_size, total), named)


def _kinds(dataset: types.Batch) -> dict[str, Any]:
  """Returns {path: (dtype, shape of an example)}, as they are computed with."""
  return {
    path: (data.dtype_of(leaf), leaf.shape[1:])
    for path, leaf in trees.leaves_by_path(dataset).items()
  }


def _words(kind: Any) -> str:
  return "missing" if kind is None else f"{kind[0]}{list(kind[1])}"
