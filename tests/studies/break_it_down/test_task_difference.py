"""D_sub and D_abl follow analysis section 3 on numbers set by hand."""

import numpy as np
import pandas as pd
import pytest

from structcomp_jax.pipeline.tables import SETTINGS
from structcomp_jax.studies.break_it_down.findings import task_difference
from structcomp_jax.types import UserError
from tests.studies.break_it_down import synthetic


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


def _with_redrawn():
  """Returns results with all three ablations; no number appears twice."""
  results = _one_base()
  redrawn = results[results["ablation"] == "zero"].assign(ablation="random")
  results = pd.concat([results, redrawn], ignore_index=True)
  ramp = np.linspace(0.3, 0.9, len(results))
  return results.assign(accuracy=ramp, margin=ramp / 2, loss=ramp / 3)


def test_every_column_comes_from_its_own_row():
  results = _with_redrawn()
  cells = results.dropna(subset="subroutine")
  cells = cells.set_index(["subroutine", "ablation", "test_task"]).sort_index()
  table = task_difference.task_differences(results).set_index("subroutine")
  measures = {
    "none": ("subnetwork", "d_sub"),
    "zero": ("ablated", "d_abl"),
    "random": ("redrawn", "d_redrawn"),
  }
  for name, other in (("subject", "verb"), ("verb", "subject")):
    row = table.loc[name]
    for ablation, (condition, measure) in measures.items():
      found = cells.loc[(name, ablation)]
      tests = {
        "own": name,
        "other_task": other,
        "base": "base",
        "target": f"odd_{name}",
        "other": f"odd_{other}",
      }
      for label, test in tests.items():
        assert row[f"{condition}_{label}"] == found.loc[test, "accuracy"]
      for column in ("margin", "loss"):
        assert row[f"{condition}_{column}"] == found.loc[name, column]
      expected = row[f"{condition}_target"] - row[f"{condition}_other"]
      assert row[measure] == expected
    assert row["density"] == 0.15
    assert row["base_accuracy"] == 0.995


@pytest.mark.parametrize(("accuracy", "failed"), [(0.8999, True), (0.9, False)])
def test_a_base_network_at_the_threshold_works(accuracy, failed):
  results = _one_base().assign(base_accuracy=accuracy)
  table = task_difference.task_differences(results)
  assert set(table["base_failed"]) == {failed}


@pytest.mark.parametrize(
  ("accuracy", "learned"), [(0.8999, False), (0.9, True)]
)
def test_a_mask_at_the_threshold_has_learned_its_own_task(accuracy, learned):
  results = _one_base()
  _set(results, "verb", "none", "verb", accuracy)
  _set(results, "verb", "none", "subject", 1 - accuracy)
  table = task_difference.task_differences(results).set_index("subroutine")
  assert table["learned"].to_dict() == {"subject": True, "verb": learned}


def test_one_test_above_chance_is_no_collapse():
  cases = [
    ("verb", 0.2999, True),
    ("verb", 0.3, False),
    ("odd_verb", 0.3, False),
    ("odd_subject", 0.3, False),
    ("odd_subject", np.nan, False),
    # The whole task and the other one are not asked.
    ("base", 0.9, True),
    ("subject", 0.9, True),
  ]
  tables = []
  for base_seed, (test, accuracy, _) in enumerate(cases):
    results = _one_base().assign(base_seed=base_seed)
    results.loc[results["ablation"] == "zero", "accuracy"] = 0.2
    _set(results, "verb", "zero", test, accuracy)
    tables.append(results)
  table = task_difference.task_differences(pd.concat(tables))
  found = table.groupby("subroutine")["ablated_collapsed"].agg(list)
  assert found["verb"] == [collapsed for *_, collapsed in cases]
  assert all(found["subject"])


@pytest.mark.parametrize(
  ("selected", "count"),
  [(True, 2), ("True", 2), ("true", 2), (1, 2), (1.0, 2), (False, 0), (0, 0)],
)
def test_selected_may_be_written_in_several_ways(selected, count):
  results = _one_base()
  masks = results["subroutine"].notna()
  results = results.assign(selected=selected)
  chosen = task_difference.searches_only(results)
  assert chosen.groupby("subroutine").ngroups == count
  everything = results.drop(columns="selected")
  assert len(task_difference.searches_only(everything)) == masks.sum()


def test_missing_settings_drop_no_search():
  results = _one_base()
  results.loc[results.index, ["mask_seed", *SETTINGS]] = np.nan
  table = task_difference.task_differences(results)
  assert len(table) == 2
  assert table["subnetwork_loss"].notna().all()
  assert table["density"].notna().all()


@pytest.mark.parametrize("column", ["base_seed", "candidate"])
def test_masks_of_another_number_or_network_are_not_repeats(column):
  first = _one_base().dropna(subset=["subroutine"])
  second = first.assign(**{column: 7, "learning_rate": 0.02})
  table = task_difference.task_differences(pd.concat([first, second]))
  assert sorted(table[column]) == [0, 0, 7, 7]
  assert ((table["learning_rate"] == 0.02) == (table[column] == 7)).all()


@pytest.mark.parametrize("column", ["mask_seed", *SETTINGS])
def test_every_mask_has_its_own_settings(column):
  results = synthetic.results_rows(num_bases=1, num_masks=3)
  results[column] = 10.0 + results["candidate"]
  # A setting that is not given must not become that of another row.
  results.loc[results["candidate"] == 1, column] = np.nan
  table = task_difference.task_differences(results)
  for name in synthetic.PAIR:
    found = table[table["subroutine"] == name].set_index("candidate")[column]
    np.testing.assert_array_equal(found[[0, 1, 2]], [10.0, np.nan, 12.0])


def test_every_experiment_has_its_own_two_subroutines():
  first = _one_base()
  words = {"subject": "inside", "verb": "count"}
  second = first.assign(
    experiment="inside_count",
    subroutine=first["subroutine"].replace(words),
    test_task=first["test_task"].replace(words, regex=True),
    accuracy=first["accuracy"] / 2 + 0.25,
  )
  alone = [task_difference.task_differences(one) for one in (first, second)]
  both = task_difference.task_differences(pd.concat([first, second]))
  pd.testing.assert_frame_equal(both, pd.concat(alone, ignore_index=True))
  assert set(alone[1]["subroutine"]) == {"inside", "count"}


def test_two_broken_cues_are_no_subroutine():
  results = _one_base()
  both = results[results["test_task"] == "base"].assign(test_task="odd_both")
  names = task_difference.subroutines(pd.concat([both, results]))
  assert names == ["subject", "verb"]


def test_untrained_networks_come_last_and_the_rest_keeps_its_order():
  table = pd.DataFrame(
    {"regime": ["random_init", "b", "random_init", "a", "b"], "row": range(5)}
  )
  ordered = task_difference.control_last(table)
  assert list(ordered["row"]) == [1, 3, 4, 0, 2]
