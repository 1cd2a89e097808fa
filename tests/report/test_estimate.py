"""What a design could have found, and how an estimate is written down."""

import numpy as np
import pytest
from scipy import integrate, stats

from structcomp_jax.report import estimate
from structcomp_jax.report.estimate import Estimate


def _estimate(**changes):
  fields = {
    "value": 0.3,
    "standard_error": 0.1,
    "p_normal": 0.01,
    "p_t": 0.1,
    "interval": (-0.1, 0.7),
    "num_clusters": 3,
    "freedom": 2.0,
    "method": "pairs",
    "p_sign_flip": 0.25,
    "num_left_out": 1,
  }
  return Estimate(**{**fields, **changes})


@pytest.mark.parametrize("freedom", [1.0, 1.7, 2.0, 4.0, 9.0, 30.0])
def test_the_detectable_effect_is_found_with_80_percent(freedom):
  """The chance that t > its limit, integrated over the spread that is seen."""
  effect = estimate.detectable_errors(freedom)
  limit = stats.t.isf(0.025, freedom)

  def found(square):
    beyond = stats.norm.sf(limit * np.sqrt(square / freedom) - effect)
    return stats.chi2.pdf(square, freedom) * beyond

  chance, _ = integrate.quad(found, 0, np.inf, limit=200)
  assert chance == pytest.approx(0.8, abs=1e-4)


def test_many_networks_find_what_a_normal_test_finds():
  expected = stats.norm.isf(0.025) + stats.norm.ppf(0.8)
  found = estimate.detectable_errors(100_000.0)
  assert found == pytest.approx(expected, abs=1e-3)


def test_the_detectable_effect_has_the_units_of_the_data():
  one, other = _estimate(), _estimate(standard_error=0.2)
  assert other.detectable == pytest.approx(2 * one.detectable)
  assert _estimate(standard_error=0.0).detectable == 0.0


def test_power_in_words():
  words = "of networks this design finds an effect of 0.57 with 80 %"
  assert estimate.power_words(_estimate()) == f"with 3 pairs {words}"
  assert "with 3 networks " in estimate.power_words(
    _estimate(method="networks")
  )


def test_smallest_p_follows_the_number_of_pairs():
  assert _estimate().smallest_p == 0.25
  assert _estimate(num_clusters=6).smallest_p == 2 / 2**6
  assert _estimate(p_sign_flip=None).smallest_p is None


def test_both_networks_of_a_pair_count():
  assert _estimate().num_networks == 6
  assert _estimate(method="welch").num_networks == 3


@pytest.mark.parametrize(
  ("value", "error", "expected"),
  [
    (1.0, 2.0, 0.5),
    (0.3, 0.0, np.inf),
    (-0.3, 0.0, -np.inf),
    (0.0, 0.0, 0.0),
  ],
)
def test_no_error_is_certainty_but_for_nothing(value, error, expected):
  assert estimate.ratio(value, error) == expected
  p = estimate.normal_p(value, error)
  assert p == pytest.approx(2 * stats.norm.sf(abs(expected)))


def test_a_record_keeps_the_units_of_the_data_and_says_how():
  record = estimate.estimate_record(_estimate(), sign=-1)
  assert record == {
    "estimate": -0.3,
    "standard_error": 0.1,
    "interval": [-0.7, 0.1],
    "method": "pairs",
    "degrees_of_freedom": 2.0,
    "p_t": 0.1,
    "p_normal": 0.01,
    "p_sign_flip": 0.25,
    "smallest_p_sign_flip": 0.25,
    "detectable_effect": pytest.approx(0.5653, abs=1e-4),
    "num_networks": 6,
    "num_pairs": 3,
    "num_left_out": 1,
  }
  record = estimate.estimate_record(_estimate(method="networks"))
  assert (record["num_networks"], record["num_pairs"]) == (3, None)


@pytest.mark.parametrize(
  ("value", "limit", "expected"),
  [(0.3, 0.3, 0.5), (0.5, 0.3, 0.908), (0.1, 0.3, 0.092), (0.3, -0.1, 0.972)],
)
def test_probability_above_a_limit_is_that_of_the_t_distribution(
  value, limit, expected
):
  found = estimate.probability_above(_estimate(value=value), limit)
  # Of t with two degrees of freedom there is a formula.
  t = (value - limit) / 0.1
  assert found == pytest.approx(0.5 + t / (2 * np.sqrt(2 + t**2)))
  assert found == pytest.approx(expected, abs=1e-3)


def test_probability_without_any_error_is_certainty():
  certain = _estimate(standard_error=0.0)
  found = [estimate.probability_above(certain, one) for one in (0.2, 0.3, 0.4)]
  assert found == [1.0, 0.5, 0.0]


def test_an_error_is_at_least_that_of_measurement():
  one = _estimate()
  same = estimate.with_least_error(one, 0.05)
  assert same.standard_error == 0.1
  wide = estimate.with_least_error(one, 0.4)
  assert (wide.value, wide.standard_error) == (0.3, 0.4)
  half = stats.t.isf(0.025, 2) * 0.4
  np.testing.assert_allclose(wide.interval, (0.3 - half, 0.3 + half))
  np.testing.assert_allclose(wide.p_t, 2 * stats.t.sf(0.75, 2))
  np.testing.assert_allclose(wide.p_normal, 2 * stats.norm.sf(0.75))
  assert (wide.p_sign_flip, wide.method) == (0.25, "pairs")


@pytest.mark.parametrize("value", [0.3, -0.2])
def test_so_many_networks_and_no_fewer_decide(value):
  one = _estimate(value=value)
  count = estimate.networks_to_decide(one, 0.05)
  deviation = 0.1 * np.sqrt(3)
  distances = [
    estimate.detectable_errors(number - 1) * deviation / np.sqrt(number)
    for number in (count - 1, count)
  ]
  assert distances[1] <= 0.25 < distances[0]
  assert count > 3


def test_networks_are_no_fewer_than_there_were_and_not_endless():
  assert estimate.networks_to_decide(_estimate(value=9.0), 0.05) == 3
  assert estimate.networks_to_decide(_estimate(value=0.06), 0.05) is None


@pytest.mark.parametrize(
  ("probability", "words"),
  [
    (0.9499, "0.94"),
    (0.95, "0.95"),
    (0.0501, "0.06"),
    (0.05, "0.05"),
    (0.29, "0.29"),
    (0.991, "above 0.99"),
    (0.009, "below 0.01"),
  ],
)
def test_a_probability_in_words_is_not_beyond_itself(probability, words):
  assert estimate.probability_words(probability) == words


def test_who_is_left_out_of_pairs_is_said():
  whole = _estimate(num_left_out=0)

  def notes(*compared):
    return estimate.pairing_notes(compared, "others")

  assert notes(None, whole) == ()
  assert notes(whole, _estimate(num_left_out=2)) == (
    "networks are compared with others in pairs of one base seed; 2 without a"
    " partner are left out",
  )
  assert "1 without a partner is left out" in notes(_estimate())[0]
  apart = _estimate(method="welch", num_left_out=0)
  (note,) = notes(apart, None)
  assert "compared as independent groups" in note
  assert len(notes(_estimate(), apart)) == 2
