"""What a narrower dtype changes, measured on the base network."""

import functools
from typing import Any

import jax
import numpy as np

from structcomp_jax import trees, types
from structcomp_jax.engine import batching


def measure(
  exact_fn: types.MetricsFn,
  narrow_fn: types.MetricsFn,
  params: types.Params,
  problems: types.Batch,
  batch_size: int,
) -> dict[str, float]:
  """Returns how metrics differ between two ways to compute them.

  >>> def metrics_fn(params, batch):
  ...   return {"loss": batch["x"], "accuracy": batch["x"]}
  >>> problems = {"x": np.ones(3, np.float32)}
  >>> measure(metrics_fn, metrics_fn, {}, problems, 2)["mean_loss_difference"]
  0.0

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

  >>> found = {"accuracy": 1, "accuracy_float32": 1, "mean_loss_difference": 0}
  >>> describe({"features": "bfloat16"}, found)[:22]
  'features in bfloat16: '

  Args:
    dtypes: {what: dtype}, e.g. {"features": "bfloat16"}.
    found: what `measure` returns.
  """
  kinds = ", ".join(f"{what} in {dtype}" for what, dtype in dtypes.items())
  return (
    f"{kinds}: the dense network has accuracy {found['accuracy']:.4f} on the "
    "validation problems, in float32 throughout "
    f"{found['accuracy_float32']:.4f}; losses differ by "
    f"{found['mean_loss_difference']:.2g} on average"
  )


@functools.partial(jax.jit, static_argnums=0)
def _metrics(metrics_fn, params, problems):
  """Returns metrics of problems, by a program kept by the function's value."""
  return metrics_fn(params, problems)


def _per_example(metrics_fn, params, problems, batch_size):
  """Returns {metric: f32[examples]}, NumPy arrays."""
  num_examples = trees.num_rows(problems)
  parts = [
    jax.device_get(_metrics(metrics_fn, params, trees.row(problems, rows)))
    for rows in batching.equal_batches(num_examples, batch_size)
  ]
  return jax.tree.map(
    lambda *values: np.concatenate(values)[:num_examples], *parts
  )
