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


def test_another_group_must_be_exceeded_by_every_pair_of_networks():
  def compared(first, second):
    ones = [pd.Series(first), NETWORKS, pd.Series(second), NETWORKS]
    return grades.above_other(*ones, minimum=0.05)

  high, low = [0.9, 0.9, 0.6, 0.6, 0.8, 0.8], [0.1, 0.1, 0.5, 0.5, 0.2, 0.2]
  assert compared(high, low).grade is Grade.CLEAR
  assert compared(low, high).grade is Grade.OPPOSITE
  assert compared(high, high).grade is Grade.UNCLEAR
  one = pd.Series([0.5]), pd.Series([0])
  assert grades.above_other(*one, *one, minimum=0.05) is None


def test_records_keep_the_units_of_the_data():
  found = _zero(0.1, 0.2, 0.3, 0.3, 0.4, 0.5)
  record = grades.comparison_record(found, sign=-1)
  assert record["estimate"] == pytest.approx(-0.3)
  low, high = record["interval"]
  assert low < -0.3 < high
  assert record["num_networks"] == 3
  lone = grades.Comparison(Grade.UNCLEAR, None)
  assert grades.comparison_record(lone) == {"grade": "unclear"}
