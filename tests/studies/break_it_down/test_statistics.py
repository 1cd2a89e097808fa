"""The tests equal those of the published models, written out by hand."""

import numpy as np
import pytest
from scipy import stats

from structcomp_jax.studies.break_it_down.findings import (
  statistics,
  task_difference,
)
from tests.studies.break_it_down import synthetic


def _differences(regime="scratch", num_bases=3):
  results = synthetic.results_rows(regime, num_bases=num_bases, noise=0.1)
  table = task_difference.task_differences(results)
  return table[table["subroutine"] == "verb"]


def _sandwich(design, performance, clusters):
  bread = np.linalg.inv(design.T @ design)
  coefficients = bread @ design.T @ performance
  residuals = performance - design @ coefficients
  meat = np.zeros_like(bread)
  for cluster in np.unique(clusters):
    score = design[clusters == cluster].T @ residuals[clusters == cluster]
    meat += np.outer(score, score)
  count = len(np.unique(clusters))
  return coefficients, count / (count - 1) * bread @ meat @ bread


def test_networks_count_once_whatever_their_masks():
  table = _differences().reset_index(drop=True)
  table = table.drop(index=table[table["base_seed"] == 0].index[1:])
  found = statistics.network_tests(table)
  assert list(found) == ["D_sub", "D_abl"]
  for one, column in zip(found.values(), ["d_sub", "d_abl"], strict=True):
    means = table.groupby("base_seed")[column].mean()
    expected = stats.ttest_1samp(means, 0.0)
    np.testing.assert_allclose(one.value, means.mean())
    np.testing.assert_allclose(one.p_t, expected.pvalue)
    np.testing.assert_allclose(one.interval, expected.confidence_interval(0.95))


def test_trained_and_untrained_networks_of_one_seed_are_pairs():
  first, second = _differences(), _differences("random_init", 4)
  found = statistics.network_comparisons(first, second)
  assert list(found) == ["D_sub", "D_abl"]
  for one, column in zip(found.values(), ["d_sub", "d_abl"], strict=True):
    ours, theirs = (
      table.groupby("base_seed")[column].mean() for table in (first, second)
    )
    expected = stats.ttest_rel(ours, theirs[:3])
    np.testing.assert_allclose(one.value, (ours - theirs[:3]).mean())
    np.testing.assert_allclose(one.p_t, expected.pvalue)
    assert (one.method, one.num_clusters, one.num_left_out) == ("pairs", 3, 1)
  one_each = [table[table["base_seed"] == 0] for table in (first, second)]
  assert statistics.network_tests(one_each[0]) == {}
  assert statistics.network_comparisons(*one_each) == {}


def test_difference_tests_equal_the_hand_formula():
  table = _differences()
  sub, abl = statistics.difference_tests(table).values()
  performance = np.concatenate([table["d_sub"], table["d_abl"]])
  ablation = np.repeat([0.0, 1.0], len(table))
  design = np.column_stack([np.ones_like(ablation), ablation])
  clusters = np.tile(table["base_seed"].to_numpy(), 2)
  coefficients, covariance = _sandwich(design, performance, clusters)
  np.testing.assert_allclose(sub.value, coefficients[0])
  np.testing.assert_allclose(sub.standard_error, covariance[0, 0] ** 0.5)
  ones = np.ones(2)
  np.testing.assert_allclose(abl.value, coefficients.sum())
  chi_squared = abl.value**2 / (ones @ covariance @ ones)
  np.testing.assert_allclose(abl.p_normal, stats.chi2.sf(chi_squared, 1))


def test_balanced_error_is_that_of_the_cluster_means():
  table = _differences()
  sub, abl = statistics.difference_tests(table).values()
  for test, column in ((sub, "d_sub"), (abl, "d_abl")):
    means = table.groupby("base_seed")[column].mean()
    expected = stats.ttest_1samp(means, 0.0)
    np.testing.assert_allclose(
      test.standard_error, means.std() / len(means) ** 0.5
    )
    np.testing.assert_allclose(test.p_t, expected.pvalue)
    interval = expected.confidence_interval(0.95)
    np.testing.assert_allclose(test.interval, interval)


def test_comparison_equals_the_hand_formula():
  first, second = _differences(), _differences("random_init", 4)
  sub, abl = statistics.comparison_tests(first, second).values()
  np.testing.assert_allclose(
    sub.value, first["d_sub"].mean() - second["d_sub"].mean()
  )
  performance = np.concatenate(
    [first["d_sub"], first["d_abl"], second["d_sub"], second["d_abl"]]
  )
  counts = [len(first)] * 2 + [len(second)] * 2
  ablation = np.repeat([0.0, 1.0, 0.0, 1.0], counts)
  random = np.repeat([0.0, 0.0, 1.0, 1.0], counts)
  design = np.column_stack(
    [np.ones_like(random), ablation, random, ablation * random]
  )
  clusters = np.concatenate(
    [np.tile(first["base_seed"], 2), np.tile(second["base_seed"] + 100, 2)]
  )
  coefficients, covariance = _sandwich(design, performance, clusters)
  combination = np.array([0.0, 0.0, 1.0, 1.0])
  np.testing.assert_allclose(abl.value, -combination @ coefficients)
  np.testing.assert_allclose(
    abl.standard_error, (combination @ covariance @ combination) ** 0.5
  )
  assert abl.num_clusters == 7


def test_t_is_never_more_sure_than_normal():
  for test in statistics.difference_tests(_differences()).values():
    assert test.p_t >= test.p_normal


@pytest.mark.parametrize("num_bases", [0, 1])
def test_too_few_networks_give_no_test(num_bases):
  table = _differences()
  table = table[table["base_seed"] < num_bases]
  assert statistics.difference_tests(table) == {}
  assert statistics.comparison_tests(table, _differences()) == {}


def test_no_spread_at_all():
  table = _differences()
  table = table.assign(d_sub=0.5, d_abl=0.0)
  sub, abl = statistics.difference_tests(table).values()
  np.testing.assert_allclose(sub.interval, (0.5, 0.5), atol=1e-6)
  assert sub.p_t < 1e-6
  assert np.isfinite(abl.p_t)


def test_no_spread_and_no_effect_is_no_surprise():
  table = _differences().assign(d_sub=0.0, d_abl=0.0)
  for test in statistics.difference_tests(table).values():
    assert (test.p_normal, test.p_t, test.interval) == (1.0, 1.0, (0.0, 0.0))


def test_too_few_untrained_networks_give_no_comparison():
  untrained = _differences("random_init")
  few = untrained[untrained["base_seed"] < 1]
  assert statistics.comparison_tests(_differences(), few) == {}


def test_a_comparison_has_the_freedom_of_all_networks_but_one():
  pair = _differences(), _differences("random_init", 4)
  for test in statistics.comparison_tests(*pair).values():
    ratio = test.value / test.standard_error
    reach = stats.t.ppf(0.975, 6) * test.standard_error
    np.testing.assert_allclose(test.p_t, 2 * stats.t.sf(abs(ratio), 6))
    np.testing.assert_allclose(test.p_normal, 2 * stats.norm.sf(abs(ratio)))
    np.testing.assert_allclose(
      test.interval, (test.value - reach, test.value + reach)
    )


def test_a_comparison_turned_round_changes_only_the_sign():
  pair = _differences(), _differences("random_init", 4)
  forth = statistics.comparison_tests(*pair)
  back = statistics.comparison_tests(*reversed(pair))
  assert list(forth) == ["D_sub", "D_abl"]
  for name, one in forth.items():
    other = back[name]
    np.testing.assert_allclose(one.value, -other.value)
    np.testing.assert_allclose(one.standard_error, other.standard_error)


def test_a_missing_number_leaves_out_only_its_own_difference():
  table = _differences().reset_index(drop=True)
  table.loc[0, "d_abl"] = np.nan
  sub, abl = statistics.difference_tests(table).values()
  np.testing.assert_allclose(sub.value, table["d_sub"].mean())
  np.testing.assert_allclose(abl.value, table["d_abl"].mean())
  assert (sub.num_clusters, abl.num_clusters) == (3, 3)
