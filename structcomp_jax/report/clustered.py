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

from structcomp_jax.report import least_squares
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
  found = _present(values, clusters)
  if found["cluster"].nunique() < 2:
    return None
  return _fitted(found.assign(mean=1.0), "mean")


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
  groups = [_present(first, first_clusters), _present(second, second_clusters)]
  if min(one["cluster"].nunique() for one in groups) < 2:
    return None
  both = pd.concat(groups, keys=[1.0, 0.0], names=["group"]).reset_index()
  # A cluster is named by its group, too.
  names = both["group"].astype(str) + " " + both["cluster"].astype(str)
  return _fitted(
    both.assign(mean=1.0, difference=both["group"], cluster=names),
    "mean", "difference",
  )  # fmt: skip


def _present(values: ArrayLike, clusters: ArrayLike) -> pd.DataFrame:
  """Returns columns value and cluster, without missing values."""
  table = pd.DataFrame(
    {"value": np.asarray(values, float), "cluster": np.asarray(clusters)}
  )
  return table.dropna(subset=["value"])


def _fitted(table: pd.DataFrame, *terms: str) -> Estimate:
  """Estimates the last of some terms, each of which is a column."""
  found = least_squares.fit(
    {term: table[term] for term in terms}, table["value"], table["cluster"]
  )
  tested = least_squares.wald_test(found, terms[-1])
  value, error = tested.estimate, tested.standard_error
  freedom = found.num_clusters - 1
  half_width = float(stats.t.ppf(0.975, freedom)) * error
  return Estimate(
    value=value,
    standard_error=error,
    p_normal=normal_p(value, error),
    p_t=float(2 * stats.t.sf(abs(ratio(value, error)), freedom)),
    interval=(value - half_width, value + half_width),
    num_clusters=found.num_clusters,
    freedom=freedom,
    method="published",
  )
