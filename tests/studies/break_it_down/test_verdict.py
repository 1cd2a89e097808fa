"""The verdict follows its stated rules, control by control."""

import pandas as pd
import pytest

from structcomp_jax.studies.break_it_down.findings import (
  summary,
  task_difference,
  verdict,
)
from tests.studies.break_it_down import synthetic


def _differences(*regimes, **kwargs):
  tables = [synthetic.results_rows(regime, **kwargs) for regime in regimes]
  return task_difference.task_differences(pd.concat(tables))


def _controls(regime="scratch", **kwargs):
  rows = synthetic.results_rows(regime, profile="random_matched", **kwargs)
  return task_difference.task_differences(rows)


def _trained(differences, controls=None):
  answers = verdict.verdicts(differences, controls)
  return next(one for one in answers if one.network[2] == "scratch")


def _set(differences, regime, column, value, subroutine=None):
  chosen = differences["regime"] == regime
  if subroutine:
    chosen &= differences["subroutine"] == subroutine
  differences.loc[chosen, column] = value


def test_modular_beyond_the_control():
  differences = _differences("scratch", "random_init")
  _set(differences, "random_init", "d_sub", 0.1)
  assert _trained(differences, _controls()).label == "modular"


def test_as_specific_untrained_networks_take_away_half_the_evidence():
  one = _trained(_differences("scratch", "random_init"), _controls())
  assert one.label == "modular by ablation"
  assert "untrained networks yield the same" in one.sentence


def test_untrained_networks_that_did_not_learn_are_no_comparison():
  differences = _differences("scratch", "random_init")
  _set(differences, "random_init", "d_sub", 0.0)
  _set(differences, "random_init", "learned", False)
  one = _trained(differences, _controls())
  assert one.label == "modular by ablation"
  assert any("did not learn" in note for note in one.notes)


def test_no_control_no_verdict():
  one = _trained(_differences("scratch"))
  assert one.label == "inconclusive"
  assert "no random-init control" in one.sentence


def test_subnetwork_alone_is_no_evidence():
  differences = _differences("scratch", "random_init")
  _set(differences, "scratch", "d_abl", 0.0)
  assert _trained(differences, _controls()).label == "not modular"


def test_effects_that_cancel_over_networks_are_not_absence():
  differences = _differences("scratch", "random_init", num_bases=2)
  trained = differences["regime"] == "scratch"
  differences.loc[trained, "d_abl"] = 0.4
  first = trained & (differences["base_seed"] == 0)
  differences.loc[first & (differences["subroutine"] == "verb"), "d_abl"] = -0.4
  one = _trained(differences)
  assert one.label == "inconclusive"
  assert "'subject' in particular in any base network." in one.sentence
  assert "'verb' in particular depends on the base network" in one.sentence


def test_one_subroutine_only_is_mixed():
  differences = _differences("scratch", "random_init")
  _set(differences, "scratch", "d_abl", 0.0, "verb")
  one = _trained(differences, _controls())
  assert one.label == "mixed"
  assert "'verb' subnetwork costs 'verb'" in one.sentence
  assert "subject" not in one.sentence


def test_damage_as_harmful_as_the_ablation_takes_the_verdict_away():
  differences = _differences("scratch", "random_init")
  controls = _controls()
  controls["d_abl"] = -0.6
  assert _trained(differences, _controls()).label.startswith("modular")
  assert "modular" not in _trained(differences, controls).label.split()[:1]


def test_ablation_no_worse_than_untrained_is_not_counted():
  differences = _differences("scratch", "random_init")
  _set(differences, "random_init", "d_abl", -0.6)
  assert not _trained(differences).label.startswith("modular")


def test_disagreeing_networks_are_not_called_modular():
  differences = _differences("scratch", "random_init")
  flipped = (differences["regime"] == "scratch") & (
    differences["base_seed"] == 0
  )
  differences.loc[flipped, "d_abl"] = 0.3
  assert _trained(differences).label == "inconclusive"


def test_two_agreeing_networks_are_only_probably_modular():
  differences = _differences("scratch", "random_init", num_bases=2)
  trained = differences["regime"] == "scratch"
  first = trained & (differences["base_seed"] == 0)
  differences.loc[trained, "d_abl"] = -0.7
  differences.loc[first, "d_abl"] = -0.2
  assert _trained(differences).label == "probably modular by ablation"


@pytest.mark.parametrize(
  ("column", "value", "reason"),
  [
    ("base_failed", True, "Every base network failed"),
    ("subnetwork_own", 0.6, "did not learn 'subject'"),
    ("ablated_collapsed", True, "at chance on everything"),
  ],
)
def test_obstacles(column, value, reason):
  differences = _differences("scratch", "random_init")
  _set(differences, "scratch", column, value)
  one = _trained(differences)
  assert one.label == "inconclusive"
  assert reason in one.sentence
  assert one.effects == ()


def test_one_network_is_not_enough():
  one = _trained(_differences("scratch", "random_init", num_bases=1))
  assert "Fewer than two working base networks" in one.sentence


def test_failed_networks_are_left_out_and_named():
  differences = _differences("scratch", "random_init")
  failed = (differences["regime"] == "scratch") & (
    differences["base_seed"] == 2
  )
  differences.loc[failed, ["base_failed", "d_abl"]] = [True, 0.7]
  one = _trained(differences)
  assert one.label.endswith("modular by ablation")
  assert "left out, failed base seed: 2" in one.notes
  rows = summary.summarise(differences).set_index(["regime", "subroutine"])
  row = rows.loc["scratch", "verb"]
  assert (row["n"], row["num_bases"], row["num_failed_bases"]) == (6, 2, 1)
  assert row["d_abl_mean"] < -0.4


def test_untrained_networks_are_called_control():
  labels = {
    one.network[2]: one.label
    for one in verdict.verdicts(_differences("scratch", "random_init"))
  }
  assert labels["random_init"] == "control"


def test_near_parallel_embeddings_are_reported():
  differences = _differences("scratch", "random_init")
  _set(differences, "scratch", "subnetwork_loss", 1.38)
  notes = " ".join(_trained(differences).notes)
  assert "18 of 18 masks decide by tiny differences" in notes


def test_summary_by_hand():
  differences = _differences("scratch", num_bases=2, num_masks=1, noise=0.0)
  row = summary.summarise(differences, _controls(num_bases=2, num_masks=1))
  row = row.set_index("subroutine").loc["verb"]
  assert row["d_sub_mean"] == pytest.approx(0.65)
  assert row["d_sub_sd"] == pytest.approx(0.0)
  assert row["density_mean"] == pytest.approx(0.15)
  assert abs(row["d_sub_matched_mean"]) < 0.05
