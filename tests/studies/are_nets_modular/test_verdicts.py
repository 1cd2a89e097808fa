"""Every answer, and everything that stands in the way of one."""

import math

import pandas as pd
import pytest

from structcomp_jax.studies.are_nets_modular.findings import (
  reuse_score,
  specialisation,
)
from structcomp_jax.studies.are_nets_modular.findings.verdict import CANNOT
from tests.studies.are_nets_modular import synthetic
from tests.studies.are_nets_modular.synthetic import change, without

SPECIALISED = ("scratch", "specialisation")
REUSE = ("scratch", "reuse")
EXPERIMENT = "double_addition"


def verdict_of(path, rows, which, experiment=EXPERIMENT):
  return synthetic.verdicts(path / "run", experiment, rows)[which]


@pytest.fixture
def rows():
  return synthetic.make(EXPERIMENT)


def test_pairs_with_weights_of_their_own(tmp_path, rows):
  found = synthetic.verdicts(tmp_path / "run", EXPERIMENT, rows)
  one = found[SPECIALISED]
  assert one.label == "specialised"
  assert "mask of pair_1: pair_1 99%, pair_2 1%" in one.sentence
  assert "without pair_1: pair_1 1%, pair_2 77%" in one.sentence
  assert one.floor.startswith("random masks kept: own 1% and 1%, other 1%")
  assert {effect.name: effect.mean for effect in one.effects} == {
    "kept": pytest.approx(0.98),
    "removed": pytest.approx(0.76),
  }
  assert found[REUSE].label == "does not reuse"
  assert found["copy_weight", "control"].label == "control"
  assert "reuse score 1.00" in found["copy_weight", "control"].effect
  assert list(found) == [
    SPECIALISED,
    REUSE,
    ("copy_weight", "control"),
    ("random_init", "control"),
  ]


def test_a_control_mask_that_fails_says_nothing(tmp_path, rows):
  failing = change(
    rows, 0.85, regime="scratch", subroutine="control", test_task="pair_2"
  )
  found = synthetic.verdicts(tmp_path / "run", EXPERIMENT, failing)
  for which in (SPECIALISED, REUSE):
    assert found[which].label == CANNOT
    assert "pair_1 97%, pair_2 85%" in found[which].sentence
    assert "training.num_steps" in found[which].sentence
    assert not found[which].effects


def test_a_failed_network_is_left_out_and_named(tmp_path, rows):
  bad = {"regime": "scratch", "base_seed": 2}
  failing = change(rows, 0.5, subroutine="control", ablation="none", **bad)
  failing = change(failing, 0.5, subroutine="pair_1", **bad)
  one = verdict_of(tmp_path, failing, SPECIALISED)
  assert one.label == "specialised"
  assert "base seed 2" in one.notes[0]
  assert all(list(effect.by_network) == [0, 1] for effect in one.effects)


@pytest.mark.parametrize("count", [1, 2])
def test_one_network_decides_nothing(tmp_path, count):
  rows = synthetic.make(EXPERIMENT, networks=count)
  found = synthetic.verdicts(tmp_path / "run", EXPERIMENT, rows)
  assert (found[SPECIALISED].label == CANNOT) == (count == 1)
  assert (found[REUSE].label == CANNOT) == (count == 1)
  if count == 1:
    assert "base_seeds" in found[SPECIALISED].sentence


def test_masks_that_did_not_learn_say_nothing(tmp_path, rows):
  where = {"subroutine": "pair_2", "ablation": "none", "test_task": "pair_2"}
  found = synthetic.verdicts(
    tmp_path / "run",
    EXPERIMENT,
    change(rows, 0.88, regime="scratch", **where),
  )
  for which in (SPECIALISED, REUSE):
    assert found[which].label == CANNOT
    assert "masks of pair_2 do not solve it (accuracy 88%)" in (
      found[which].sentence
    )


@pytest.mark.parametrize("name", ["pair_1", "pair_2"])
def test_one_subtask_alone_takes_separability_away(tmp_path, rows, name):
  other = "pair_2" if name == "pair_1" else "pair_1"
  dead = change(
    rows,
    0.01,
    regime="scratch",
    subroutine=name,
    ablation="zero",
    test_task=other,
  )
  one = verdict_of(tmp_path, dead, SPECIALISED)
  assert one.label == "specialised, not separable"
  assert f"Without the weights of {name} it does neither" in one.sentence
  assert f"Without the weights of {other}" not in one.sentence


@pytest.mark.parametrize(
  ("left", "label"),
  [
    (0.55, "specialised"),
    (0.4, "specialised, partly separable"),
    (0.2, "specialised, not separable"),
  ],
)
def test_how_much_of_the_other_subtask_goes_on(tmp_path, rows, left, label):
  for name in synthetic.SUBTASKS[EXPERIMENT]:
    other = "pair_2" if name == "pair_1" else "pair_1"
    where = {"regime": "scratch", "subroutine": name, "ablation": "zero"}
    rows = change(rows, left, test_task=other, **where)
  assert verdict_of(tmp_path, rows, SPECIALISED).label == label


def test_one_network_makes_it_unclear(tmp_path, rows):
  where = {"regime": "scratch", "base_seed": 1, "subroutine": "pair_1"}
  both = change(rows, 0.99, ablation="none", test_task="pair_2", **where)
  assert verdict_of(tmp_path, both, SPECIALISED).label == "unclear"


def test_masks_that_do_everything_are_not_specialised(tmp_path, rows):
  for ablation in ("none", "zero"):
    for name in synthetic.SUBTASKS[EXPERIMENT]:
      rows = change(
        rows, 0.96, regime="scratch", ablation=ablation, subroutine=name
      )
  one = verdict_of(tmp_path, rows, SPECIALISED)
  assert one.label == "not specialised"


@pytest.mark.parametrize(
  ("accuracy", "label"),
  [
    (0.5, "specialised"),
    (0.9, "specialised, partly separable"),
    (0.99, "specialised, not separable"),
  ],
)
def test_random_masks_must_be_exceeded(tmp_path, rows, accuracy, label):
  """0.76 is removed; of that, random masks remove some as well."""
  where = {"table": "controls", "regime": "scratch", "ablation": "zero"}
  same = change(
    rows, accuracy, subroutine="pair_1", test_task="pair_2", **where
  )
  assert verdict_of(tmp_path, same, SPECIALISED).label == label


def test_untrained_masks_that_are_as_specific(tmp_path, rows):
  learned = rows
  for name in synthetic.SUBTASKS[EXPERIMENT]:
    where = {"subroutine": name, "test_task": name, "ablation": "none"}
    learned = change(learned, 0.99, regime="random_init", **where)
  one = verdict_of(tmp_path, learned, SPECIALISED)
  assert one.label == "unclear"
  assert "no evidence of learning" in one.sentence
  other = verdict_of(tmp_path / "not_learned", rows, SPECIALISED)
  assert other.label == "specialised"
  assert "masks of untrained networks do not solve" in other.notes[0]


def test_missing_numbers_are_no_answer(tmp_path, rows):
  where = {"regime": "scratch", "subroutine": "pair_1", "ablation": "zero"}
  one = verdict_of(tmp_path, without(rows, **where), SPECIALISED)
  assert one.label == CANNOT
  assert "pair_1, weights removed" in one.sentence
  nan = change(
    rows, math.nan, regime="scratch", subroutine="control", ablation="none"
  )
  evidence = synthetic.evidence(tmp_path / "b", EXPERIMENT, rows)
  object.__setattr__(
    evidence, "results", evidence.results.assign(accuracy=_column(nan))
  )
  assert specialisation.judge(evidence, "scratch").label == CANNOT


def _column(rows):
  return [row["accuracy"] for row in rows["results"]]


def _with_excess(monkeypatch, **changes):
  names = {
    "same": ("scratch", True),
    "different": ("scratch", False),
    "untrained": ("random_init", False),
    "copies": ("copy_weight", False),
    "untrained_same": ("random_init", True),
  }
  new = {names[name]: value for name, value in changes.items()}
  monkeypatch.setattr(synthetic, "EXCESS", {**synthetic.EXCESS, **new})
  return synthetic.make(EXPERIMENT)


@pytest.mark.parametrize(
  ("excess", "label"),
  [
    ({"different": 0.1}, "does not reuse"),
    ({"different": 0.4}, "partly"),
    ({"different": 0.75}, "reuses"),
    # As much as untrained networks: nothing was learned.
    ({"different": 0.75, "untrained": 0.75}, CANNOT),
    ({"different": 0.4, "untrained": 0.4}, CANNOT),
    # What shares by construction is not seen.
    ({"different": 0.1, "copies": 0.3}, CANNOT),
    ({"different": 0.75, "copies": 0.3}, "reuses"),
    # Masks of the same subtask share no more than random ones.
    ({"different": 0.1, "same": 0.0}, CANNOT),
    # A small ceiling is a ceiling.
    ({"different": 0.09, "same": 0.1}, "reuses"),
  ],
)
def test_where_the_overlap_lies(tmp_path, monkeypatch, excess, label):
  rows = _with_excess(monkeypatch, **excess)
  one = verdict_of(tmp_path, rows, REUSE)
  assert one.label == label
  assert bool(one.effects) == (excess.get("same") != 0.0)


def test_same_answer_of_untrained_networks_is_noted(tmp_path, monkeypatch):
  one = verdict_of(tmp_path, synthetic.make(EXPERIMENT), REUSE)
  assert any("no evidence of learning" in note for note in one.notes)
  rows = _with_excess(monkeypatch, untrained=0.6)
  one = verdict_of(tmp_path / "other", rows, REUSE)
  assert not one.notes


def test_one_mask_seed_has_no_ceiling(tmp_path):
  one = verdict_of(tmp_path, synthetic.make(EXPERIMENT, seeds=(0,)), REUSE)
  assert one.label == CANNOT
  assert "search.seeds" in one.sentence


def test_one_network_of_another_kind_changes_the_answer(tmp_path, rows):
  def moved(row):
    is_its = (row["regime"], row["base_seed"]) == ("scratch", 1)
    if not is_its or row["first"] == row["second"]:
      return row
    ends = row["first_kept"], row["second_kept"]
    counts = synthetic.shared(row["leaf"], row["size"], *ends, 0.8)
    return {**row, **counts}

  overlaps = [moved(row) for row in rows["overlaps"]]
  one = verdict_of(tmp_path, {**rows, "overlaps": overlaps}, REUSE)
  assert one.label == CANNOT
  assert "networks differ too much" in one.sentence


def test_ends_of_double_addition_do_not_count(tmp_path, rows):
  """Each pair has inputs and outputs of its own: there, nothing is shared."""

  def cut(row):
    is_end = row["leaf"] in ("layer_0/kernel", "output/kernel")
    is_cut = is_end and row["first"] != row["second"]
    return {**row, "both": 0} if is_cut else row

  overlaps = [cut(row) for row in rows["overlaps"]]
  score = {
    experiment: verdict_of(
      tmp_path / experiment,
      {
        "results": _renamed(rows["results"], experiment),
        "controls": _renamed(rows["controls"], experiment),
        "overlaps": _renamed(overlaps, experiment),
      },
      REUSE,
      experiment,
    )
    .effects[0]
    .mean
    for experiment in ("double_addition", "add_mul")
  }
  assert score["double_addition"] == pytest.approx(0.125, abs=0.01)
  assert score["add_mul"] < 0.1


def _renamed(rows, experiment):
  """Returns rows of double addition as if they were of another experiment."""
  pairs = synthetic.SUBTASKS["double_addition"]
  names = dict(zip(pairs, synthetic.SUBTASKS[experiment], strict=True))
  names["double_addition"] = experiment
  return [
    {
      column: names.get(value, value) if isinstance(value, str) else value
      for column, value in row.items()
    }
    for row in rows
  ]


def test_masks_of_different_sizes_are_compared_fairly(tmp_path):
  """add is a part of mul, which has twice the weights: all of it is shared."""
  rows = synthetic.make("add_mul")

  def contained(row):
    return {**row, "both": min(row["first_kept"], row["second_kept"])}

  rows["overlaps"] = [
    row if row["regime"] == "random_init" else contained(row)
    for row in rows["overlaps"]
  ]
  one = verdict_of(tmp_path, rows, REUSE, "add_mul")
  assert one.label == "reuses"
  assert one.effects[0].mean == pytest.approx(1.0)


@pytest.mark.parametrize(
  ("scores", "label"),
  [
    ([0.1, 0.12, 0.11], reuse_score.DOES_NOT),
    ([-0.05, 0.0, 0.02], reuse_score.DOES_NOT),
    ([0.05, 0.2, 0.3], "probably does not reuse"),
    ([0.05, 0.3], CANNOT),
    ([0.7, 0.95, 0.8], "probably reuses"),
    ([0.9, 0.9, 0.92], reuse_score.REUSES),
    ([0.4, 0.5, 0.45], reuse_score.PARTLY),
    ([0.1, 0.9, 0.5], CANNOT),
    ([0.1], CANNOT),
  ],
)
def test_bands_of_the_score(scores, label):
  table = pd.DataFrame(
    {"regime": "scratch", "base_seed": range(len(scores)), "score": scores}
  )
  nobody = table[["regime", "base_seed"]][:0]
  assert reuse_score.of_regime(table, "scratch", nobody).label() == label


def test_untrained_networks_are_compared_in_pairs(tmp_path, rows):
  for name in synthetic.SUBTASKS[EXPERIMENT]:
    where = {"subroutine": name, "test_task": name, "ablation": "none"}
    rows = change(rows, 0.99, regime="random_init", **where)
  one = verdict_of(tmp_path, rows, SPECIALISED)
  compared = one.effects[0].against["untrained networks"].estimate
  assert (compared.method, compared.num_clusters) == ("pairs", 3)
  assert not any("pairs" in note for note in one.notes)
  bad = {"regime": "scratch", "base_seed": 2}
  failing = change(rows, 0.5, subroutine="control", ablation="none", **bad)
  one = verdict_of(tmp_path / "failing", failing, SPECIALISED)
  assert one.effects[0].against["untrained networks"].estimate.num_left_out == 1
  assert any("1 without a partner is left out" in note for note in one.notes)


def test_what_could_have_been_found_is_said_where_nothing_is_clear(
  tmp_path, rows
):
  where = {"regime": "scratch", "base_seed": 1, "subroutine": "pair_1"}
  both = change(rows, 0.99, ablation="none", test_task="pair_2", **where)
  unclear = verdict_of(tmp_path, both, SPECIALISED)
  assert any("this design finds an effect of" in one for one in unclear.notes)
  clear = verdict_of(tmp_path / "clear", rows, SPECIALISED)
  assert not any("this design" in one for one in clear.notes)


SPLIT = {name: ("scratch", f"left out: {name}") for name in ("jump", "length")}
TURN, ROW = ("scratch", "left out: turn_left"), ("scratch", "output row")


def test_what_masks_of_scan_lose(tmp_path):
  found = synthetic.verdicts(tmp_path / "run", "scan")
  assert {which: one.label for which, one in found.items()} == {
    SPLIT["jump"]: "loses what was left out",
    SPLIT["length"]: "loses what was left out",
    TURN: "keeps what was left out",
    ROW: "the row of I_JUMP is cut",
  }
  jump = found[SPLIT["jump"]]
  assert jump.effects[0].mean == pytest.approx(0.6)
  assert "control mask 97%, mask of jump 37%" in jump.sentence
  assert jump.floor == "drop on all commands +12.0 points"
  assert found[ROW].effects[0].mean == pytest.approx(0.305 - 0.02)


def test_a_damaged_mask_is_no_specific_loss(tmp_path):
  rows = change(
    synthetic.make("scan"), 0.37, subroutine="jump", test_task="simple"
  )
  found = synthetic.verdicts(tmp_path / "run", "scan", rows)
  assert found[SPLIT["jump"]].label == "unclear"
  assert found[SPLIT["length"]].label == "loses what was left out"


def test_a_network_that_cannot_do_the_split_is_left_out(tmp_path):
  rows = change(
    synthetic.make("scan"),
    0.5,
    subroutine="control",
    test_task="jump",
    base_seed=1,
  )
  found = synthetic.verdicts(tmp_path / "run", "scan", rows)
  assert list(found[SPLIT["jump"]].effects[0].by_network) == [0, 2]
  assert list(found[ROW].effects[0].by_network) == [0, 2]
  assert list(found[SPLIT["length"]].effects[0].by_network) == [0, 1, 2]


def test_a_row_must_lose_more_than_every_other_one(tmp_path):
  rows = synthetic.make("scan")
  rows["outputs"] = [
    {**row, "lost": 70}
    if (row["subroutine"], row["output"]) == ("jump", "EOS")
    else row
    for row in rows["outputs"]
  ]
  one = synthetic.verdicts(tmp_path / "run", "scan", rows)[ROW]
  assert one.label == "the row of I_JUMP is not cut"


LEVEL = {name: ("scratch", f"left out: {name}") for name in ("medium", "hard")}


def test_what_the_mask_of_easy_questions_loses(tmp_path):
  found = synthetic.verdicts(tmp_path / "run", "mathematics_sort")
  assert {which: one.label for which, one in found.items()} == {
    LEVEL["medium"]: "keeps what was left out",
    LEVEL["hard"]: "loses what was left out",
  }
  hard = found[LEVEL["hard"]]
  assert hard.effects[0].mean == pytest.approx(0.47)
  assert "control mask 97%, mask of easy questions 50%" in hard.sentence
  assert hard.floor == "drop on easy questions +1.0 points"


def test_a_mask_that_loses_easy_questions_is_damaged(tmp_path):
  rows = change(
    synthetic.make("mathematics_sort"),
    0.5,
    subroutine="easy",
    test_task="easy",
  )
  found = synthetic.verdicts(tmp_path / "run", "mathematics_sort", rows)
  assert found[LEVEL["hard"]].label == "unclear"


def test_a_control_mask_must_do_the_level_and_easy_questions(tmp_path):
  for level, left in (("hard", "medium"), ("easy", None)):
    rows = change(
      synthetic.make("mathematics_sort"),
      0.8,
      subroutine="control",
      test_task=level,
    )
    found = synthetic.verdicts(tmp_path / level, "mathematics_sort", rows)
    assert found[LEVEL["hard"]].label == "cannot be told"
    is_told = found[LEVEL["medium"]].label != "cannot be told"
    assert is_told == (left == "medium")


def test_easy_questions_alone_leave_nothing_out(tmp_path):
  rows = synthetic.make("mathematics_sort")
  for table in ("results", "controls"):
    rows[table] = [row for row in rows[table] if row["test_task"] == "easy"]
  found = synthetic.verdicts(tmp_path / "run", "mathematics_sort", rows)
  (one,) = found.values()
  assert one.label == "cannot be told"
  assert "leaves nothing out" in one.sentence
