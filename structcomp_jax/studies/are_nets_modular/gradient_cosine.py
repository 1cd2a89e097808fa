"""How much the gradient of a network changes if its top is masked.

If a mask leaves the weights of a function as they were in the whole network,
the gradient in the weights that it keeps should not change either.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import masks, trees, types


@functools.partial(jax.jit, static_argnums=0)
def summed_gradient(
  loss_fn: types.LossFn, params: types.Params, batches: types.Batch
) -> types.Params:
  """Returns the sum of the gradients of the mean loss of every batch.

  Args:
    loss_fn: (params, batch) -> mean loss.
    params: the network.
    batches: {name: array [batches, batch, ...]}.
  """

  def add(total, batch):
    return jax.tree.map(jnp.add, total, jax.grad(loss_fn)(params, batch)), None

  start = jax.tree.map(jnp.zeros_like, params)
  total, _ = jax.lax.scan(add, start, dict(batches))
  return total


def cosines(
  whole: types.Params, masked: types.Params, kept: types.AnyMask
) -> dict[str, float]:
  """Returns {leaf: cosine of two gradients}, and under "" that of all leaves.

  >>> cosines({"a": np.ones(2)}, {"a": np.array([2.0, 5.0])},
  ...         {"a": np.array([True, False])})[""]
  1.0

  Args:
    whole: gradient of the whole network.
    masked: gradient of the masked one.
    kept: {leaf: bool[...]}: the entries that are compared.

  Returns:
    NaN where one of them is zero, or nothing is kept.
  """
  first, second = trees.leaves_by_path(whole), trees.leaves_by_path(masked)
  sums: dict[str, np.ndarray] = {}
  for path, leaf in kept.items():
    one, other = (
      np.asarray(gradient[path], np.float64)[np.asarray(leaf)]
      for gradient in (first, second)
    )
    sums[path] = np.array([one @ other, one @ one, other @ other])
  sums[""] = np.sum(list(sums.values()), axis=0)
  return {path: _cosine(*found) for path, found in sums.items()}


def _cosine(product: float, one: float, other: float) -> float:
  norm = float(np.sqrt(one * other))
  return float(product) / norm if norm else float("nan")


def from_the_top(
  mask: types.AnyMask, stages: Sequence[str], num_masked: int
) -> types.AnyMask:
  """Returns the mask of the last stages alone; the others keep everything.

  Args:
    mask: {path: bool[...]}.
    stages: of the network, first to last.
    num_masked: how many stages are masked.
  """
  top = stages[len(stages) - num_masked :]
  return {
    path: np.asarray(leaf)
    if path.split("/")[0] in top
    else np.ones(leaf.shape, bool)
    for path, leaf in mask.items()
  }


def by_depth(
  loss_fn: types.LossFn,
  params: types.Params,
  mask: types.AnyMask,
  stages: Sequence[str],
  batches: types.Batch,
) -> list[dict[str, float]]:
  """Returns the cosines with no stage masked, with the last one, with two, ...

  Args:
    loss_fn: (params, batch) -> mean loss.
    params: the network.
    mask: {path: bool[...]}.
    stages: of the network, first to last.
    batches: {name: array [batches, batch, ...]}.
  """
  whole = summed_gradient(loss_fn, params, batches)
  found = []
  for num_masked in range(len(stages) + 1):
    kept = from_the_top(mask, stages, num_masked)
    network = masks.merge(params, {p: jnp.asarray(k) for p, k in kept.items()})
    gradient = summed_gradient(loss_fn, network, batches)
    found.append(cosines(whole, gradient, kept))
  return found
