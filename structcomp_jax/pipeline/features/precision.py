"""What a narrower dtype changes, measured on the base network."""

import functools
from typing import Any

import jax
import numpy as np

from structcomp_jax import trees, types


def measure(
  exact_fn: types.MetricsFn,
  narrow_fn: types.MetricsFn,
  params: types.Params,
  problems: types.Batch,
  batch_size: int,
) -> dict[str, float]:
  """Returns how metrics differ between two ways to compute them.

  Args:
    exact_fn: (params, batch) -> {"loss", "accuracy": f32[batch]}, in float32.
    narrow_fn: the same, in a narrower dtype.
    params: the dense network.
    problems: arrays [examples, ...].
    batch_size: examples computed at a time.

  Returns:
    {"accuracy_float32", "accuracy", "mean_loss_difference"}: the accuracies of
    both, and the mean absolute difference of the losses (nats).
  """
  exact = _per_example(exact_fn, params, problems, batch_size)
  narrow = _per_example(narrow_fn, params, problems, batch_size)
  difference = np.abs(exact["loss"] - narrow["loss"])
  return {
    "accuracy_float32": float(exact["accuracy"].mean(dtype=np.float64)),
    "accuracy": float(narrow["accuracy"].mean(dtype=np.float64)),
    "mean_loss_difference": float(difference.mean(dtype=np.float64)),
  }


def describe(dtypes: dict[str, str], found: dict[str, Any]) -> str:
  """Returns one line for the log.

  Args:
    dtypes: {what: dtype}, e.g. {"features": "bfloat16"}.
    found: what `measure` returns.
  """
  kinds = ", ".join(f"{what} in {dtype}" for what, dtype in dtypes.items())
  return (
    f"{kinds}: the dense network has accuracy {found['accuracy']:.4f} on the "
    "validation problems of base, in float32 throughout "
    f"{found['accuracy_float32']:.4f}; losses differ by "
    f"{found['mean_loss_difference']:.2g} on average"
  )


@functools.partial(jax.jit, static_argnums=0)
def _metrics(metrics_fn, params, problems):
  """Compiled once for equal functions."""
  return metrics_fn(params, problems)


def _per_example(metrics_fn, params, problems, batch_size):
  """Returns {metric: f32[examples]}, NumPy arrays."""
  num_examples = trees.num_rows(problems)
  batch_size = min(batch_size, num_examples)
  parts = []
  for start in range(0, num_examples, batch_size):
    rows = np.arange(start, start + batch_size) % num_examples
    found = _metrics(metrics_fn, params, trees.row(problems, rows))
    parts.append(jax.device_get(found))
  return jax.tree.map(
    lambda *values: np.concatenate(values)[:num_examples], *parts
  )
