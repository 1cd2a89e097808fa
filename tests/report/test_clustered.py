"""Clustered means and differences equal least squares written out by hand."""

import numpy as np
import pytest
from scipy import stats

from structcomp_jax.report.clustered import clustered_difference, clustered_mean

# Clusters of different sizes, in no order.
CLUSTERS = np.array([2, 0, 1, 0, 2, 2, 3, 0, 0, 1])


@pytest.fixture
def values():
  return np.random.default_rng(0).normal(0.3, 1.0, len(CLUSTERS))


def least_squares(design, values, clusters):
  """Returns coefficients and their covariance: HC0 by clusters, G/(G-1)."""
  bread = np.linalg.inv(design.T @ design)
  coefficients = bread @ design.T @ values
  residuals = values - design @ coefficients
  scores = [
    design[clusters == one].T @ residuals[clusters == one]
    for one in np.unique(clusters)
  ]
  meat = sum(np.outer(score, score) for score in scores)
  factor = len(scores) / (len(scores) - 1)
  return coefficients, factor * bread @ meat @ bread


def test_mean_is_least_squares_on_a_constant(values):
  found = clustered_mean(values, CLUSTERS)
  design = np.ones((len(values), 1))
  coefficients, covariance = least_squares(design, values, CLUSTERS)
  np.testing.assert_allclose(found.value, coefficients[0])
  np.testing.assert_allclose(found.standard_error, covariance[0, 0] ** 0.5)
  assert found.num_clusters == 4


def test_difference_is_least_squares_on_two_groups(values):
  second = values[:7] + 1
  found = clustered_difference(values, CLUSTERS, second, CLUSTERS[:7])
  is_second = np.repeat([0.0, 1.0], [len(values), 7])
  design = np.column_stack([np.ones_like(is_second), is_second])
  coefficients, covariance = least_squares(
    design,
    np.concatenate([values, second]),
    np.concatenate([CLUSTERS, CLUSTERS[:7] + 100]),
  )
  np.testing.assert_allclose(found.value, -coefficients[1])
  np.testing.assert_allclose(found.standard_error, covariance[1, 1] ** 0.5)
  assert found.num_clusters == 8


def test_equal_clusters_give_the_t_test_of_their_means(values):
  clusters = np.repeat(np.arange(5), 2)
  found = clustered_mean(values, clusters)
  expected = stats.ttest_1samp(values.reshape(5, 2).mean(axis=1), 0.0)
  np.testing.assert_allclose(found.p_t, expected.pvalue)
  interval = expected.confidence_interval(0.95)
  np.testing.assert_allclose(found.interval, interval)


def test_p_values_are_two_sided(values):
  found = clustered_mean(values, CLUSTERS)
  ratio = abs(found.value) / found.standard_error
  np.testing.assert_allclose(found.p_t, 2 * stats.t.sf(ratio, 3))
  np.testing.assert_allclose(found.p_normal, 2 * stats.norm.sf(ratio))


def test_missing_values_are_left_out_with_their_clusters(values):
  values[CLUSTERS == 3] = np.nan
  values[0] = np.nan
  found = clustered_mean(values, CLUSTERS)
  present = ~np.isnan(values)
  assert found == clustered_mean(values[present], CLUSTERS[present])
  assert found.num_clusters == 3
  np.testing.assert_allclose(found.value, np.nanmean(values))


def test_fewer_than_two_clusters_give_no_estimate(values):
  assert clustered_mean(values, np.zeros_like(CLUSTERS)) is None
  assert clustered_mean([], []) is None
  assert clustered_mean(np.full(3, np.nan), [0, 1, 2]) is None
  one = values, np.zeros_like(CLUSTERS)
  assert clustered_difference(values, CLUSTERS, *one) is None
  assert clustered_difference(*one, values, CLUSTERS) is None


@pytest.mark.parametrize(("value", "p"), [(0.5, 0.0), (0.0, 1.0)])
def test_no_spread_at_all(value, p):
  found = clustered_mean(np.full(4, value), [0, 0, 1, 1])
  assert (found.p_normal, found.p_t) == (p, p)
  assert found.interval == (value, value)
