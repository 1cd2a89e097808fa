"""The committed summary is what the release's numbers say."""

import pandas as pd
import pytest

from structcomp_jax.studies.break_it_down import experiments
from structcomp_jax.studies.break_it_down.findings import published


def test_every_experiment_has_both_subroutines():
  table = published.load()
  pairs = table.groupby("experiment")["subroutine"].agg(set)
  assert pairs["sv_singular"] == {"subject", "verb"}
  assert pairs["contact_count"] == {"contact", "count"}
  assert len(pairs) == 7
  assert (pairs.map(len) == 2).all()


def test_descriptions_name_the_same_subroutines():
  pairs = published.load().groupby("experiment")["subroutine"].agg(set)
  for experiment, about in experiments.DESCRIPTIONS.items():
    assert set(about.questions) == pairs[experiment]
    assert pairs[experiment] < set(about.release.tests)


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
    "loss": 0.5,
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


@pytest.mark.parametrize(
  ("experiment", "mask_task", "first", "names"),
  [
    ("sv_agr_plural", "verb", 5, "base subject verb odd_verb odd_subject"),
    (
      "anaphora_plural",
      "pronoun",
      15,
      "base pronoun antecedent odd_antecedent odd_pronoun",
    ),
    (
      "inside_contact",
      "inside",
      103,
      "base inside contact odd_both odd_inside odd_contact",
    ),
    (
      "inside_count",
      "number",
      109,
      "base inside count odd_both odd_count odd_inside",
    ),
    (
      "count_contact",
      "contact",
      115,
      "base contact count odd_both odd_count odd_contact",
    ),
  ],
)
def test_numbered_tests_have_our_names(experiment, mask_task, first, names):
  names = names.split()
  row = _release_row("none", first, 0.5)
  row |= {"experiment": experiment, "mask_task": mask_task}
  release = [row | {"eval_task": first + i} for i in range(len(names))]
  ours = published.in_our_columns(pd.DataFrame(release))
  assert list(ours["test_task"]) == names
  assert set(ours["subroutine"]) == {mask_task.replace("number", "count")}
  (renamed,) = set(ours["experiment"])
  assert experiments.DESCRIPTIONS[renamed].release.name == experiment


def test_the_summary_of_a_release_is_over_searches():
  def search(search_id, hparams_from, target, own):
    rows = [
      _release_row("none", 2, own),
      _release_row("none", 3, target),
      _release_row("none", 4, 0.3),
      _release_row("zero", 2, 0.4),
      _release_row("zero", 3, 0.3),
      _release_row("zero", 4, 0.8),
      _release_row("none", 3, 0.0) | {"row_type": "train"},
    ]
    changes = {
      "base_model": "another",
      "search_id": search_id,
      "hparams_from": hparams_from,
    }
    return [row | changes for row in rows]

  rows = search("a", "scratch", 0.8, 1.0) + search("b", "scratch", 0.6, 0.8)
  rows += search("c", "pruned", 0.5, 1.0)
  summary = published.summarise(pd.DataFrame(rows)).set_index("hparams_from")
  ours = summary.loc["scratch"]
  assert (ours["n"], ours["num_bases"], ours["num_learned"]) == (2, 1, 1)
  assert (ours["num_failed_bases"], ours["trained"]) == (0, True)
  expected = {
    "d_sub": (0.4, 0.1414),
    "d_abl": (-0.5, 0.0),
    "own_accuracy": (0.9, 0.1414),
    "own_accuracy_ablated": (0.4, 0.0),
    "density": (0.1, 0.0),
  }
  for name, (mean, deviation) in expected.items():
    assert ours[f"{name}_mean"] == pytest.approx(mean)
    assert ours[f"{name}_sd"] == pytest.approx(deviation)
  assert summary.loc["pruned", "d_sub_mean"] == pytest.approx(0.2)


def test_the_model_of_that_name_comes_first():
  wide = published.lookup("inside_contact", "scratch", "inside", "wideresnet50")
  assert wide["model"] == "wideresnet50"
  other = published.lookup("inside_contact", "scratch", "inside", "tiny")
  assert other["model"] == "resnet50"
  for row in (wide, other):
    assert (row["regime"], row["subroutine"]) == ("scratch", "inside")
