"""Effects are graded by their interval and by every base network."""

import math

import pandas as pd
import pytest

from structcomp_jax.report import grades
from structcomp_jax.report.grades import Grade

NETWORKS = pd.Series([0, 0, 1, 1, 2, 2])


def _zero(*effects, minimum=0.05):
  return grades.above_zero(pd.Series(effects), NETWORKS, minimum=minimum)


def test_a_steady_effect_is_clear_and_its_opposite_opposite():
  effects = [0.5, 0.52, 0.49, 0.5, 0.51, 0.5]
  assert _zero(*effects).grade is Grade.CLEAR
  assert _zero(*(-effect for effect in effects)).grade is Grade.OPPOSITE
  assert _zero(*effects, minimum=0.6).grade is Grade.UNCLEAR


def test_every_network_on_one_side_is_consistent():
  found = _zero(0.05, 0.05, 0.5, 0.5, 0.9, 0.9)
  assert found.grade is Grade.CONSISTENT
  assert found.estimate.interval[0] < 0
  assert _zero(-0.05, -0.05, 0.5, 0.5, 0.9, 0.9).grade is Grade.UNCLEAR


def test_missing_effects_are_left_out_and_one_network_has_no_error():
  assert _zero(math.nan, 0.5, 0.5, 0.5, 0.5, 0.5).grade is Grade.CLEAR
  alone = grades.above_zero(
    pd.Series([0.5, 0.4]), pd.Series([7, 7]), minimum=0.05
  )
  assert alone == grades.Comparison(Grade.CONSISTENT, None)


def _other(first, second, seeds=(0, 1, 2)):
  seeds = pd.Series(seeds).repeat(2).reset_index(drop=True)
  ones = [pd.Series(first), NETWORKS, pd.Series(second), seeds]
  return grades.above_other(*ones, minimum=0.05)


def test_another_group_must_be_exceeded_in_every_pair():
  first = [0.9, 0.9, 0.3, 0.3, 0.8, 0.8]
  # The strongest of the second group, 0.5, exceeds the weakest of the first.
  steady, uneven = [0.5, 0.5, 0.0, 0.0, 0.45, 0.45], [0.5, 0.5, 0.2, 0.2, 0, 0]
  assert _other(first, steady).grade is Grade.CLEAR
  assert _other(steady, first).grade is Grade.OPPOSITE
  assert _other(first, uneven).grade is Grade.CONSISTENT
  assert _other(first, uneven).estimate.method == "pairs"
  one_pair_turned = [0.5, 0.5, 0.31, 0.31, 0.0, 0.0]
  assert _other(first, one_pair_turned).grade is Grade.UNCLEAR
  assert _other(one_pair_turned, first).grade is Grade.UNCLEAR
  assert _other(first, first).grade is Grade.UNCLEAR


def test_without_pairs_the_weakest_must_exceed_the_strongest():
  first = [0.9, 0.9, 0.6, 0.6, 0.8, 0.8]
  low, higher = [0.1, 0.1, 0.2, 0.2, 0.15, 0.15], [0.59, 0.59, 0, 0, 0, 0]

  def apart(second):
    return _other(first, second, seeds=(3, 4, 5))

  assert apart(low).grade is Grade.CLEAR
  assert apart(low).estimate.method == "welch"
  assert apart(higher).grade is Grade.CONSISTENT
  overlapping = [0.61, 0.61, 0, 0, 0, 0]
  assert apart(overlapping).grade is Grade.UNCLEAR
  swapped = _other(overlapping, first, seeds=(3, 4, 5))
  assert swapped.grade is Grade.UNCLEAR
  swapped = _other(higher, first, seeds=(3, 4, 5))
  assert swapped.grade is Grade.OPPOSITE


def test_a_network_without_a_partner_does_not_decide():
  first = [0.9, 0.9, 0.6, 0.6, 0.8, 0.8]
  second = [0.1, 0.1, 0.2, 0.2, 0.99, 0.99]
  found = _other(first, second, seeds=(0, 1, 7))
  assert found.grade is Grade.CONSISTENT
  assert found.estimate.num_left_out == 2


def test_too_few_networks_are_not_compared():
  one = pd.Series([0.5]), pd.Series([0])
  many = pd.Series([0.1, 0.2]), pd.Series([0, 1])
  for pair in ((one, one), (one, many), (many, one)):
    assert grades.above_other(*pair[0], *pair[1], minimum=0.05) is None


def test_no_networks_have_no_grade():
  none = pd.Series([], dtype=float)
  missing = pd.Series([math.nan] * 3)
  for effects in (none, missing):
    found = grades.above_zero(effects, NETWORKS, minimum=0.05)
    assert found == grades.Comparison(Grade.UNCLEAR, None)


def test_a_network_counts_once_whatever_its_masks():
  found = grades.above_zero(
    pd.Series([0.1] * 7 + [0.4, 0.7]),
    pd.Series([0] * 7 + [1, 2]),
    minimum=0.05,
  )
  assert found.estimate.value == pytest.approx(0.4)


def test_power_is_that_of_the_least_sensitive_comparison():
  narrow = _zero(0.5, 0.5, 0.4, 0.4, 0.6, 0.6)
  wide = _zero(0.5, 0.5, 0.0, 0.0, 0.9, 0.9)
  lone = grades.Comparison(Grade.UNCLEAR, None)
  words = grades.power_note([narrow, None, wide, lone])
  assert words == grades.power_note([wide])
  # The spread 0.451 over the root of 3, times 5.65.
  assert "with 3 networks this design finds an effect of 1.47" in words
  assert grades.power_note([lone, None]) == ""
  assert grades.power_note([_zero(*[0.5] * 6)]) == ""


def test_records_keep_the_units_of_the_data():
  found = _zero(0.1, 0.2, 0.3, 0.3, 0.4, 0.5)
  record = grades.comparison_record(found, sign=-1)
  assert record["estimate"] == pytest.approx(-0.3)
  low, high = record["interval"]
  assert low < -0.3 < high
  assert record["num_networks"] == 3
  lone = grades.Comparison(Grade.UNCLEAR, None)
  assert grades.comparison_record(lone) == {"grade": "unclear"}


@pytest.mark.parametrize(
  ("low", "high", "mean", "smallest", "largest", "expected"),
  [
    (0.01, 0.2, 0.05, -0.1, 0.2, Grade.CLEAR),
    (0.01, 0.2, 0.0499, 0.01, 0.2, Grade.UNCLEAR),
    (0.0, 0.2, 0.05, 0.01, 0.2, Grade.CONSISTENT),
    (-0.1, 0.2, 0.05, 0.0, 0.2, Grade.UNCLEAR),
    (-0.2, -0.01, -0.05, -0.2, 0.1, Grade.OPPOSITE),
    (-0.2, 0.1, -0.05, -0.2, -0.01, Grade.OPPOSITE),
    (-0.2, 0.0, -0.05, -0.2, 0.0, Grade.UNCLEAR),
    (-0.2, -0.01, -0.0499, -0.2, -0.01, Grade.UNCLEAR),
  ],
)
def test_grades_at_their_limits(low, high, mean, smallest, largest, expected):
  found = grades.graded(low, high, mean, smallest, largest, minimum=0.05)
  assert found == expected


@pytest.mark.parametrize(
  "networks",
  [
    # A network counts by the mean of its masks, whatever one of them says,
    ([-0.1, 0.3], [0.5], [0.9]),
    # and networks count the same: the mean over masks is below the minimum.
    ([0.2], [0.02] * 3, [0.02] * 3),
  ],
)
def test_a_network_is_graded_by_the_mean_of_its_masks(networks):
  effects = pd.Series([one for masks in networks for one in masks])
  names = pd.Series(
    [place for place, masks in enumerate(networks) for _ in masks]
  )
  found = grades.above_zero(effects, names, minimum=0.05)
  assert found.grade is Grade.CONSISTENT
