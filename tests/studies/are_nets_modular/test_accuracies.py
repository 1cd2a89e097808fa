"""Tables of accuracies: inverses, halves, answers, penalties."""

import math

import pandas as pd
import pytest

from structcomp_jax.studies.are_nets_modular.findings import (
  accuracies,
  drops,
  left_out,
)
from structcomp_jax.studies.are_nets_modular.findings.evidence import reported
from tests.studies.are_nets_modular import synthetic


@pytest.fixture
def evidence(tmp_path):
  return synthetic.evidence(tmp_path / "run", "double_addition")


def test_inverse_table_has_the_published_columns_first(evidence):
  table = accuracies.inverse_table(evidence.results, evidence.subtasks)
  scratch = table[table["regime"] == "scratch"]
  columns = scratch[["subroutine", "ablation"]].drop_duplicates()
  assert columns.to_numpy().tolist() == [
    ["", "none"],
    ["control", "none"],
    ["pair_1", "none"],
    ["pair_1", "zero"],
    ["pair_2", "none"],
    ["pair_2", "zero"],
    ["pair_1", "zero_io_control"],
    ["pair_1", "zero_io_free"],
    ["pair_2", "zero_io_control"],
    ["pair_2", "zero_io_free"],
  ]
  cells = scratch.set_index(["subroutine", "ablation", "test_task"])
  assert cells["accuracy_mean"]["pair_1", "zero", "pair_2"] == pytest.approx(
    0.77
  )
  assert cells["accuracy_mean"]["pair_2", "zero", "pair_2"] == pytest.approx(
    0.01
  )
  assert cells["accuracy_sd"]["control", "none", "pair_1"] == pytest.approx(
    0.004
  )


def test_networks_count_once_and_one_has_no_spread():
  rows = pd.DataFrame(
    {"k": "x", "base_seed": [0, 0, 0, 1], "v": [1.0, 1.0, 1.0, 0.0]}
  )
  found = accuracies.between_networks(rows, ["k"], ["v"]).iloc[0]
  assert found["v_mean"] == 0.5
  assert found["v_sd"] == pytest.approx(math.sqrt(0.5))
  alone = accuracies.between_networks(rows[:3], ["k"], ["v"]).iloc[0]
  assert (alone["v_mean"], alone["num_networks"]) == (1.0, 1)
  assert math.isnan(alone["v_sd"])


def test_halves_of_the_control_mask(evidence):
  table = accuracies.half_masks(evidence.results)
  scratch = table[table["regime"] == "scratch"]
  drop = scratch.set_index(["half", "test_task"])["drop_mean"]
  assert drop.to_dict() == {
    ("early", "pair_1"): pytest.approx(0.02),
    ("early", "pair_2"): pytest.approx(0.02),
    ("late", "pair_1"): pytest.approx(0.1),
    ("late", "pair_2"): pytest.approx(0.01),
  }
  assert accuracies.half_masks(evidence.results[:2]).empty


def test_a_network_fails_by_one_test_or_without_numbers(evidence):
  results = evidence.results[evidence.results["regime"] == "scratch"]
  tests = evidence.subtasks
  assert accuracies.failed(results, tests).empty
  control = (results["subroutine"] == "control") & (
    results["ablation"] == "none"
  )
  one = control & (results["base_seed"] == 1)
  for bad in (0.4, math.nan):
    is_bad = one & (results["test_task"] == "pair_2")
    changed = results.assign(accuracy=results["accuracy"].mask(is_bad, bad))
    out = accuracies.failed(changed, tests)
    assert out["base_seed"].tolist() == [1]
    kept = accuracies.working(changed, out)
    assert sorted(kept["base_seed"].unique()) == [0, 2]
  assert len(accuracies.failed(results[~control], tests)) == 3
  assert len(accuracies.failed(results, ("pair_1", "other"))) == 3


def test_what_is_answered(tmp_path):
  evidence = synthetic.evidence(tmp_path / "run", "add_mul")
  table = accuracies.confusion(evidence.results)
  cells = table[table["regime"] == "scratch"].set_index(
    ["subroutine", "test_task"]
  )
  own = cells.loc[("add", "add")]
  assert own["is_sum_mean"] == pytest.approx(0.99)
  assert own["is_product_mean"] == pytest.approx(0.004)
  assert own["neither_mean"] == pytest.approx(0.006, abs=1e-3)
  # 40 problems have one number for both answers.
  assert cells.loc[("", "add")]["neither_mean"] < 0.003
  other = synthetic.evidence(tmp_path / "other", "double_addition")
  assert accuracies.confusion(other.results).empty


def test_the_penalty_that_is_reported():
  assert reported((1e-5, 1e-4, 1e-3)) == 1e-4
  assert reported((0.0, 1e-2)) == 1e-2
  assert reported((4e-4,)) == 4e-4


def test_one_penalty_of_several_is_reported(tmp_path):
  rows = synthetic.make("add_mul")
  other = [
    {**row, "beta": 1e-2, "penalty": 1e-2 / 128, "accuracy": 0.2}
    for row in rows["results"]
    if row["subroutine"]
  ]
  rows["results"] += other
  rows["overlaps"] += [
    {**row, "beta": 1e-2, "both": 0} for row in rows["overlaps"]
  ]
  rows["densities"] += [
    {**row, "penalty": 1e-2 / 128, "kept": 0} for row in rows["densities"]
  ]
  one = synthetic.evidence(tmp_path / "run", "add_mul", rows)
  assert one.betas == (synthetic.BETA, 1e-2)
  assert one.beta == synthetic.BETA
  masked = one.results[one.results["subroutine"] != ""]
  assert set(masked["beta"]) == {synthetic.BETA}
  assert len(one.results) > len(masked)
  assert one.overlaps["both"].min() > 0
  assert one.densities["kept"].min() > 0
  by_beta = accuracies.by_beta(one.every_beta)
  scratch = by_beta[by_beta["regime"] == "scratch"].set_index("beta")
  assert scratch["accuracy_mean"][1e-2] == pytest.approx(0.2)


def test_lost_weights_of_outputs(tmp_path):
  one = synthetic.evidence(tmp_path / "run", "scan")
  table = left_out.output_table(one.outputs).set_index(["subroutine", "output"])
  assert "control" not in table.index.unique("subroutine")
  assert table["lost_mean"]["jump", "I_JUMP"] == pytest.approx(61 / 200)
  assert table["lost_mean"]["length", "I_JUMP"] == pytest.approx(0.02)
  nothing = one.outputs.assign(control_kept=0, lost=0)
  assert left_out.output_table(nothing)["lost_mean"].isna().all()


def test_drops_compare_masks_of_one_seed(tmp_path):
  rows = synthetic.scan(networks=1, seeds=(0, 1))
  rows = synthetic.change(
    rows, 0.5, subroutine="control", mask_seed=1, test_task="jump"
  )
  one = synthetic.evidence(tmp_path / "run", "scan", rows)
  table = drops.drops(accuracies.wide(one.results), "jump", "jump", "simple")
  assert table["drop"].tolist() == pytest.approx([0.6, 0.5 - 0.366])
