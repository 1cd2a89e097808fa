"""How separable networks are, and what follows from it."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from structcomp_jax.structure import separability as findings


def table(accuracies, *, steps=4):
  """Returns rows of cuts.csv.

  Args:
    accuracies: {(regime, pair): accuracy of the worse half per base network}.
    steps: looks, all with that accuracy.
  """
  return pd.DataFrame(
    [
      {
        "regime": regime,
        "base_seed": float(seed),
        "pair": pair,
        "mask_seed": 0.0,
        "step": 10.0 * look,
        "kept_task": "subject",
        "rest_task": "verb",
        "kept_accuracy": accuracy,
        "rest_accuracy": 1.0,
        "finite": True,
      }
      for (regime, pair), of_seeds in accuracies.items()
      for seed, accuracy in enumerate(of_seeds)
      for look in range(steps)
    ]
  )


def conclude(rows, failed=(), **options):
  return findings.conclude(
    rows,
    "scratch",
    untrained="random_init",
    chance=0.25,
    failed=frozenset(failed),
    **options,
  )


def judge(ours, *, nonsense=0.25, untrained=0.25, failed=(), **options):
  count = len(ours)
  rows = table(
    {
      ("scratch", "subroutines"): ours,
      ("scratch", "nonsense_0"): [nonsense] * count,
      ("random_init", "subroutines"): [untrained] * count,
      # Says nothing about the networks in question.
      ("random_init", "nonsense_0"): [1.0] * count,
    }
  )
  return conclude(rows, failed, **options)


def test_an_open_answer_says_how_many_networks_would_tell():
  found = judge([0.95, 0.9, 0.3, 0.28])
  assert found.label == "undecided"
  assert found.sentence.endswith(" such networks would tell.")
  decided = judge([0.95, 0.9, 0.93, 0.98])
  assert decided.label == "separable" and "would tell" not in decided.sentence


@pytest.mark.parametrize("better, says", [(0.26, True), (0.4, False)])
def test_a_search_that_found_nothing_at_all_says_so(better, says):
  rows = table(
    {
      ("scratch", "subroutines"): [0.25, 0.26, 0.25],
      ("scratch", "nonsense_0"): [0.25, 0.25, 0.25],
      ("random_init", "subroutines"): [0.25, 0.25, 0.25],
    }
  )
  # Halves that worked before the last look, in other searches or in networks
  # that failed do not count.
  is_ours = (rows["regime"] == "scratch") & (rows["pair"] == "subroutines")
  rows.loc[is_ours & (rows["step"] == 30), "rest_accuracy"] = better
  failed = rows[is_ours].assign(base_seed=9.0, rest_accuracy=1.0)
  found = conclude(pd.concat([failed, rows]), failed=[9])
  assert found.label == "not separable"
  assert ("Neither half does its subroutine" in found.sentence) == says
  assert (
    f"'subject' has an accuracy of 0.25, that of 'verb' {better:.2f}"
    in found.sentence
  )


@pytest.mark.parametrize(("accuracy", "unread"), [(0.3, True), (0.4, False)])
def test_nonsense_that_no_network_reads_is_no_control(accuracy, unread):
  """What counts is the last look; one pair that is read is enough."""
  rows = table(
    {
      ("scratch", "subroutines"): [0.9, 0.92, 0.91],
      ("scratch", "nonsense_0"): [0.25] * 3,
      ("scratch", "nonsense_1"): [0.25] * 3,
      ("random_init", "subroutines"): [0.25] * 3,
    }
  )
  rows.loc[
    (rows["pair"] == "nonsense_1") & (rows["step"] == 30), "kept_accuracy"
  ] = accuracy
  found = conclude(rows)
  assert found.label == "separable"
  assert ("refutes nothing" in found.sentence) == unread


def test_cuts_of_networks_that_all_failed_are_not_called_missing():
  found = judge([0.9, 0.9], failed=[0, 1])
  assert found.label == "undecided"
  assert found.sentence == "Fewer than two working base networks were cut."


def test_separability_is_the_mean_over_looks_of_the_worse_half():
  rows = table({("scratch", "subroutines"): [0.0]})
  rows["kept_accuracy"] = [0.1, 0.25, 0.625, 1.0]
  rows["rest_accuracy"] = [1.0, 1.0, 1.0, 0.625]
  (found,) = findings.separability(rows, 0.25)["separability"]
  assert found == pytest.approx((0 + 0 + 0.5 + 0.5) / 4)


@pytest.mark.parametrize(
  ("ours", "label"),
  [
    ([1.0, 0.97, 0.98, 0.99], "separable"),
    ([0.3, 0.25, 0.28, 0.31], "not separable"),
    ([1.0, 0.3, 0.25, 0.9], "undecided"),
    ([1.0, 0.97], "separable"),
    ([0.5, 0.52, 0.49], "partly separable"),
    ([0.95, 0.6, 0.65], "partly separable"),
  ],
)
def test_labels(ours, label):
  assert judge(ours).label == label


@pytest.mark.parametrize("control", ["nonsense", "untrained"])
def test_what_a_control_does_as_well_proves_nothing(control):
  ours = [1.0, 0.97, 0.98, 0.99]
  assert judge(ours, **{control: 0.99}).label == "not separable"


@pytest.mark.parametrize(
  ("regime", "pair"),
  [("random_init", "subroutines"), ("scratch", "nonsense_0")],
)
def test_a_control_that_is_missing_is_not_passed(regime, pair):
  rows = table(
    {
      key: [accuracy] * 3
      for key, accuracy in {
        ("scratch", "subroutines"): 1.0,
        ("scratch", "nonsense_0"): 0.25,
        ("random_init", "subroutines"): 0.25,
      }.items()
      if key != (regime, pair)
    }
  )
  found = conclude(rows)
  assert found.label == "undecided"
  assert found.probability is None


@pytest.mark.parametrize(
  ("regime", "pair"),
  [("random_init", "subroutines"), ("scratch", "nonsense_0")],
)
def test_a_network_without_one_of_its_controls_does_not_count(regime, pair):
  rows = table(
    {
      ("scratch", "subroutines"): [1.0, 0.97, 0.98],
      ("scratch", "nonsense_0"): [0.25] * 3,
      ("random_init", "subroutines"): [0.25] * 3,
    }
  )
  is_lost = (rows["regime"] == regime) & (rows["pair"] == pair)
  found = conclude(rows[~(is_lost & (rows["base_seed"] == 1))])
  assert found.excess.num_clusters == 2
  assert found.table["excess"].isna().tolist() == [False, True, False]


def test_failed_networks_and_stopped_searches_do_not_count():
  ours = [1.0, 0.25, 0.25, 0.98]
  assert judge(ours).label == "undecided"
  assert judge(ours, failed={1, 2}).label == "separable"
  assert judge([1.0, 0.3], failed={1}).label == "undecided"
  rows = table(
    {
      ("scratch", "subroutines"): ours,
      ("scratch", "nonsense_0"): [0.25] * 4,
      ("random_init", "subroutines"): [0.25] * 4,
    }
  )
  stopped = rows["base_seed"].isin([1, 2]) & (rows["regime"] == "scratch")
  rows.loc[stopped, "finite"] = False
  found = conclude(rows)
  assert found.label == "separable"
  assert found.excess.num_clusters == 2


def test_small_changes_never_turn_an_answer_around():
  """Nor do they move the probability far: there is no cliff."""
  random = np.random.default_rng(0)
  for _ in range(100):
    ours = random.uniform(0.25, 1.0, size=4)
    moved = np.clip(ours + random.uniform(-0.01, 0.01, size=4), 0.0, 1.0)
    first, second = judge(ours), judge(moved)
    assert abs(first.probability - second.probability) < 0.12
    assert abs(first.probability_most - second.probability_most) < 0.12
    if "not separable" in (first.label, second.label):
      assert {first.label, second.label} <= {"undecided", "not separable"}


@pytest.mark.parametrize(
  ("ours", "label"),
  [([0.95, 0.9, 0.97], "separable"), ([0.6, 0.61, 0.62], "not separable")],
)
def test_a_smaller_risk_asks_for_more(ours, label):
  found = judge(ours, untrained=0.6)
  assert (found.label, found.risk) == (label, 0.05)
  opposite = min(found.probability, 1 - found.probability)
  for risk, expected in (
    (opposite * 1.01, label),
    (opposite * 0.99, "undecided"),
  ):
    again = judge(ours, untrained=0.6, risk=risk)
    assert (again.label, again.risk) == (expected, risk)
    assert findings.record(again)["risk"] == risk
    assert again.probability == found.probability


def test_looking_often_errs_no_more_than_once():
  """The true mean is at the limit, so each label is an error."""
  sizes, num_runs = (3, 5, 7, 9, 10), 20000
  random = np.random.default_rng(0)
  excess = random.normal(
    findings.WORTH_A_CLAIM, 0.02, size=(num_runs, sizes[-1])
  )
  probabilities = np.stack(
    [stats.ttest_1samp(
      excess[:, :size], findings.WORTH_A_CLAIM, axis=1, alternative="greater"
    ).pvalue for size in sizes],
    axis=1,
  )  # fmt: skip
  probabilities = 1 - probabilities
  # A few of them as they are judged.
  for row, size in enumerate(sizes):
    judged = judge(0.25 + 0.75 * excess[row, :size], risk=0.05 / len(sizes))
    expected = probabilities[row, sizes.index(size)]
    assert judged.probability == pytest.approx(expected, abs=1e-6)

  def errors(risk):
    return (probabilities > 1 - risk).any(axis=1).mean()

  assert 0.02 < errors(0.05 / len(sizes)) < 0.05
  # What the smaller risk is good for.
  assert errors(0.05) > 0.1


def test_a_smaller_risk_asks_for_more_of_both_probabilities():
  found = judge([0.85, 0.75, 0.95])
  assert 1 - found.probability < 1 - found.probability_most < 0.05
  risk = (1 - found.probability_most) * 0.99
  assert judge([0.85, 0.75, 0.95], risk=risk).label == "partly separable"


def test_most_counts_the_networks_that_have_controls():
  rows = table(
    {
      ("scratch", "subroutines"): [0.9, 0.92, 0.91, 0.25],
      ("scratch", "nonsense_0"): [0.25] * 4,
      ("random_init", "subroutines"): [0.25] * 3,
    }
  )
  assert conclude(rows).label == "separable"


def test_equal_networks_have_a_probability_of_all_or_nothing():
  assert judge([0.9] * 3).probability == 1.0
  assert judge([0.3] * 3).probability == 0.0
