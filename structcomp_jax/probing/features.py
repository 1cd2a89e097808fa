"""What probes read: features computed once, stacked over sites."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from structcomp_jax import types
from structcomp_jax.engine import batching, data

# (params, batch) -> {site: float[batch, features]}, or one such array.
FeatureFn = Callable[[types.Params, types.Batch], Any]
# A column whose spread is a smaller part of its largest value than this is
# constant but for rounding, which must not be blown up.
_SMALLEST_SPREAD = 1e-5


@functools.partial(jax.jit, static_argnums=(0, 3))
def _compute(feature_fn, params, dataset, batch_size):
  return batching.per_example(
    functools.partial(feature_fn, params), dataset, batch_size
  )


def compute_features(
  feature_fn: FeatureFn,
  params: types.Params,
  dataset: types.Batch,
  *,
  batch_size: int = 256,
) -> Any:
  """Returns the features of a whole data set, {site: float[N, features]}.

  >>> def feature_fn(params, batch):
  ...   return {"hidden": batch["x"] @ params["kernel"]}
  >>> params = {"kernel": np.array([[1.0], [2.0]], np.float32)}
  >>> dataset = {"x": np.eye(2, dtype=np.float32)}
  >>> compute_features(feature_fn, params, dataset)["hidden"].tolist()
  [[1.0], [2.0]]

  Args:
    feature_fn: (params, batch) -> {site: float[batch, features]}, or one array;
      so is what is returned.
    params: the frozen network.
    dataset: {name: array [N, ...]}.
    batch_size: examples computed at a time.

  Raises:
    UserError: the data set or what `feature_fn` returns is not as it should be.
  """
  data.check(dataset, "dataset")
  size = min(batch_size, len(jax.tree.leaves(dataset)[0]))
  data.check_features(feature_fn, params, size, {"dataset": dataset})
  return jax.device_get(_compute(feature_fn, params, dict(dataset), batch_size))


def stack_sites(
  features: Mapping[str, Any], width: int | None = None
) -> np.ndarray:
  """Returns f32[sites, N, width]; narrow sites end with zeros.

  A weight of a probe that reads zeros alone stays zero, so the other weights
  are what they would be without it.

  >>> stack_sites({"a": np.ones((1, 1)), "b": np.ones((1, 2))}).tolist()
  [[[1.0, 0.0]], [[1.0, 1.0]]]

  Args:
    features: {site: float[N, features]}.
    width: of the widest site; default: of these.
  """
  arrays = [np.asarray(array, np.float32) for array in features.values()]
  width = max(array.shape[1] for array in arrays) if width is None else width
  stacked = np.zeros((len(arrays), len(arrays[0]), width), np.float32)
  for site, array in zip(stacked, arrays, strict=True):
    site[:, : array.shape[1]] = array
  return stacked


def moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns (mean, scale), f32[..., 1, width], of f32[..., N, width].

  >>> mean, scale = moments(np.array([[1.0, 5.0], [3.0, 5.0]], np.float32))
  >>> mean.tolist(), scale.tolist()
  ([[2.0, 5.0]], [[1.0, 1.0]])

  The scale is the standard deviation, and 1 for a column that is constant.
  """
  mean = features.mean(axis=-2, keepdims=True, dtype=np.float64)
  spread = features.std(axis=-2, keepdims=True, dtype=np.float64)
  largest = np.abs(features).max(axis=-2, keepdims=True)
  is_constant = spread <= _SMALLEST_SPREAD * largest
  scale = np.where(is_constant, 1.0, spread)
  return mean.astype(np.float32), scale.astype(np.float32)
