"""The committed summary is what the release's numbers say."""

import pandas as pd
import pytest

from structcomp_jax.analysis import published


def test_every_experiment_has_both_subroutines():
  table = published.load()
  pairs = table.groupby("experiment")["subroutine"].agg(set)
  assert pairs["sv_singular"] == {"subject", "verb"}
  assert pairs["contact_count"] == {"contact", "count"}
  assert len(pairs) == 7
  assert (pairs.map(len) == 2).all()


def test_failed_networks_are_left_out():
  row = published.lookup("inside_contact", "scratch", "inside", "resnet50")
  assert (row["num_bases"], row["num_failed_bases"], row["n"]) == (2, 1, 6)


def test_values_read_off_the_release():
  row = published.lookup("sv_singular", "scratch", "subject")
  assert row["n"] == 9
  assert row["d_sub_mean"] == pytest.approx(0.4619, abs=1e-4)
  assert row["d_abl_mean"] == pytest.approx(-0.4167, abs=1e-4)


def test_random_init_takes_the_settings_of_scratch():
  row = published.lookup("sv_singular", "random_init", "verb")
  assert row["hparams_from"] == "scratch"


def test_unknown_regime_has_no_row():
  assert published.lookup("sv_singular", "frozen", "verb") is None


def _release_row(ablation, eval_task, accuracy):
  return {
    "experiment": "sv_agr_singular",
    "model": "bert_small",
    "regime": "scratch",
    "base_model": "8c91f5e2-whatever",
    "mask_task": "verb",
    "search_id": "a",
    "seed": 0,
    "ablation": ablation,
    "eval_task": eval_task,
    "accuracy": accuracy,
    "l0": 10,
    "l0_max": 100,
    "lr": 0.01,
    "mask_init": 0.0,
    "masked_from": "0",
    "row_type": "eval",
    "hparams_from": "scratch",
  }


def test_release_tests_map_to_the_cue_that_is_broken():
  # Test 3 keeps the subject cue, so only the verb can find the odd one.
  release = pd.DataFrame(
    [
      _release_row("none", 2, 1.0),
      _release_row("none", 3, 0.8),
      _release_row("none", 4, 0.3),
      _release_row("zero", 3, 0.3),
      _release_row("zero", 4, 0.8),
    ]
  )
  ours = published.in_our_columns(release)
  assert list(ours["test_task"][:3]) == ["verb", "odd_verb", "odd_subject"]
  assert (ours["base_accuracy"] == 0.655).all()
  summary = published.summarise(release)
  assert summary.loc[0, "num_failed_bases"] == 1
  assert summary.loc[0, "n"] == 0
