"""Published statistics: least squares over masks, errors clustered by network.

This is the model of Lepori et al. 2023, kept to reproduce their numbers; what
pages conclude from is `report.inference`. Values of one cluster are repeats of
one observation: masks of one base network, say. With residuals u_i from the
mean of n values in G clusters,

    V = G/(G-1) sum_g [ sum_{i in g} u_i / n ]^2

is the cluster-robust variance of the mean. The difference between two groups,
which share no cluster, has the sum of both sums, with the G of both. That is
ordinary least squares with a constant for every group, HC0 with the cluster
factor and without (n-1)/(n-k). The published p-value is `p_normal`.

It is wrong too often where networks are few (docs/results/inference.md): a
z-test is far too sure of itself; so are t and interval, with G - 1 degrees of
freedom, of the difference, which takes the networks of both groups for one
sample, and of means over clusters of different sizes. Trained and untrained
networks of one base seed are not independent, as the difference supposes.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from structcomp_jax.report.estimate import Estimate, normal_p, ratio


def clustered_mean(values: ArrayLike, clusters: ArrayLike) -> Estimate | None:
  """Estimates a mean as published.

  >>> found = clustered_mean([1.0, 2.0, 3.0, 6.0], ["a", "a", "b", "c"])
  >>> found.value, found.num_clusters
  (3.0, 3)

  Args:
    values: float[n]; NaN is left out.
    clusters: [n], the cluster of every value.

  Returns:
    The mean over values, or None with fewer than two clusters.
  """
  mean, sums = _mean_and_cluster_sums(values, clusters)
  return _estimate(mean, sums) if len(sums) > 1 else None


def clustered_difference(
  first: ArrayLike,
  first_clusters: ArrayLike,
  second: ArrayLike,
  second_clusters: ArrayLike,
) -> Estimate | None:
  """Estimates the mean of one group minus that of another, as published.

  >>> found = clustered_difference([3.0, 4.0], [0, 1], [1.0, 2.0], [0, 1])
  >>> found.value, found.num_clusters
  (2.0, 4)

  Args:
    first: float[n]; NaN is left out.
    first_clusters: [n], the cluster of every value.
    second: float[m], the other group.
    second_clusters: [m]. A name that both groups use names two clusters.

  Returns:
    The difference, or None where a group has fewer than two clusters.
  """
  first_mean, first_sums = _mean_and_cluster_sums(first, first_clusters)
  second_mean, second_sums = _mean_and_cluster_sums(second, second_clusters)
  if min(len(first_sums), len(second_sums)) < 2:
    return None
  sums = np.concatenate([first_sums, second_sums])
  return _estimate(first_mean - second_mean, sums)


def _mean_and_cluster_sums(
  values: ArrayLike, clusters: ArrayLike
) -> tuple[float, np.ndarray]:
  """Returns the mean, and sum_{i in g} u_i / n of every cluster g."""
  data = pd.Series(np.asarray(values, float)).dropna()
  names = pd.Series(np.asarray(clusters))[data.index]
  residuals = (data - data.mean()) / len(data)
  return float(data.mean()), residuals.groupby(names).sum().to_numpy()


def _estimate(value: float, cluster_sums: np.ndarray) -> Estimate:
  num_clusters = len(cluster_sums)
  factor = num_clusters / (num_clusters - 1)
  error = float(np.sqrt(factor * np.sum(cluster_sums**2)))
  freedom = num_clusters - 1
  half_width = float(stats.t.ppf(0.975, freedom)) * error
  return Estimate(
    value=value,
    standard_error=error,
    p_normal=normal_p(value, error),
    p_t=float(2 * stats.t.sf(abs(ratio(value, error)), freedom)),
    interval=(value - half_width, value + half_width),
    num_clusters=num_clusters,
    freedom=freedom,
    method="published",
  )
