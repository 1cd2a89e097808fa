"""What a verdict follows from: effects beyond controls, errors, checks."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from structcomp_jax.studies.break_it_down.findings import (
  effects,
  measurement,
)
from tests.studies.break_it_down import synthetic
from tests.studies.break_it_down.hand_made import (
  answer,
  both,
  rows,
)

NAN = float("nan")
every_subroutine = pytest.mark.parametrize("name", synthetic.PAIR)


def _measured(test, networks, matched=(0, 0, 0), untrained=(-0.5, -0.5, -0.5)):
  """Returns the effect of networks whose oriented effects are given."""

  def table(regime, values):
    frame = rows(regime, ablated=[0.0] * len(values))
    column, sign = {"D_sub": ("d_sub", 1), "D_abl": ("d_abl", -1)}[test]
    return frame.assign(**{column: sign * np.array(values, float)})

  trained = table("scratch", networks)
  column = "d_sub_matched" if test == "D_sub" else "d_abl_matched"
  sign = 1 if test == "D_sub" else -1
  trained[column] = sign * np.array(matched, float)
  return effects.measure(test, trained, table("random_init", untrained))


@pytest.mark.parametrize("test", ["D_sub", "D_abl"])
@pytest.mark.parametrize(
  ("matched", "controls"),
  [
    ((0.0,) * 3, (0.0, 0.0, 0.0)),
    # Below zero they are no control; zero is.
    ((-0.4, -0.4, 0.1), (0.0, 0.0, 0.1)),
    ((0.1, 0.2, 0.6), (0.1, 0.2, 0.6)),
    # Without any random masks zero is left.
    ((NAN,) * 3, (0.0, 0.0, 0.0)),
  ],
)
def test_a_network_must_exceed_its_random_masks(test, matched, controls):
  networks = (0.3, 0.5, 0.7)
  found = _measured(test, networks, matched)
  excess = np.subtract(networks, controls)
  assert found.mean == pytest.approx(0.5)
  assert found.control == pytest.approx(np.mean(controls))
  assert found.excess.value == pytest.approx(excess.mean())
  assert found.excess.freedom == 2
  error = max(stats.sem(excess), _floor(test))
  assert found.excess.standard_error == pytest.approx(error)
  ratio = (excess.mean() - effects.MINIMUM_EFFECT) / error
  assert found.probability == pytest.approx(stats.t.cdf(ratio, 2))


def _floor(test):
  """Returns the error of measurement of the tables of `_measured`."""
  accuracies = [0.25, 0.25] if test == "D_abl" else [0.85, 0.25]
  smoothed = [(300 * one + 1) / 302 for one in accuracies]
  return np.sqrt(sum(one * (1 - one) for one in smoothed) / 300 / 3)


def test_a_network_without_random_masks_does_not_count_where_others_have_them():
  found = _measured("D_abl", (0.3, 0.5, 0.7), (0.0, NAN, 0.0))
  assert found.excess.num_clusters == 2
  assert found.excess.value == pytest.approx(0.5)
  assert np.isnan(found.control)


@pytest.mark.parametrize(
  ("test", "untrained", "excess"),
  [
    # The ablation must exceed the untrained network of the same base seed.
    ("D_abl", (0.1, 0.6, -0.2), (0.2, -0.1, 0.7)),
    # D_sub need not: what is beyond them is told apart.
    ("D_sub", (0.1, 0.6, -0.2), (0.3, 0.5, 0.7)),
  ],
)
def test_untrained_networks_control_the_ablation(test, untrained, excess):
  found = _measured(test, (0.3, 0.5, 0.7), untrained=untrained)
  assert found.excess.value == pytest.approx(np.mean(excess))
  beyond = np.subtract((0.3, 0.5, 0.7), untrained)
  assert found.untrained.value == pytest.approx(beyond.mean())
  assert found.untrained.method == "pairs"


def test_the_highest_control_counts():
  found = _measured("D_abl", (0.7,) * 3, (0.2, 0.0, 0.1), (0.1, 0.3, -0.1))
  assert found.control == pytest.approx((0.2 + 0.3 + 0.1) / 3)
  assert found.excess.value == pytest.approx(0.5)


def test_pairs_that_are_there_count_alone():
  found = _measured("D_abl", (0.3, 0.5, 0.7), untrained=(0.1, 0.2))
  assert found.excess.num_clusters == 2
  assert found.excess.value == pytest.approx(0.25)
  assert found.untrained.num_left_out == 1


def test_without_pairs_the_weaker_of_two_comparisons_counts():
  def compare(untrained, matched=0.0):
    trained = rows(ablated=(-0.3, -0.5, -0.7)).assign(
      d_abl_matched=-matched, d_sub_matched=0.0
    )
    others = rows("random_init", ablated=untrained)
    return effects.measure("D_abl", trained, others.assign(
      base_seed=others["base_seed"] + 10
    ))  # fmt: skip

  own = compare((0.5, 0.4, 0.6))
  assert own.excess.method == "networks"
  assert own.excess.value == pytest.approx(0.5)
  welch = compare((-0.2, -0.3, -0.1))
  assert welch.excess.method == "welch"
  assert welch.excess.value == pytest.approx(0.3)
  assert welch.control == pytest.approx(0.2)
  assert compare((-0.2,)).excess is None
  assert compare((0.5, 0.4, 0.6), 0.3).excess.value == pytest.approx(0.2)


def test_the_opposite_must_exceed_the_opposite_of_random_masks():
  found = _measured("D_abl", (-0.3, -0.5, -0.7), (-0.1, -0.2, 0.6))
  assert found.opposite.value == pytest.approx((0.2 + 0.3 + 0.7) / 3)


def test_effects_are_means_over_networks_not_over_searches():
  networks = [[-0.4], [0.0, -0.1, -0.2, -0.5], [-0.1]]
  for one in answer(both(ablated=networks)).effects:
    assert one.num_searches == 6
    if one.test == "D_abl":
      assert one.mean == pytest.approx(0.7 / 3)


# --- What was measured ------------------------------------------------------


def test_measurement_error_by_hand():
  table = pd.DataFrame(
    {
      "base_seed": [0, 0, 1],
      "num_problems": [100, 100, NAN],
      "first": [0.5, 1.0, 0.0],
      "second": [0.2, 0.2, 0.2],
    }
  )

  def variance(accuracy, count):
    smoothed = (accuracy * count + 1) / (count + 2)
    return smoothed * (1 - smoothed) / count

  # Masks of one network see the same problems: their variances are averaged.
  first = [(variance(0.5, 100) + variance(1.0, 100)) / 2, variance(0.0, 300)]
  second = [variance(0.2, 100), variance(0.2, 300)]
  found = measurement.measurement_error(table, "first")
  assert found == pytest.approx(np.sqrt(sum(first)) / 2)
  found = measurement.measurement_error(table, "first", "second")
  assert found == pytest.approx(np.sqrt(sum(first) + sum(second)) / 2)
  assert found > 0
  assert measurement.measurement_error(table[:0], "first") == 0.0


@every_subroutine
@pytest.mark.parametrize(
  ("kind", "column", "value", "limit"),
  [
    ("learned", "subnetwork_own", 0.91, 0.9),
    ("works", "ablated_target", 0.42, 0.4),
    ("works", "ablated_other", 0.42, 0.4),
    ("works", "ablated_own", 0.42, 0.4),
  ],
)
def test_checks_by_hand(name, kind, column, value, limit):
  table = both(ablated=(0.0,) * 3)
  table.loc[table["subroutine"] == name, column] = value
  found = {(one.subroutine, one.kind): one for one in measurement.checks(table)}
  assert set(found) == {
    (one, what) for one in synthetic.PAIR for what in ("learned", "works")
  }
  one = found[name, kind]
  assert (one.accuracy, one.limit) == (pytest.approx(value), limit)
  error = np.sqrt(_smooth(value) * (1 - _smooth(value)) / 300 / 3)
  expected = stats.norm.cdf((value - limit) / error)
  assert one.probability == pytest.approx(expected)


def _smooth(accuracy):
  return (300 * accuracy + 1) / 302


def test_one_network_that_works_does_not_stand_in_for_two_that_collapsed():
  table = both(ablated=((0.25, 0.95), (0.25, 0.25), (0.25, 0.25)))
  one = measurement.checks(table)[1]
  assert one.accuracy == pytest.approx((0.5 + 0.25 + 0.25) / 3)
  assert one.probability < 0.05


def test_what_is_missing_is_not_passed():
  table = both()
  table.loc[1, "ablated_other"] = NAN
  table.loc[2, "subnetwork_own"] = NAN
  found = measurement.checks(table)
  assert [one.probability > 0.5 for one in found] == [False, False, True, True]
  assert {one.probability for one in found[:2]} == {0.0}


def test_loss_is_what_the_subnetwork_can_and_the_rest_cannot():
  table = rows(own=0.95).assign(ablated_own=[0.9, 0.7, 0.8])
  found = effects.loss(table)
  assert found.value == pytest.approx(0.15)
  assert found.standard_error == pytest.approx(0.1 / np.sqrt(3))
