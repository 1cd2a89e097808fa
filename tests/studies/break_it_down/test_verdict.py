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
  assert "not clearly more so than in untrained networks" in one.sentence


def test_no_control_no_modular_network():
  one = _trained(_differences("scratch"))
  assert one.label == "undecided"
  assert "fewer than two random-init networks" in one.sentence
  assert one.numbers.probability is None
  assert one.numbers.control is None


def test_what_is_not_there_needs_no_control():
  differences = _differences("scratch")
  _set(differences, "scratch", "d_abl", 0.0)
  _set(differences, "scratch", "num_problems", 3_000)
  assert _trained(differences).label == "not modular"


def test_damage_as_harmful_as_the_ablation_takes_the_verdict_away():
  differences = _differences("scratch", "random_init")
  controls = _controls()
  assert _trained(differences, controls).label == "modular by ablation"
  controls["d_abl"] = -0.6
  one = _trained(differences, controls)
  assert one.label == "undecided"
  assert "Not shown: removing the 'verb' subnetwork" in one.sentence


def test_ablation_no_worse_than_untrained_is_not_counted():
  differences = _differences("scratch", "random_init")
  _set(differences, "random_init", "d_abl", -0.6)
  # The effect is there, so that "not modular" would be wrong as well.
  assert _trained(differences).label == "undecided"


def test_failed_networks_are_left_out_and_named():
  differences = _differences("scratch", "random_init")
  failed = (differences["regime"] == "scratch") & (
    differences["base_seed"] == 2
  )
  differences.loc[failed, ["base_failed", "d_abl"]] = [True, 0.7]
  one = _trained(differences)
  assert one.label == "modular by ablation"
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
