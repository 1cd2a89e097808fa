"""One number per network: tests by hand, odd designs, and true nulls."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from structcomp_jax.report import inference
from structcomp_jax.report.inference import network_means

# Masks of four networks, unequally many, in no order.
NETWORKS = np.array([2, 0, 1, 0, 2, 2, 3, 0, 0, 1])


@pytest.fixture
def values():
  return np.random.default_rng(0).normal(0.3, 1.0, len(NETWORKS))


def _means(*numbers, seeds=None):
  return pd.Series(numbers, index=seeds or range(len(numbers)), dtype=float)


def _t_by_hand(numbers):
  """Returns error, p and interval of the t-test of numbers against zero."""
  numbers, count = np.asarray(numbers), len(numbers)
  error = np.sqrt(np.sum((numbers - numbers.mean()) ** 2) / (count - 1) / count)
  p = 2 * stats.t.sf(abs(numbers.mean()) / error, count - 1)
  reach = stats.t.ppf(0.975, count - 1) * error
  return error, p, (numbers.mean() - reach, numbers.mean() + reach)


def _flips_by_hand(numbers):
  """Returns the share of sign flips as far from zero as the numbers are."""
  signs = itertools.product([-1, 1], repeat=len(numbers))
  sums = np.array([np.dot(one, numbers) for one in signs])
  return np.mean(np.abs(sums) >= abs(np.sum(numbers)) - 1e-12)


def test_every_network_counts_once_whatever_its_masks(values):
  found = inference.mean(network_means(values, NETWORKS))
  by_hand = [values[one == NETWORKS].mean() for one in range(4)]
  error, p, interval = _t_by_hand(by_hand)
  np.testing.assert_allclose(found.value, np.mean(by_hand))
  np.testing.assert_allclose(found.standard_error, error)
  np.testing.assert_allclose(found.p_t, p)
  np.testing.assert_allclose(found.interval, interval)
  np.testing.assert_allclose(
    found.p_normal, 2 * stats.norm.sf(abs(np.mean(by_hand)) / error)
  )
  assert (found.num_clusters, found.freedom) == (4, 3)
  assert (found.method, found.num_left_out) == ("networks", 0)
  more = np.concatenate([values, values[NETWORKS == 1]])
  networks = np.concatenate([NETWORKS, [1, 1]])
  assert inference.mean(network_means(more, networks)) == found


def test_one_mask_per_network_is_a_plain_t_test(values):
  one_each = inference.mean(network_means(values, np.arange(len(values))))
  error, p, interval = _t_by_hand(values)
  np.testing.assert_allclose(one_each.standard_error, error)
  np.testing.assert_allclose(one_each.p_t, p)
  np.testing.assert_allclose(one_each.interval, interval)


@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_sign_flips_are_all_counted(count):
  draws = np.random.default_rng(count)
  for _ in range(5):
    numbers = draws.normal(0.5, 1.0, count)
    found = inference.mean(_means(*numbers))
    assert found.p_sign_flip == pytest.approx(_flips_by_hand(numbers))
    assert found.p_sign_flip >= found.smallest_p == 2 / 2**count
  all_on_one_side = inference.mean(_means(*np.linspace(0.1, 0.9, count)))
  assert all_on_one_side.p_sign_flip == 2 / 2**count


def test_signs_of_too_many_networks_are_not_flipped():
  most = inference.MOST_FLIPPED
  draws = np.random.default_rng(0).normal(size=most + 1)
  assert inference.mean(_means(*draws[:-1])).p_sign_flip is not None
  found = inference.mean(_means(*draws))
  assert found.p_sign_flip is None and found.smallest_p is None
  assert 0 < found.p_t < 1


def test_networks_of_one_seed_are_pairs():
  first, second = _means(0.9, 0.2, 0.7), _means(0.4, 0.3, 0.1)
  found = inference.difference(first, second)
  error, p, interval = _t_by_hand([0.5, -0.1, 0.6])
  np.testing.assert_allclose(found.value, 1 / 3)
  np.testing.assert_allclose(found.standard_error, error)
  np.testing.assert_allclose(found.p_t, p)
  np.testing.assert_allclose(found.interval, interval)
  assert found.p_sign_flip == _flips_by_hand([0.5, -0.1, 0.6])
  assert (found.num_clusters, found.num_networks) == (3, 6)
  assert (found.method, found.freedom, found.num_left_out) == ("pairs", 2, 0)


def test_what_a_pair_shares_drops_out():
  first, second = _means(0.9, 0.2, 0.7), _means(0.4, 0.3, 0.1)
  shared = _means(10.0, -3.0, 5.0)
  found = inference.difference(first + shared, second + shared)
  expected = inference.difference(first, second)
  np.testing.assert_allclose(found.interval, expected.interval)
  np.testing.assert_allclose(found.p_t, expected.p_t)


def test_pairs_are_found_by_seed_not_by_order():
  first = _means(0.9, 0.2, 0.7, seeds=[4, 7, 1])
  second = _means(0.1, 0.4, 0.3, seeds=[1, 4, 7])
  found = inference.pair_differences(first, second)
  np.testing.assert_allclose(found[[1, 4, 7]], [0.6, 0.5, -0.1])


def test_networks_without_a_partner_are_left_out_and_counted():
  first = _means(0.9, 0.2, 0.7, 99.0, seeds=[0, 1, 2, 8])
  second = _means(0.4, 0.3, 0.1, -99.0, 99.0, seeds=[0, 1, 2, 5, 6])
  found = inference.difference(first, second)
  assert found.num_left_out == 3
  kept = inference.difference(first[:3], second[:3])
  assert (found.value, found.p_t, found.num_clusters) == (
    kept.value,
    kept.p_t,
    3,
  )
  two = inference.difference(first, _means(0.4, 0.3, 5.0, seeds=[0, 1, 9]))
  assert (two.method, two.num_clusters, two.num_left_out) == ("pairs", 2, 3)


@pytest.mark.parametrize("shared", [0, 1])
def test_groups_without_two_pairs_are_independent(shared):
  first = _means(0.9, 0.2, 0.7, seeds=[0, 1, 2])
  second = _means(0.4, 0.3, seeds=[3 - shared, 4])
  found = inference.difference(first, second)
  variances = first.var() / 3, second.var() / 2
  error = sum(variances) ** 0.5
  freedom = sum(variances) ** 2 / (variances[0] ** 2 / 2 + variances[1] ** 2)
  np.testing.assert_allclose(found.value, 0.6 - 0.35)
  np.testing.assert_allclose(found.standard_error, error)
  np.testing.assert_allclose(found.freedom, freedom)
  np.testing.assert_allclose(found.p_t, 2 * stats.t.sf(0.25 / error, freedom))
  reach = stats.t.ppf(0.975, freedom) * error
  np.testing.assert_allclose(found.interval, (0.25 - reach, 0.25 + reach))
  assert (found.method, found.num_clusters) == ("welch", 5)
  assert (found.num_networks, found.num_left_out) == (5, 0)
  assert found.p_sign_flip is None


def test_a_comparison_turned_round_changes_only_the_sign():
  first, second = _means(0.9, 0.2, 0.7), _means(0.4, 0.3, 0.1)
  for other in (second, second.rename(lambda seed: seed + 10)):
    forth = inference.difference(first, other)
    back = inference.difference(other, first)
    assert forth.value == pytest.approx(-back.value)
    assert forth.interval == pytest.approx(
      [-one for one in back.interval[::-1]]
    )
    assert (forth.p_t, forth.p_sign_flip) == (
      pytest.approx(back.p_t),
      back.p_sign_flip,
    )


def test_missing_cells_are_left_out_with_their_networks(values):
  values[NETWORKS == 3] = np.nan
  values[0] = np.nan
  present = ~np.isnan(values)
  means = network_means(values, NETWORKS)
  assert list(means.index) == [0, 1, 2]
  expected = network_means(values[present], NETWORKS[present])
  pd.testing.assert_series_equal(means, expected)
  # A pair that lacks one number is no pair.
  other = _means(0.0, 0.0, 0.0, 0.0)
  found = inference.difference(means, other)
  assert (found.num_clusters, found.num_left_out) == (3, 1)


@pytest.mark.parametrize("numbers", [[], [0.5], [np.nan, np.nan]])
def test_fewer_than_two_networks_give_no_estimate(numbers):
  few = network_means(numbers, np.arange(len(numbers)))
  assert inference.mean(few) is None
  many = _means(0.1, 0.2, 0.3)
  assert inference.difference(few, many) is None
  assert inference.difference(many, few) is None
  assert inference.difference(few, few) is None
  assert inference.pair_differences(few, many).empty


@pytest.mark.parametrize(("value", "p"), [(0.5, 0.0), (0.0, 1.0), (-0.5, 0.0)])
def test_no_spread_at_all(value, p):
  """t knows no doubt then; that networks are few, the sign flips still say."""
  found = inference.mean(_means(*[value] * 3))
  assert (found.standard_error, found.p_normal, found.p_t) == (0.0, p, p)
  assert found.interval == (value, value)
  assert found.p_sign_flip == (0.25 if value else 1.0)
  assert found.detectable == 0.0
  first = _means(*[value + 1] * 3, seeds=[5, 6, 7])
  found = inference.difference(first, _means(1.0, 1.0))
  assert found.method == "welch"
  assert (found.standard_error, found.p_t) == (0.0, p)
  assert found.interval == pytest.approx((value, value))


def test_spread_that_is_rounding_is_no_error():
  found = inference.mean(_means(0.1 + 0.2, 0.3, 0.3))
  assert found.standard_error < 1e-15 and found.p_t < 1e-15


def test_many_data_sets_at_once_are_those_one_by_one():
  draws = np.random.default_rng(0)
  first, second = draws.normal(size=(2, 4, 3)), draws.normal(size=(2, 4, 5))
  paired, unpaired = inference.student(first), inference.welch(first, second)
  for place in itertools.product(range(2), range(4)):
    seeds = [10, 11, 12, 13, 14]
    for many, one in (
      (paired, inference.mean(_means(*first[place]))),
      (
        unpaired,
        inference.difference(
          _means(*first[place]), _means(*second[place], seeds=seeds)
        ),
      ),
    ):
      np.testing.assert_allclose(many.value[place], one.value)
      np.testing.assert_allclose(many.p[place], one.p_t)
      np.testing.assert_allclose(many.freedom[place], one.freedom)
      np.testing.assert_allclose(
        (many.low[place], many.high[place]), one.interval
      )
