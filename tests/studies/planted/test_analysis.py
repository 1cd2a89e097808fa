"""Scores, controls and labels are counted as they are defined."""

import numpy as np
import pandas as pd
import pytest

from structcomp_jax.studies.planted import analysis, roc
from structcomp_jax.studies.planted.statistics import JUDGED


def scores(*, ours, nonsense, untrained, statistic="kept at 80"):
  """Returns rows of one statistic, each control a list of networks."""
  parts = [
    ("planted", "subroutines", ours),
    ("untrained", "subroutines", untrained),
    *(
      ("planted", f"nonsense_{number}", values)
      for number, values in enumerate(nonsense)
    ),
  ]
  return pd.DataFrame(
    [
      {
        "statistic": statistic, "regime": regime, "pair": pair,
        "base_seed": seed, "score": value,
      }
      for regime, pair, values in parts
      for seed, value in enumerate(values)
    ]
  )  # fmt: skip


def test_the_excess_is_above_the_higher_control():
  rows = scores(ours=[0.9, 0.8], nonsense=[[0.1, 0.6], [0.3, 0.6]],
                untrained=[0.5, 0.4])  # fmt: skip
  other = rows.assign(statistic="another", score=7.0)
  found = analysis.networks(pd.concat([rows, other]), "kept at 80")
  np.testing.assert_allclose(found["nonsense"], [0.2, 0.6])
  np.testing.assert_allclose(found["untrained"], [0.5, 0.4])
  np.testing.assert_allclose(found["excess"], [0.4, 0.2])


@pytest.mark.parametrize(
  ("ours", "label"),
  [(0.9, "separable"), (0.5, "partly separable"), (0.25, "not separable")],
)
def test_labels_are_those_of_the_verdict(ours, label):
  low = [0.25] * 6
  rows = pd.concat(
    [
      scores(ours=[ours + 0.01 * seed for seed in range(6)],
             nonsense=[low], untrained=low,
             statistic=f"{half} at 80 of search 0{JUDGED.after}")
      for half in ("kept", "rest")
    ]
  )  # fmt: skip
  found = analysis.labels(rows, group=4, num_groups=5)
  assert found == {
    one: float(one == label)
    for one in ("separable", "partly separable", "undecided", "not separable")
  }


def test_auc_counts_pairs():
  random = np.random.default_rng(0)
  positive, negative = random.integers(4, size=(3, 5)), np.arange(7) % 4
  negative = np.tile(negative, (3, 1))
  expected = [
    np.mean([[(p > n) + (p == n) / 2 for p in one] for n in other])
    for one, other in zip(positive, negative, strict=True)
  ]
  np.testing.assert_allclose(roc.auc(positive, negative), expected)
  np.testing.assert_allclose(roc.auc(positive.T, negative.T, 0), expected)


def test_the_interval_holds_the_auc():
  random = np.random.default_rng(0)
  found = roc.auc_with_interval(random.normal(1, 1, 30), random.normal(size=30))
  value, low, high = found
  assert low < value < high
  # Twice the standard error of the Mann-Whitney statistic.
  assert 0.12 < high - low < 0.35
  assert roc.auc_with_interval(np.array([2, 3]), np.array([0, 1])) == (1, 1, 1)


def test_the_threshold_judges_as_many_as_it_can():
  limit = roc.threshold(np.array([0.5, 3, 4, 5]), np.array([0, 1, 2]))
  assert limit == 2.5
  # Where nothing can be told apart, all are positive or none.
  assert not 1 < roc.threshold(np.array([1.0]), np.array([2.0])) < 2
