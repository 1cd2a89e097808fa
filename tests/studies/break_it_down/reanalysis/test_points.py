"""What changes is computed from the table, and rightly."""

import re

import numpy as np
import pytest

from structcomp_jax.studies.break_it_down.reanalysis import published_data
from structcomp_jax.studies.break_it_down.reanalysis.points import (
  controls,
  every,
  outcomes,
)
from tests.report.test_least_squares import least_squares_by_hand
from tests.studies.break_it_down.reanalysis import synthetic


def changed(published, tmp_path, change):
  """Returns the analysis of the table after a change."""
  path = tmp_path / "changed.csv"
  change(synthetic.release()).to_csv(path, index=False)
  return published_data.load(path)


def test_there_are_thirteen_points_and_two_more(points):
  assert list(points) == [*map(str, range(1, 14)), "sizes", "t"]
  untold = {label for label, point in points.items() if not point.is_judged}
  assert untold == {"1", "2", "6", "7"}
  for point in points.values():
    for text in (point.done, point.change):
      assert text.endswith("."), text
      assert "nan" not in text and "  " not in text, text
    if point.is_judged:
      assert re.search(r"\d", point.change), point.change
      assert point.tables


def test_random_init_is_clustered_by_seed(published):
  found = controls.comparisons(published.searches)
  table = published.searches
  assert len(found) == 8
  for _, row in found.iterrows():
    family, model, _ = row["table"].split("-")
    of_task = table[
      (table["family"] == family)
      & (table["model"] == model)
      & (table["hparams_from"] == "scratch")
      & (table["task"] == row["task"])
    ]
    column = {"D_sub": "d_sub", "D_abl": "d_abl"}[row["difference"]]
    # Networks that the release leaves out by hand, of trained ones alone.
    trained = of_task[
      (of_task["regime"] == "scratch")
      & (of_task["base_seed"] != synthetic.FAILED)
    ]
    untrained = of_task[of_task["regime"] == "random_init"]
    both = np.concatenate([untrained[column], trained[column]])
    is_untrained = np.repeat([1.0, 0.0], [len(untrained), len(trained)])
    for words, of_untrained in (
      ("published", "base_seed"),
      ("by_seed", "seed"),
    ):
      clusters = np.array(
        [
          *("random " + untrained[of_untrained].astype(str)),
          *trained["base_seed"],
        ]
      )
      design = np.column_stack([np.ones_like(both), is_untrained])
      coefficients, covariance = least_squares_by_hand(design, both, clusters)
      np.testing.assert_allclose(row["estimate"], coefficients[1])
      np.testing.assert_allclose(row[f"error_{words}"], covariance[1, 1] ** 0.5)
      assert row[f"networks_{words}"] == len(set(clusters))
  of_language = found[found["table"].str.startswith("sv_agr")]
  # Both language experiments start from the same three untrained networks.
  assert set(of_language["networks_by_seed"]) == {6 + 3}
  assert set(of_language["networks_published"]) == {6 + 6}


def test_the_published_comparison_is_the_published_test(published):
  found = controls.comparisons(published.searches)
  tests = published.tests[published.tests["model"] == "b"]
  for _, row in found.iterrows():
    coding = {"D_sub": "Ablation", "D_abl": "Subnetwork"}[row["difference"]]
    (test,) = tests[
      (tests["table"] == row["table"])
      & (tests["task"] == row["task"])
      & (tests["coding"] == coding)
      & (tests["term"] == "Random")
    ].to_dict("records")
    np.testing.assert_allclose(row["estimate"], test["estimate"])
    np.testing.assert_allclose(row["error_published"], test["standard_error"])
    np.testing.assert_allclose(row["p_published"], test["p"])


def test_repeated_searches_are_counted_and_named(published, points):
  found = controls.repeats(published.evaluations, published.searches)
  raw = synthetic.release()
  raw = raw[(raw["row_type"] == "eval") & (raw["regime"] == "random_init")]
  settings = ["experiment", "model", "mask_task", "lr", "mask_init"]
  runs = raw.groupby([*settings, "masked_from", "seed"])["search_id"]
  expected = {
    search
    for _, searches in runs
    for search in searches
    if searches.nunique() > 1
  }
  assert set(found["search_id"]) == expected
  # Runs are told apart by the seed, too.
  assert set(found.groupby("run")["seed"].nunique()) == {1}
  identical = found[found["is_identical"]]
  assert len(identical) == 2
  assert set(identical["base_model"]) == set(map(synthetic.uuid, "a0"))
  assert set(identical["seed"]) == {2}
  sentence = points["4"].change
  assert f"{len(expected)} random-init searches share" in sentence
  assert "2 of them" in sentence
  assert "inside_contact contact (00000000 = aaaaaaaa)" in sentence


def test_d_is_shown_over_what_learned(published):
  summary = controls.learned_summary(published.searches)
  row = summary[
    (summary["release_experiment"] == "inside_contact")
    & (summary["regime"] == "random_init")
    & (summary["task"] == "Inside")
  ].iloc[0]
  table = published.searches
  rows = table[
    (table["release_experiment"] == "inside_contact")
    & (table["regime"] == "random_init")
    & (table["task"] == "Inside")
  ]
  learned = rows[rows["subnetwork_own"] >= 0.9]
  assert 0 < len(learned) < len(rows)
  assert (row["num_searches"], row["num_learned"]) == (9, len(learned))
  np.testing.assert_allclose(row["own"], rows["subnetwork_own"].mean())
  for name in ("d_sub", "d_abl"):
    np.testing.assert_allclose(row[name], rows[name].mean())
    np.testing.assert_allclose(row[f"{name}_learned"], learned[name].mean())


def test_searches_that_never_learned_are_named(published, tmp_path):
  def spoil(table):
    is_own = (
      (table["model"] == "wideresnet50")
      & (table["regime"] == "random_init")
      & (table["mask_task"] == "inside")
      & (table["eval_task"] == 110)
    )
    return table.assign(accuracy=table["accuracy"].where(~is_own, 0.4))

  point = controls.only_learned(changed(published, tmp_path, spoil))
  assert "in 1 of 24 rows none does (inside_count wideresnet50 random_init" in (
    point.change
  )


def test_collapsed_searches_are_counted(published, points, tmp_path):
  assert (
    "1 of 213 searches collapsed: 1 simclr (resnet50)." in points["8"].change
  )
  rows = published.searches
  rows = rows[(rows["regime"] == "simclr") & (rows["task"] == "Contact")]
  (row,) = outcomes.without_collapsed(published.searches).to_dict("records")
  assert (row["num_searches"], row["num_collapsed"]) == (9, 1)
  for name in ("d_sub", "d_abl"):
    np.testing.assert_allclose(row[name], rows[name].mean())
    np.testing.assert_allclose(
      row[f"{name}_without"], rows[rows["d_sub"] != 0][name].mean()
    )

  def mend(table):
    is_first = (table["accuracy"] == 0.258) & (table["eval_task"] == 103)
    return table.assign(accuracy=table["accuracy"].where(~is_first, 0.3))

  found = changed(published, tmp_path, mend)
  assert outcomes.collapsed(found).change.startswith(
    "0 of 213 searches collapsed: none."
  )


def test_constant_ablated_networks_are_counted(published, tmp_path):
  def break_one(table):
    chosen = (table["base_model"] == synthetic.uuid("p")) & (
      table["ablation"] == "zero"
    )
    return table.assign(accuracy=table["accuracy"].where(~chosen, 0.267))

  sentence = outcomes.collapsed(changed(published, tmp_path, break_one)).change
  assert "constant in 6 searches (in pppppppp)" in sentence
  assert "tests in 6 of 213" in sentence


def test_right_answers_by_a_hair_are_counted(published, points):
  rows = published.evaluations
  accurate = [
    (accuracy, loss)
    for accuracy, loss in zip(rows["accuracy"], rows["loss"], strict=True)
    if accuracy > 0.9
  ]
  unsure = sum(loss > 1.35 for _, loss in accurate)
  share = f"{unsure / len(accurate):.1%}"
  start = f"{unsure} of {len(accurate)} ({share}) decide"
  assert points["9"].change.startswith(start)
  assert points["9"].tables["09_unsure"]["num_unsure"].sum() == unsure


def test_networks_fail_by_threshold_and_uuid(published, points):
  failed = points["10"].tables["10_failed"].set_index("base_model")
  assert set(failed.index) == {synthetic.FAILED, synthetic.uuid("r")}
  assert failed.loc[synthetic.FAILED, "accuracy"] == 0.756
  both = failed[["by_threshold", "by_hand"]]
  assert both.loc[synthetic.FAILED].tolist() == [True, True]
  # The release copied the number to networks that stand in another order.
  assert both.loc[synthetic.uuid("r")].tolist() == [False, True]
  sentence = points["10"].change
  assert "kept qqqqqqqq, pruned from b80c24dc" in sentence
  means = points["10"].tables["10_means"]
  assert set(means["regime"]) == {"pruned"}
  rows = published.searches
  rows = rows[(rows["regime"] == "pruned") & (rows["task"] == "Inside")]
  kept = rows[rows["base_seed"] != synthetic.uuid("r")]
  row = means[means["task"] == "Inside"].iloc[0]
  np.testing.assert_allclose(row["d_abl"], rows["d_abl"].mean())
  np.testing.assert_allclose(row["d_abl_published"], kept["d_abl"].mean())


def test_numbers_by_position_are_compared_with_uuids(
  points, published, tmp_path
):
  found = points["11"].tables["11_numbers"]
  numbers = [
    (row["directory"][0], row["number"], row["by_uuid"])
    for _, row in found.iterrows()
  ]
  assert numbers == [
    ("w", 0, 0), ("x", 0, 1), ("x", 1, 1), ("y", 1, 2), ("y", 2, 2),
  ]  # fmt: skip
  assert "2 of 5 numbers there are wrong;" in points["11"].change

  def without_the_last(table):
    is_random = (table["model"] == "wideresnet50") & (
      table["regime"] == "random_init"
    )
    return table[~(is_random & (table["base_model"] != synthetic.uuid("x")))]

  # The networks that lent the settings count, not those that are left.
  found = changed(published, tmp_path, without_the_last)
  (point,) = [one for one in every.every(found) if one.label == "11"]
  assert "2 of 2 numbers there are wrong;" in point.change


def test_masks_of_failed_networks_are_shown(published, points):
  (table,) = points["13"].tables.values()
  assert set(table["base_model"]) == {synthetic.FAILED}
  rows = published.searches
  rows = rows[
    (rows["base_seed"] == synthetic.FAILED)
    & (rows["regime"] == "scratch")
    & (rows["task"] == "Contact")
  ]
  row = table[table["task"] == "Contact"].iloc[0]
  np.testing.assert_allclose(row["d_sub"], rows["d_sub"].mean())
  np.testing.assert_allclose(
    row["subnetwork_own"], rows["subnetwork_own"].mean()
  )


@pytest.mark.parametrize("value", [1.0, 0.0])
def test_untrained_networks_count_as_evidence_against(
  published, tmp_path, value
):
  """With D_sub of 0.75 everywhere the test finds it, with 0 it does not."""

  def set_target(table):
    is_random = (table["regime"] == "random_init") & (
      table["ablation"] == "none"
    )
    target = {
      "inside": 107, "contact": 108, "subject": 4, "verb": 3,
    }  # fmt: skip
    target_of = table["mask_task"].map(target)
    is_target = is_random & (
      (table["eval_task"] == target_of) | (table["eval_task"] == target_of + 5)
    )
    accuracy = table["accuracy"].where(~is_random, 0.2)
    return table.assign(accuracy=accuracy.where(~is_target, value))

  found = changed(published, tmp_path, set_target)
  (point,) = [one for one in every.every(found) if one.label == "13"]
  count = 4 if value else 0
  assert f"for {count} of 4 tasks" in point.change
  assert ("no evidence" in point.change) == bool(value)
