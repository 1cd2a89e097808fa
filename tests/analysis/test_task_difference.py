"""D_sub and D_abl follow analysis section 3 on numbers set by hand."""

import numpy as np
import pandas as pd
import pytest

from structcomp_jax.analysis import task_difference
from structcomp_jax.types import UserError
from tests.analysis import synthetic


def _set(results, subroutine, ablation, test, accuracy):
  chosen = (
    (results["subroutine"] == subroutine)
    & (results["ablation"] == ablation)
    & (results["test_task"] == test)
  )
  assert chosen.any()
  results.loc[chosen, "accuracy"] = accuracy


def _one_base():
  return synthetic.results_rows(num_bases=1, num_masks=1, noise=0.0)


def test_by_hand():
  results = _one_base()
  _set(results, "verb", "none", "odd_verb", 0.9)
  _set(results, "verb", "none", "odd_subject", 0.4)
  _set(results, "verb", "zero", "odd_verb", 0.35)
  _set(results, "verb", "zero", "odd_subject", 0.8)
  table = task_difference.task_differences(results).set_index("subroutine")
  np.testing.assert_allclose(table.loc["verb", "d_sub"], 0.5)
  np.testing.assert_allclose(table.loc["verb", "d_abl"], -0.45)
  np.testing.assert_allclose(table.loc["verb", "density"], 0.15)
  assert np.isnan(table.loc["verb", "d_redrawn"])


def test_accuracies_below_chance_count_as_chance():
  results = _one_base()
  _set(results, "subject", "none", "odd_subject", 0.1)
  _set(results, "subject", "none", "odd_verb", 0.2)
  _set(results, "subject", "zero", "odd_subject", 0.0)
  _set(results, "subject", "zero", "odd_verb", 1.0)
  table = task_difference.task_differences(results).set_index("subroutine")
  assert table.loc["subject", "d_sub"] == 0.0
  assert table.loc["subject", "d_abl"] == -0.75


def test_every_search_gives_one_row_and_dense_rows_none():
  results = synthetic.results_rows(num_bases=2, num_masks=3)
  table = task_difference.task_differences(results)
  assert len(table) == 2 * 2 * 3
  assert (table["d_sub"].abs() <= 0.75).all()


def test_unselected_candidates_are_left_out():
  results = synthetic.results_rows(num_bases=1, num_masks=3)
  results["selected"] = results["selected"].astype(object)
  results.loc[results["mask_seed"] == 2, "selected"] = False
  table = task_difference.task_differences(results)
  assert sorted(table["mask_seed"].unique()) == [0, 1]


def test_missing_searches_are_missing_rows_not_errors():
  results = synthetic.results_rows(num_bases=1, num_masks=3)
  dead = (results["mask_seed"] == 1) & (results["subroutine"] == "verb")
  table = task_difference.task_differences(results[~dead])
  assert table["subroutine"].value_counts().to_dict() == {
    "subject": 3,
    "verb": 2,
  }


def test_base_network_fails_by_threshold():
  results = synthetic.results_rows(num_bases=2, num_masks=1)
  results.loc[results["base_seed"] == 1, "base_accuracy"] = 0.89
  table = task_difference.task_differences(results)
  assert set(table[table["base_failed"]]["base_seed"]) == {1}
  assert set(task_difference.usable(table)["base_seed"]) == {0}
  loose = task_difference.task_differences(results, base_threshold=0.8)
  assert not loose["base_failed"].any()


def test_untrained_networks_cannot_fail():
  results = synthetic.results_rows("random_init", num_bases=1)
  assert not task_difference.task_differences(results)["base_failed"].any()


def test_collapsed_ablation_is_marked():
  results = _one_base()
  for test in ("subject", "odd_subject", "odd_verb"):
    _set(results, "subject", "zero", test, 0.26)
  table = task_difference.task_differences(results).set_index("subroutine")
  assert table["ablated_collapsed"].to_dict() == {
    "subject": True,
    "verb": False,
  }


def test_repeated_rows_are_refused():
  results = _one_base()
  with pytest.raises(UserError, match="answers twice for base seed 0"):
    task_difference.task_differences(pd.concat([results, results.tail(1)]))


def test_tests_of_two_subroutines_are_needed():
  results = _one_base()
  with pytest.raises(UserError, match=r"odd_\* tests of two subroutines"):
    task_difference.task_differences(
      results[results["test_task"] != "odd_verb"]
    )
