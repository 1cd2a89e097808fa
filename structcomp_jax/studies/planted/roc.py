"""How well scores tell two groups apart."""

import numpy as np
from scipy import stats


def auc(
  positive: np.ndarray, negative: np.ndarray, axis: int = -1
) -> np.ndarray:
  """Returns how often a positive scores higher; equal scores count half.

  It is the area under the ROC curve.

  >>> auc(np.array([1.0, 3.0]), np.array([0.0, 1.0])).item()
  0.875

  Args:
    positive: float[..., n, ...].
    negative: float[..., m, ...].
    axis: along which n and m lie.
  """
  ranks = stats.rankdata(np.concatenate([positive, negative], axis), axis=axis)
  size = positive.shape[axis]
  total = np.take(ranks, np.arange(size), axis).sum(axis)
  return (total / size - (size + 1) / 2) / negative.shape[axis]


def auc_with_interval(
  positive: np.ndarray, negative: np.ndarray, seed: int = 0
) -> tuple[float, float, float]:
  """Returns the AUC and its 95 % interval over networks.

  The interval is that of the percentile bootstrap. It has no length where the
  groups do not overlap.

  Args:
    positive: float[n], scores of networks.
    negative: float[m], of other networks.
    seed: of the resampling.
  """
  found = stats.bootstrap(
    (positive, negative),
    auc,
    vectorized=True,
    n_resamples=1000,
    method="percentile",
    rng=np.random.default_rng(seed),
  )
  interval = found.confidence_interval
  value = float(auc(positive, negative))
  return value, float(interval.low), float(interval.high)


def threshold(positive: np.ndarray, negative: np.ndarray) -> float:
  """Returns the limit with the highest mean of both shares that are right.

  >>> threshold(np.array([2.0, 3.0]), np.array([0.0, 1.0]))
  1.5

  Args:
    positive: float[n], above the limit if judged rightly.
    negative: float[m], at most the limit if judged rightly.
  """
  values = np.unique(np.concatenate([positive, negative]))
  limits = np.concatenate([[values[0] - 1], (values[1:] + values[:-1]) / 2])
  right = [
    (positive > limit).mean() + (negative <= limit).mean() for limit in limits
  ]
  return float(limits[int(np.argmax(right))])
