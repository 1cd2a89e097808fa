"""Every label, every obstacle and every note, one place at a time."""

import pandas as pd
import pytest

from structcomp_jax.report.markup import number
from structcomp_jax.studies.break_it_down.findings import (
  effects,
  labels,
  verdict,
)
from tests.studies.break_it_down import hand_made, synthetic
from tests.studies.break_it_down.hand_made import (
  answer,
  both,
  damage,
  joined,
  rows,
)

every_subroutine = pytest.mark.parametrize("name", synthetic.PAIR)


def _other(name):
  return next(one for one in synthetic.PAIR if one != name)


# --- Labels -----------------------------------------------------------------

NONE = ((0.5, 0.5),) * 5
SPARE = ((0.95, 0.95),) * 5
CONTRARY = (0.5,) * 5
STRONG = (-0.6,) * 5
OPEN = ((0.6, 0.6), (0.6, 0.6), -0.7, (0.6, 0.6), -0.7)


@every_subroutine
@pytest.mark.parametrize(
  ("first", "second", "label"),
  [
    (STRONG, STRONG, "modular by ablation"),
    (STRONG, OPEN, "undecided"),
    (STRONG, NONE, "not modular"),
    (STRONG, SPARE, "redundant"),
    (STRONG, CONTRARY, "not modular"),
    (OPEN, OPEN, "undecided"),
    (OPEN, NONE, "not modular"),
    (OPEN, SPARE, "undecided"),
    (OPEN, CONTRARY, "not modular"),
    (NONE, NONE, "not modular"),
    (NONE, SPARE, "not modular"),
    (SPARE, SPARE, "redundant"),
    (SPARE, CONTRARY, "not modular"),
    (CONTRARY, CONTRARY, "opposite effect"),
  ],
)
def test_label_of_two_subroutines(name, first, second, label):
  trained = joined(
    rows(name=name, ablated=first), rows(name=_other(name), ablated=second)
  )
  assert answer(trained).label == label


def test_what_a_removal_costs_is_said_in_units_of_the_difference():
  one = answer(both(ablated=CONTRARY))
  assert "the other subroutine more: D_abl +0.50 (95 % interval" in one.sentence
  one = answer(both(ablated=SPARE, own=0.99))
  assert "'verb' almost nothing: +0.04 (95 % interval" in one.sentence


@every_subroutine
def test_every_effect_of_every_subroutine_is_needed(name):
  trained = joined(rows(name=name, subnetwork=-0.1), rows(name=_other(name)))
  one = answer(trained)
  assert one.label == "undecided"
  assert f"Not shown: the '{name}' subnetwork alone" in one.sentence
  assert f"'{_other(name)}' subnetwork" not in one.sentence
  assert one.numbers.probability == min(
    effect.probability for effect in one.effects
  )


@every_subroutine
@pytest.mark.parametrize(
  ("d_sub", "label"), [(0.1, "modular"), (0.6, "modular by ablation")]
)
def test_modular_needs_both_subroutines_beyond_untrained(name, d_sub, label):
  untrained = joined(
    rows("random_init", name, (0.5,) * 3, subnetwork=d_sub),
    rows("random_init", _other(name), (0.5,) * 3, subnetwork=0.1),
  )
  one = answer(both(), untrained)
  assert one.label == label
  assert ("The proof is the ablation." in one.sentence) == (d_sub == 0.6)


@every_subroutine
@pytest.mark.parametrize("column", ["d_sub", "d_abl"])
def test_random_masks_as_good_in_one_subroutine_take_the_label(name, column):
  trained = both()
  controls = damage(trained)
  assert answer(trained, controls=controls).label == "modular by ablation"
  sign = 1 if column == "d_sub" else -1
  controls.loc[controls["subroutine"] == name, column] = sign * 0.6
  one = answer(trained, controls=controls)
  assert one.label == "undecided"
  assert f"'{name}' subnetwork" in one.sentence
  assert f"'{_other(name)}' subnetwork" not in one.sentence


@every_subroutine
@pytest.mark.parametrize(
  ("column", "value", "words"),
  [
    ("subnetwork_own", 0.8, "did not learn '{0}': mean accuracy 0.80"),
    ("subnetwork_own", 0.905, "Whether the masks learned '{0}' is open"),
  ],
)
@pytest.mark.parametrize("regime", ["scratch", "random_init"])
def test_masks_of_one_subroutine_can_say_nothing(
  name, column, value, words, regime
):
  trained, untrained = both(), both("random_init", (0.5,) * 3)
  table = trained if regime == "scratch" else untrained
  table.loc[table["subroutine"] == name, column] = value
  one = answer(hand_made.with_differences(trained), untrained)
  assert one.label == "undecided"
  if regime == "scratch":
    assert words.format(name) in one.sentence
    assert one.numbers.control > 0.95
  else:
    assert "random-init control" in one.sentence
    assert one.numbers.informative > 0.95
  assert len(one.effects) == 4


@every_subroutine
@pytest.mark.parametrize(
  ("accuracy", "words"),
  [(0.3, "leaves networks that do next"), (0.41, "still work is open")],
)
def test_ablated_networks_of_one_subroutine_can_say_nothing(
  name, accuracy, words
):
  trained = joined(
    rows(name=name, ablated=((accuracy, accuracy),) * 3),
    rows(name=_other(name)),
  )
  one = answer(trained)
  assert one.label == "undecided"
  assert words in one.sentence
  assert f"'{name}'" in one.sentence


@pytest.mark.parametrize(
  ("drop", "words"),
  [
    (lambda table: table.assign(base_failed=True), "Every base network failed"),
    (lambda table: table[table["subroutine"] == "verb"], "only one subroutine"),
    (lambda table: table[table["base_seed"] == 0], "Fewer than two working"),
    (
      lambda table: table.assign(base_failed=table["base_seed"] > 0),
      "Fewer than two working",
    ),
  ],
)
def test_what_stands_in_the_way_of_any_number(drop, words):
  one = answer(drop(both()), both("random_init", (0.5,) * 3))
  assert one.label == "undecided"
  assert words in one.sentence
  assert one.numbers is None and one.effects == ()


@pytest.mark.parametrize("seeds", [0, 1])
def test_fewer_than_two_untrained_networks_are_no_control(seeds):
  untrained = both("random_init", (0.5,) * 3)
  one = answer(both(), untrained[untrained["base_seed"] < seeds])
  assert one.label == "undecided"
  assert "no control to compare with" in one.sentence
  assert one.numbers.control is None


def test_an_untrained_network_counts_with_both_subroutines():
  untrained = both("random_init", (0.5,) * 3)
  lacking = (untrained["base_seed"] > 0) & (untrained["subroutine"] == "verb")
  one = answer(both(), untrained[~lacking])
  assert one.numbers.control is None


def test_an_open_number_says_how_many_networks_would_tell():
  one = answer(both(ablated=(-0.1, -0.3, -0.6)))
  assert one.label == "undecided"
  (effect,) = {one.excess for one in one.effects if one.test == "D_abl"}
  low, high = (number(bound, sign=True) for bound in effect.interval)
  assert f"+0.33 (95 % interval {low} to {high}, 3 n" in one.sentence
  assert "such networks would tell" in one.sentence
  near = answer(both(ablated=((0.5, 0.5), (0.5, 0.5), (0.5, 0.64))))
  assert "even 100 such networks might not tell" in near.sentence


def test_a_loss_that_is_neither_small_nor_large_is_named():
  one = answer(both(ablated=NONE, lost=0.1))
  assert one.label == "undecided"
  assert "Of its accuracy it costs +0.10" in one.sentence
  assert set(one.numbers.costs.values()) == {labels.Cost.OPEN}


# --- Notes ------------------------------------------------------------------

NO_RANDOM = "no random masks of the same size to compare with"


def _changed(table, where, **cells):
  table = table.copy()
  chosen = table.query(where).index
  table.loc[chosen, list(cells)] = list(cells.values())
  return table


@pytest.mark.parametrize(
  ("trained", "untrained", "note"),
  [
    (("base_seed != 1", {"base_failed": True}), None, "seed: 0, 2"),
    (("base_seed == 1", {"learned": False}), None, "2 of 6 masks stay below"),
    (
      ("base_seed == 1", {"ablated_collapsed": True}),
      None,
      "2 of 6 ablated networks are at chance",
    ),
    (
      ("subroutine == 'verb'", {"subnetwork_loss": 1.36}),
      None,
      "3 of 6 masks decide by tiny differences",
    ),
    (("subroutine == 'verb'", {"subnetwork_loss": 1.35}), None, None),
    (
      (
        "subroutine == 'verb'",
        {"subnetwork_loss": 1.36, "learned": False},
      ),
      None,
      "3 of 6 masks stay below 0.9",
    ),
    (
      None,
      ("base_seed == 1", {"learned": False}),
      "2 of 6 masks of the random-init control stay below 0.9",
    ),
    (None, ("base_seed == 1", {"ablated_collapsed": True}), None),
    # The partner of a network that failed is no one's match.
    (
      None,
      ("base_seed == 1", {"base_seed": 8}),
      "2 without a partner are left out",
    ),
    (
      None,
      ("base_seed != 1", {"base_seed": 8}),
      "fewer than two base seeds in common",
    ),
  ],
)
def test_notes_say_what_limits_the_verdict(trained, untrained, note):
  tables = [both(), both("random_init", (0.5,) * 3)]
  for place, change in enumerate((trained, untrained)):
    if change:
      tables[place] = _changed(tables[place], change[0], **change[1])
  found = [one for one in answer(*tables).notes if one != NO_RANDOM]
  assert len(found) == (note is not None)
  if note:
    assert note in found[0]


def test_random_masks_that_are_missing_are_noted():
  trained = both()
  controls = damage(trained)
  assert answer(trained).notes == (NO_RANDOM,)
  assert answer(trained, controls=controls).notes == ()
  some = controls[controls["base_seed"] != 1]
  (note,) = answer(trained, controls=some).notes
  assert note.endswith("base seed 1")


# --- Which networks ---------------------------------------------------------


def test_every_model_of_every_experiment_has_its_own_control():
  trained, untrained = both(), both("random_init", (0.5,) * 3)
  parts = [
    trained.assign(experiment=experiment, model=model)
    for experiment in ("second", "first")
    for model in ("small", "large")
  ]
  parts.append(untrained.assign(experiment="second", model="small"))
  answers = verdict.verdicts(pd.concat(parts))
  assert {one.network: one.label for one in answers} == {
    ("second", "small", "scratch"): "modular by ablation",
    ("second", "small", "random_init"): "control",
    ("second", "large", "scratch"): "undecided",
    ("first", "small", "scratch"): "undecided",
    ("first", "large", "scratch"): "undecided",
  }
  assert answers[0].network == ("second", "small", "scratch")


def test_two_trained_regimes_are_judged_apart():
  pruned = both(ablated=((0.9, 0.9),) * 3).assign(regime="pruned")
  parts = [both(), pruned, both("random_init", (0.5,) * 3)]
  answers = verdict.verdicts(pd.concat(parts))
  found = {one.network[2]: one.label for one in answers}
  assert found["scratch"] == "modular by ablation"
  assert found["pruned"] == "redundant"


def test_numbers_that_are_missing_make_no_claim():
  assert not labels.is_sure(None) and not labels.is_improbable(None)
  assert effects.worth_a_claim(None) is None
  assert labels.loses(None) is None
