"""The library's own rules, on the published searches."""

import numpy as np
import pytest

from structcomp_jax.report import verdicts as verdict_files
from structcomp_jax.studies.break_it_down.findings import verdict
from structcomp_jax.studies.break_it_down.reanalysis import judged


@pytest.fixture(scope="module")
def found(published):
  return {one.verdict.network: one for one in judged.judge(published)}


def test_every_trained_network_is_judged_in_the_order_of_regimes(found):
  assert list(found) == [
    ("sv_singular", "bert_small", "scratch"),
    ("sv_singular", "bert_small", "lm_pretrained"),
    ("sv_plural", "bert_small", "scratch"),
    ("inside_contact", "resnet50", "scratch"),
    ("inside_contact", "resnet50", "simclr"),
    ("inside_contact", "resnet50", "pruned"),
    ("inside_count", "wideresnet50", "scratch"),
  ]


@pytest.mark.parametrize(
  ("network", "lender"),
  [
    (("inside_contact", "resnet50", "scratch"), "scratch"),
    # It has no untrained networks of its own.
    (("inside_contact", "resnet50", "simclr"), "scratch"),
    (("sv_singular", "bert_small", "lm_pretrained"), "lm_pretrained"),
  ],
)
def test_the_rules_see_untrained_networks_by_seed(
  found, published, monkeypatch, network, lender
):
  seen = []

  def spy(differences, controls=None):
    seen.append(differences)
    return verdict.verdicts(differences, controls)

  monkeypatch.setattr(judged, "verdicts", spy)
  answers = {one.verdict.network: one for one in judged.judge(published)}
  assert answers[network] == found[network]
  assert found[network].control == lender
  (rows,) = [
    one
    for one in seen
    if (one["experiment"].iloc[0], one["model"].iloc[0]) == network[:2]
    and network[2] in set(one["regime"])
  ]
  untrained = rows[rows["regime"] == "random_init"]
  assert set(untrained["base_seed"]) == {"seed 0", "seed 1", "seed 2"}
  assert set(untrained["hparams_from"]) == {lender}
  assert len(untrained) == 18
  trained = rows[rows["regime"] == network[2]]
  assert not set(trained["base_seed"]) & set(untrained["base_seed"])


def test_failed_networks_are_left_out_by_uuid(found):
  notes = found["inside_contact", "resnet50", "scratch"].verdict.notes
  assert any("b80c24dc" in note and "0000" not in note for note in notes)
  notes = found["inside_contact", "resnet50", "pruned"].verdict.notes
  assert not any("left out" in note for note in notes)


def test_published_support_is_the_sign_and_the_published_p(found, published):
  predicted = found["inside_count", "wideresnet50", "scratch"].predicted
  tests = published.tests[
    (published.tests["table"] == "inside_count-wideresnet50-scratch")
    & (published.tests["term"] == "(Intercept)")
  ].set_index(["task", "coding"])
  assert len(predicted) == 4
  for (task, difference), is_predicted in predicted.items():
    coding, sign = {
      "D_sub": ("Ablation", 1), "D_abl": ("Subnetwork", -1),
    }[difference]  # fmt: skip
    row = tests.loc[(task, coding)]
    assert is_predicted == (
      np.sign(row["estimate"]) == sign and row["p"] < 0.05
    )
  assert not found["sv_singular", "bert_small", "lm_pretrained"].predicted


def test_support_counts_below_five_percent_on_the_predicted_side(
  published, monkeypatch
):
  tests = published.tests.copy()
  is_one = (
    (tests["table"] == "inside_count-wideresnet50-scratch")
    & (tests["task"] == "Inside")
    & (tests["term"] == "(Intercept)")
  )
  tests.loc[is_one, "p"] = 0.04
  tests.loc[is_one, "estimate"] = 0.3
  changed = type(published)(**{**vars(published), "tests": tests})
  network = "inside_count", "wideresnet50", "scratch"
  (one,) = [
    one for one in judged.judge(changed) if one.verdict.network == network
  ]
  assert one.predicted["Inside", "D_sub"]
  assert not one.predicted["Inside", "D_abl"]


def test_verdicts_are_counted(found):
  words = judged.in_words(list(found.values()))
  assert words.startswith("Of 7 kinds of networks: ")
  labels = [one.verdict.label for one in found.values()]
  for label in set(labels):
    assert f"{labels.count(label)} {label}" in words
  assert "of the 6 that they are about" in words


def test_records_are_what_programs_read(found):
  text = verdict_files.to_json(judged.as_records(list(found.values())))
  assert '"control_settings_from": "scratch"' in text
  assert '"Inside D_abl": ' in text
