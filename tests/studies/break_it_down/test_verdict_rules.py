"""Every condition of the verdict, on tables that differ in one place."""

import pandas as pd
import pytest

from structcomp_jax.report.grades import Grade, graded
from structcomp_jax.studies.break_it_down.findings import verdict
from structcomp_jax.studies.break_it_down.findings.effects import (
  MINIMUM_EFFECT,
)
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  MASK_KEY,
)
from tests.studies.break_it_down import synthetic

CLEAR, CONSISTENT = Grade.CLEAR, Grade.CONSISTENT
UNCLEAR, OPPOSITE = Grade.UNCLEAR, Grade.OPPOSITE
NAN = float("nan")
LEVELS = {"scratch": 0.5, "random_init": 0.0, "control": 0.0}
FINE = {
  "base_failed": False,
  "learned": True,
  "ablated_collapsed": False,
  "subnetwork_own": 0.99,
  "subnetwork_loss": 0.1,
}

every_subroutine = pytest.mark.parametrize("name", synthetic.PAIR)
# One effect of each test and of each subroutine; the other two stay clear.
CHANGED = [("subject", "D_sub"), ("verb", "D_abl")]


def _rows(source, name, test="", networks=None):
  """Returns the searches of one subroutine, all fine and all the same.

  Args:
    source: a regime, or `control`: random masks in the trained networks.
    name: the subroutine.
    test: whose effects `networks` holds.
    networks: for each network the effect of its two masks, or a list with the
      effect of every mask; modularity predicts plus.
  """
  level = LEVELS[source]
  rows = []
  for base_seed, effects in enumerate(networks or (level,) * 3):
    effects = effects if isinstance(effects, list) else [effects] * 2
    for candidate, effect in enumerate(effects):
      key = {
        **dict.fromkeys(MASK_KEY, "same"),
        "regime": "scratch" if source == "control" else source,
        "base_seed": base_seed,
        "subroutine": name,
        "candidate": candidate,
      }
      found = {"D_sub": level, "D_abl": level, **{test: effect}}
      measures = {"d_sub": found["D_sub"], "d_abl": -found["D_abl"]}
      rows.append({**key, **FINE, **measures})
  return pd.DataFrame(rows)


def _table(*sources):
  """Returns a table in which everything speaks for modular networks."""
  return pd.concat(
    [_rows(one, name) for one in sources for name in synthetic.PAIR],
    ignore_index=True,
  )


def _changed(table, *changes):
  """Sets cells: {column: value} where a query holds; None drops the rows."""
  for where, cells in changes:
    chosen = table.query(where).index
    if cells is None:
      table = table.drop(chosen)
    else:
      table.loc[chosen, list(cells)] = list(cells.values())
  return table


def _answer(differences, controls=None):
  answers = verdict.verdicts(differences, controls)
  return next(one for one in answers if one.network[2] == "scratch")


def _of(name, *changes):
  """Returns the verdict after changes that may say {0} for the subroutine."""
  changes = [(where.format(name), cells) for where, cells in changes]
  return _answer(_changed(_table("scratch", "random_init"), *changes))


def _other(name):
  return next(one for one in synthetic.PAIR if one != name)


def _grades(one):
  return {
    (effect.subroutine, effect.test): tuple(
      compared and compared.grade
      for compared in (
        effect.against_zero,
        effect.against_matched,
        effect.against_untrained,
      )
    )
    for effect in one.effects
  }


TRAINED = "regime == 'scratch' and subroutine == '{0}'"
UNTRAINED = "regime == 'random_init' and subroutine == '{0}'"
BOTH_TRAINED, BOTH_UNTRAINED = "regime == 'scratch'", "regime == 'random_init'"


@pytest.mark.parametrize(
  ("trained", "matched", "untrained", "expected"),
  [
    # Against zero.
    ((0.051,) * 3, None, None, (CLEAR,) * 3),
    ((0.049,) * 3, None, None, (UNCLEAR,) * 3),
    ((0.06, 0.5, 0.9), None, None, (CONSISTENT,) * 3),
    ((-0.06, 0.5, 0.9), None, None, (UNCLEAR,) * 3),
    ((0.9, 0.5, -0.06), None, None, (UNCLEAR,) * 3),
    ((-0.06, -0.5, -0.9), None, None, (OPPOSITE,) * 3),
    ((0.06, -0.5, -0.9), None, None, (UNCLEAR,) * 3),
    ((-0.049,) * 3, None, None, (UNCLEAR,) * 3),
    # A network counts by the mean of its masks, and networks count the same.
    (([-0.1, 0.3], 0.5, 0.9), None, None, (CONSISTENT,) * 3),
    (
      ([0.2], [0.02] * 3, [0.02] * 3),
      None,
      None,
      (CONSISTENT,) * 3,
    ),
    # Against either control.
    (None, (0.44,) * 3, (0.44,) * 3, (CLEAR, CLEAR, CLEAR)),
    (None, (0.46,) * 3, (0.44,) * 3, (CLEAR, UNCLEAR, CLEAR)),
    (None, (0.44,) * 3, (0.46,) * 3, (CLEAR, CLEAR, UNCLEAR)),
    (None, (0.56,) * 3, (0.44,) * 3, (CLEAR, OPPOSITE, CLEAR)),
    (None, (0.44,) * 3, (0.56,) * 3, (CLEAR, CLEAR, OPPOSITE)),
    # Against random masks of the same size, search by search.
    (None, (0.1, 0.6, 0.0), None, (CLEAR, UNCLEAR, CLEAR)),
    (None, (0.1, 0.49, 0.0), None, (CLEAR, CONSISTENT, CLEAR)),
    (
      (0.06, 0.5, 0.9),
      (0.0, 0.44, 0.84),
      None,
      (CONSISTENT, CLEAR, CONSISTENT),
    ),
    (None, (NAN,) * 3, None, (CLEAR, None, CLEAR)),
    (None, (0.0, NAN, NAN), None, (CLEAR, CONSISTENT, CLEAR)),
    (None, (NAN, 0.6, NAN), None, (CLEAR, OPPOSITE, CLEAR)),
    # Against untrained networks: those of one base seed are a pair.
    ((0.7,) * 3, None, (0.0, 0.69, 0.0), (CLEAR, CLEAR, CONSISTENT)),
    ((0.7,) * 3, None, (0.0, 0.71, 0.0), (CLEAR, CLEAR, UNCLEAR)),
    ((0.75, 0.06, 0.75), None, (0.0, 0.0, 0.05), (CONSISTENT,) * 3),
    ((0.75, 0.06, 0.75), None, (0.0, 0.0, 0.7), (CONSISTENT,) * 3),
    (
      (0.75, 0.06, 0.75),
      None,
      (0.0, 0.07, 0.0),
      (CONSISTENT, CONSISTENT, UNCLEAR),
    ),
    (
      (0.75, 0.3, 0.5),
      None,
      (0.5, 0.05, 0.25),
      (CONSISTENT, CONSISTENT, CLEAR),
    ),
    ((0.1,) * 3, None, (0.5, 0.11, 0.75), (CLEAR, CLEAR, OPPOSITE)),
    ((0.1,) * 3, None, (0.5, 0.09, 0.75), (CLEAR, CLEAR, UNCLEAR)),
  ],
)
def test_each_comparison_has_its_own_grade(
  trained, matched, untrained, expected
):
  def table(**sources):
    parts = [
      _rows(one, *pair, networks)
      for one, networks in sources.items()
      for pair in CHANGED
    ]
    return pd.concat(parts)

  differences = table(scratch=trained, random_init=untrained)
  found = _grades(_answer(differences, table(control=matched)))
  changed = {found.pop(pair) for pair in CHANGED}
  assert changed == {expected}
  assert set(found.values()) == {(CLEAR,) * 3}


@pytest.mark.parametrize(
  ("low", "high", "mean", "smallest", "largest", "expected"),
  [
    (0.01, 0.2, 0.05, -0.1, 0.2, CLEAR),
    (0.01, 0.2, 0.0499, 0.01, 0.2, UNCLEAR),
    (0.0, 0.2, 0.05, 0.01, 0.2, CONSISTENT),
    (-0.1, 0.2, 0.05, 0.0, 0.2, UNCLEAR),
    (-0.2, -0.01, -0.05, -0.2, 0.1, OPPOSITE),
    (-0.2, 0.1, -0.05, -0.2, -0.01, OPPOSITE),
    (-0.2, 0.0, -0.05, -0.2, 0.0, UNCLEAR),
    (-0.2, -0.01, -0.0499, -0.2, -0.01, UNCLEAR),
  ],
)
def test_grades_at_their_limits(low, high, mean, smallest, largest, expected):
  found = graded(low, high, mean, smallest, largest, minimum=MINIMUM_EFFECT)
  assert found == expected


def test_effects_are_means_over_networks_not_over_searches():
  effects = ([0.4], [0.0, 0.1, 0.2, 0.5], [0.1])
  trained = [_rows("scratch", *pair, effects) for pair in CHANGED]
  one = _answer(pd.concat([*trained, _table("random_init")]))
  for effect in one.effects:
    changed = (effect.subroutine, effect.test) in CHANGED
    assert effect.mean == pytest.approx(0.7 / 3 if changed else 0.5)
    assert effect.largest == pytest.approx(0.4 if changed else 0.5)


@every_subroutine
@pytest.mark.parametrize(
  ("changes", "label", "words"),
  [
    # One effect of one subroutine is missing.
    ([(TRAINED, {"d_sub": 0.0})], "mixed", "the '{0}' subnetwork alone"),
    ([(TRAINED, {"d_abl": 0.0})], "mixed", "removing the '{0}' subnetwork"),
    ([(TRAINED, {"d_abl": 0.5})], "mixed", "removing the '{0}' subnetwork"),
    ([(UNTRAINED, {"d_abl": -0.5})], "mixed", "removing the '{0}' subnetwork"),
    # One network of one subroutine disagrees, or is weaker.
    (
      [(TRAINED + " and base_seed == 1", {"d_sub": -0.1})],
      "mixed",
      "the '{0}' subnetwork alone",
    ),
    (
      [(TRAINED + " and base_seed == 1", {"d_abl": 0.1})],
      "mixed",
      "removing the '{0}' subnetwork",
    ),
    (
      [(TRAINED + " and base_seed == 1", {"d_sub": 0.06})],
      "probably modular",
      "too few to be sure",
    ),
    (
      [(TRAINED + " and base_seed == 1", {"d_abl": -0.06})],
      "probably modular",
      "too few to be sure",
    ),
    # Untrained networks are as specific, or were not able to learn.
    ([(UNTRAINED, {"d_sub": 0.5})], "modular by ablation", "the ablation."),
    ([(UNTRAINED, {"learned": False})], "modular by ablation", "not learn."),
    (
      [
        (UNTRAINED, {"d_sub": 0.5}),
        (TRAINED + " and base_seed == 1", {"d_abl": -0.06}),
      ],
      "probably modular by ablation",
      "too few to be sure",
    ),
    # No ablation effect but in one network.
    (
      [
        (BOTH_TRAINED, {"d_abl": 0.0}),
        (TRAINED + " and base_seed == 1", {"d_abl": -0.09}),
      ],
      "not modular",
      "template-like",
    ),
    (
      [
        (BOTH_TRAINED, {"d_abl": 0.0}),
        (TRAINED + " and base_seed == 1", {"d_abl": -0.1}),
      ],
      "inconclusive",
      "removing the '{0}' subnetwork costs '{0}' in particular depends",
    ),
  ],
)
def test_one_subroutine_or_one_network_decides(name, changes, label, words):
  one = _of(name, *changes)
  assert one.label == label
  assert words.format(name) in one.sentence
  if label == "mixed":
    assert f"'{_other(name)}' subnetwork" not in one.sentence


@pytest.mark.parametrize(
  ("where", "cells", "label", "words"),
  [
    (BOTH_TRAINED, {}, "modular", "Each subroutine has a part of its own"),
    (BOTH_TRAINED, {"d_abl": 0.0}, "not modular", "template-like"),
    (BOTH_TRAINED, {"d_abl": 0.5}, "not modular", "template-like"),
    (BOTH_TRAINED, {"d_abl": -0.049}, "not modular", "template-like"),
    (BOTH_UNTRAINED, {"d_abl": -0.5}, "inconclusive", "in the controls."),
  ],
)
def test_both_subroutines_decide_together(where, cells, label, words):
  one = _of("", (where, cells))
  assert one.label == label
  assert words in one.sentence


@every_subroutine
@pytest.mark.parametrize("column", ["d_sub", "d_abl"])
def test_random_masks_as_good_in_one_subroutine_take_the_label(name, column):
  controls = _changed(
    _table("control"),
    (f"subroutine == '{name}'", {column: 0.5 if column == "d_sub" else -0.5}),
  )
  one = _answer(_table("scratch", "random_init"), controls)
  assert one.label == "mixed"
  assert f"'{_other(name)}' subnetwork" not in one.sentence


def test_all_that_is_missing_is_named():
  one = _of(
    "verb",
    (TRAINED, {"d_sub": 0.0, "d_abl": 0.0}),
    ("regime == 'scratch' and subroutine == 'subject'", {"d_sub": 0.0}),
  )
  for words in (
    "'subject' subnetwork alone does 'subject'",
    "'verb' subnetwork alone does 'verb'",
    "removing the 'verb' subnetwork costs 'verb'",
  ):
    assert words in one.sentence
  assert "removing the 'subject'" not in one.sentence


@every_subroutine
@pytest.mark.parametrize(
  ("unlearned", "expected"),
  [
    ("base_seed == 0", CLEAR),
    ("(base_seed == 0 or candidate == 0)", None),
  ],
)
def test_a_control_learned_if_half_of_its_masks_did(name, unlearned, expected):
  one = _of(
    name,
    (UNTRAINED + " and base_seed == 2", None),
    (UNTRAINED + " and " + unlearned, {"learned": False}),
  )
  grades = _grades(one)
  assert grades[name, "D_sub"][2] == expected
  assert grades[name, "D_abl"][2] == CLEAR
  assert grades[_other(name), "D_sub"][2] == CLEAR


FAILED = "Every base network failed"
ONE_KIND = "Masks of only one subroutine"
TOO_FEW = "Fewer than two working"
UNLEARNED = "did not learn '{0}': mean accuracy 0.89"
COLLAPSED = "Removing the '{0}' subnetwork leaves a network at chance"
NO_CONTROL = "no random-init control"
ONE_CONTROL = "Fewer than two untrained"


@every_subroutine
@pytest.mark.parametrize(
  ("changes", "obstacle"),
  [
    ([(BOTH_TRAINED, {"base_failed": True})], FAILED),
    ([(TRAINED, None)], ONE_KIND),
    ([(TRAINED, {"base_failed": True})], TOO_FEW),
    ([(TRAINED + " and base_seed > 0", None)], TOO_FEW),
    ([(TRAINED + " and base_seed > 1", None)], ""),
    ([(BOTH_TRAINED + " and base_seed < 2", {"base_failed": True})], TOO_FEW),
    ([(BOTH_TRAINED + " and base_seed < 1", {"base_failed": True})], ""),
    ([(TRAINED, {"subnetwork_own": 0.89})], UNLEARNED),
    ([(TRAINED, {"subnetwork_own": 0.9})], ""),
    # Means over searches: half of them fall short by little, or by much.
    ([(TRAINED + " and candidate == 0", {"subnetwork_own": 0.82})], ""),
    ([(TRAINED + " and candidate == 0", {"subnetwork_own": 0.79})], UNLEARNED),
    ([(TRAINED + " and candidate == 0", {"ablated_collapsed": True})], ""),
    (
      [
        (TRAINED + " and candidate == 0", {"ablated_collapsed": True}),
        (TRAINED + " and base_seed == 1", {"ablated_collapsed": True}),
      ],
      COLLAPSED,
    ),
    ([(BOTH_UNTRAINED, None)], NO_CONTROL),
    ([(UNTRAINED, None)], NO_CONTROL),
    ([(UNTRAINED + " and base_seed > 0", None)], ONE_CONTROL),
    ([(UNTRAINED + " and base_seed > 1", None)], ""),
    # The first obstacle is the one that is named.
    (
      [
        (TRAINED, {"subnetwork_own": 0.89, "ablated_collapsed": True}),
        (BOTH_UNTRAINED, None),
      ],
      UNLEARNED,
    ),
    (
      [(TRAINED, {"ablated_collapsed": True}), (BOTH_UNTRAINED, None)],
      COLLAPSED,
    ),
    # What failed networks do does not matter, nor what untrained ones do.
    (
      [
        (
          TRAINED + " and base_seed == 0",
          {"subnetwork_own": 0.0, "ablated_collapsed": True},
        ),
        (BOTH_TRAINED + " and base_seed == 0", {"base_failed": True}),
        (TRAINED + " and candidate == 0", {"ablated_collapsed": True}),
        (UNTRAINED, {"subnetwork_own": 0.0, "ablated_collapsed": True}),
      ],
      "",
    ),
  ],
)
def test_one_subroutine_can_stand_in_the_way(name, changes, obstacle):
  one = _of(name, *changes)
  assert obstacle.format(name) in one.sentence
  assert (one.label == "inconclusive") == bool(obstacle)
  assert len(one.effects) == (0 if obstacle else 4)


@pytest.mark.parametrize(
  ("changes", "notes"),
  [
    ([], []),
    (
      [(TRAINED + " and base_seed != 1", {"base_failed": True})],
      ["left out, failed base seed: 0, 2"],
    ),
    (
      [(TRAINED + " and base_seed == 1", {"learned": False})],
      ["2 of 12 masks stay below 0.9 on their own subroutine"],
    ),
    (
      [(TRAINED + " and base_seed == 1", {"ablated_collapsed": True})],
      ["2 of 12 ablated networks are at chance"],
    ),
    (
      [(TRAINED, {"subnetwork_loss": 1.36})],
      [
        "6 of 12 masks decide by tiny differences (loss above 1.35, guessing is"
        " 1.386)"
      ],
    ),
    ([(TRAINED, {"subnetwork_loss": 1.35})], []),
    (
      [(TRAINED, {"subnetwork_loss": 1.36, "learned": False})],
      ["6 of 12 masks stay below 0.9 on their own subroutine"],
    ),
    # Failed networks are named, and counted in nothing else.
    (
      [
        (
          BOTH_TRAINED + " and base_seed == 0",
          {"base_failed": True, "ablated_collapsed": True, "learned": False},
        )
      ],
      ["left out, failed base seed: 0"],
    ),
    # Half of the masks of the control may fail to learn.
    ([(UNTRAINED, {"learned": False})], []),
    (
      [
        (UNTRAINED, {"learned": False}),
        (BOTH_UNTRAINED + " and base_seed == 0", {"learned": False}),
      ],
      ["most masks of the random-init control did not learn"],
    ),
    ([(BOTH_UNTRAINED, None)], []),
    (
      [(BOTH_UNTRAINED, {"ablated_collapsed": True, "subnetwork_loss": 1.36})],
      [],
    ),
  ],
)
def test_notes_say_what_limits_the_verdict(changes, notes):
  # An obstacle, as notes are made before any test and tests take time.
  obstacle = (TRAINED, {"subnetwork_own": 0.0})
  one = _of("verb", *changes, obstacle)
  assert one.effects == ()
  note = "no random masks of the same size to compare with"
  assert list(one.notes) == [*notes, note]


def test_random_masks_of_one_search_are_some_random_masks():
  differences = _table("scratch", "random_init")
  assert _answer(differences, _table("control").head(1)).notes == ()


NO_RANDOM = "no random masks of the same size to compare with"


@pytest.mark.parametrize(
  ("changes", "words"),
  [
    # The partner of a network that failed is no one's match.
    (
      [(BOTH_TRAINED + " and base_seed == 1", {"base_failed": True})],
      [
        "left out, failed base seed: 1",
        "in pairs of one base seed; 1 without a partner is left out",
      ],
    ),
    (
      [(UNTRAINED + " and base_seed == 1", {"base_seed": 8})],
      ["in pairs of one base seed; 2 without a partner are left out"],
    ),
    (
      [(UNTRAINED + " and base_seed != 1", {"base_seed": 8})],
      ["untrained ones have fewer than two base seeds in common"],
    ),
    # What could have been found stands where something is not clear.
    ([(TRAINED + " and base_seed == 1", {"d_abl": -0.49})], []),
    (
      [(TRAINED + " and base_seed == 1", {"d_abl": 0.1})],
      # Networks at 0.5, -0.1, 0.5: an error of 0.2, times 5.65.
      ["with 3 networks this design finds an effect of 1.13 with 80 %"],
    ),
  ],
)
def test_notes_say_what_limits_the_comparisons(changes, words):
  one = _of("verb", *changes)
  found = [note for note in one.notes if note != NO_RANDOM]
  assert len(found) == len(words)
  for note, part in zip(found, words, strict=True):
    assert part in note


def test_every_model_of_every_experiment_has_its_own_control():
  trained, untrained = _table("scratch"), _table("random_init")
  parts = [
    trained.assign(experiment=experiment, model=model)
    for experiment in ("second", "first")
    for model in ("small", "large")
  ]
  parts.append(untrained.assign(experiment="second", model="small"))
  answers = verdict.verdicts(pd.concat(parts))
  assert {one.network: one.label for one in answers} == {
    ("second", "small", "scratch"): "modular",
    ("second", "small", "random_init"): "control",
    ("second", "large", "scratch"): "inconclusive",
    ("first", "small", "scratch"): "inconclusive",
    ("first", "large", "scratch"): "inconclusive",
  }
  assert answers[0].network == ("second", "small", "scratch")


def test_two_trained_regimes_are_judged_apart():
  scratch = _table("scratch")
  pruned = scratch.assign(regime="pruned", d_abl=0.0)
  parts = [scratch, pruned, _table("random_init")]
  answers = verdict.verdicts(pd.concat(parts))
  labels = {one.network[2]: one.label for one in answers}
  assert (labels["scratch"], labels["pruned"]) == ("modular", "not modular")
