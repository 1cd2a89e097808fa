"""Clustered least squares equal the formulas written out by hand."""

import numpy as np
import pytest
from scipy import stats

from structcomp_jax.report import least_squares
from structcomp_jax.report.clustered import clustered_difference, clustered_mean

# Clusters of different sizes, in no order.
CLUSTERS = np.array([2, 0, 1, 0, 2, 2, 3, 0, 0, 1])
SECOND = np.array([0, 1, 1, 0, 0, 1, 0, 1, 0, 1.0])


@pytest.fixture
def values():
  return np.random.default_rng(0).normal(0.3, 1.0, len(CLUSTERS))


def test_coefficients_are_those_of_least_squares(values):
  design = {"one": np.ones(10), "second": SECOND, "third": np.arange(10.0)}
  found = least_squares.fit(design, values, CLUSTERS)
  expected, *_ = np.linalg.lstsq(np.column_stack(list(design.values())), values)
  np.testing.assert_allclose(list(found.coefficients.values()), expected)
  assert list(found.coefficients) == list(design)
  assert found.num_clusters == 4


def least_squares_by_hand(design, values, clusters):
  """Returns coefficients and covariance, without any matrix of scores."""
  bread = np.linalg.inv(design.T @ design)
  coefficients = bread @ design.T @ values
  residuals = values - design @ coefficients
  meat = np.zeros_like(bread)
  for i, row in enumerate(design):
    for j, other in enumerate(design):
      if clusters[i] == clusters[j]:
        meat += residuals[i] * residuals[j] * np.outer(row, other)
  count = len(set(clusters))
  # Neither (n-1)/(n-k) nor any other factor than G/(G-1).
  return coefficients, count / (count - 1) * bread @ meat @ bread


def test_covariance_sums_the_scores_of_whole_clusters(values):
  design = {"one": np.ones(10), "second": SECOND}
  found = least_squares.fit(design, values, CLUSTERS)
  x = np.column_stack(list(design.values()))
  coefficients, covariance = least_squares_by_hand(x, values, CLUSTERS)
  np.testing.assert_allclose(list(found.coefficients.values()), coefficients)
  for terms, picked in (
    (("one",), [1, 0]),
    (("second",), [0, 1]),
    (("one", "second"), [1, 1]),
  ):
    tested = least_squares.wald_test(found, *terms)
    np.testing.assert_allclose(
      tested.standard_error**2, np.dot(picked, covariance @ picked)
    )
    np.testing.assert_allclose(tested.estimate, np.dot(picked, coefficients))


def test_a_constant_alone_gives_the_clustered_mean(values):
  found = least_squares.fit({"one": np.ones(10)}, values, CLUSTERS)
  tested = least_squares.wald_test(found, "one")
  mean = clustered_mean(values, CLUSTERS)
  np.testing.assert_allclose(tested.estimate, mean.value)
  np.testing.assert_allclose(tested.standard_error, mean.standard_error)
  np.testing.assert_allclose(tested.p, mean.p_normal)


def test_two_groups_give_the_clustered_difference(values):
  clusters = CLUSTERS + 10 * SECOND
  design = {"one": np.ones(10), "second": SECOND}
  found = least_squares.fit(design, values, clusters)
  tested = least_squares.wald_test(found, "second")
  is_second = SECOND == 1
  difference = clustered_difference(
    values[is_second],
    clusters[is_second],
    values[~is_second],
    clusters[~is_second],
  )
  np.testing.assert_allclose(tested.estimate, difference.value)
  np.testing.assert_allclose(tested.standard_error, difference.standard_error)


def test_a_sum_is_the_intercept_of_the_other_coding(values):
  ones = np.ones(10)
  first = least_squares.fit({"1": ones, "a": SECOND}, values, CLUSTERS)
  other = least_squares.fit({"1": ones, "b": 1 - SECOND}, values, CLUSTERS)
  summed = least_squares.wald_test(first, "1", "a")
  intercept = least_squares.wald_test(other, "1")
  np.testing.assert_allclose(summed.estimate, intercept.estimate)
  np.testing.assert_allclose(summed.chi2, intercept.z**2)
  np.testing.assert_allclose(summed.p, intercept.p)
  np.testing.assert_allclose(summed.p, stats.chi2.sf(summed.chi2, 1))


def test_no_spread_has_no_error():
  values = np.full(4, 0.75)
  design = {"1": np.ones(4), "a": [0, 0, 1, 1]}
  found = least_squares.fit(design, values, [0, 1, 0, 1])
  constant = least_squares.wald_test(found, "1")
  assert (constant.standard_error, constant.z, constant.p) == (0, np.inf, 0)
  # The second group has spread, so that the fit of the first is rounded.
  for count in range(2, 20):
    is_second = np.repeat([0, 1], count)
    spread = np.random.default_rng(count).uniform(-0.7, 0.7, count)
    values = np.where(is_second, np.tile(spread, 2), 0.7)
    design = {"1": np.ones(2 * count), "a": is_second}
    clusters = np.tile(np.arange(count), 2)
    found = least_squares.fit(design, values, clusters)
    assert least_squares.wald_test(found, "1").standard_error == 0
    assert least_squares.wald_test(found, "1", "a").standard_error > 0
  found = least_squares.fit({"1": np.ones(4)}, np.zeros(4), [0, 1, 0, 1])
  assert np.isnan(least_squares.wald_test(found, "1").z)


@pytest.mark.parametrize(
  ("design", "clusters", "message"),
  [
    ({"1": np.ones(4), "2": np.ones(4)}, [0, 0, 1, 1], "depend on each other"),
    ({"1": np.ones(4)}, [0, 0, 0, 0], "at least two clusters"),
  ],
)
def test_what_cannot_be_estimated_is_refused(design, clusters, message):
  with pytest.raises(ValueError, match=message):
    least_squares.fit(design, np.arange(4.0), clusters)
