"""A verdict moves little where numbers move little, on tables of real runs."""

import itertools
import pathlib

import numpy as np
import pandas as pd
import pytest

from structcomp_jax.studies.break_it_down.findings.labels import (
  BY_ABLATION,
  MODULAR,
  NOT_MODULAR,
  OPPOSITE,
  REDUNDANT,
  UNDECIDED,
)
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  task_differences,
)
from structcomp_jax.studies.break_it_down.findings.verdict import verdicts
from tests.studies.break_it_down import hand_made

RESULTS = pathlib.Path(__file__).parents[3] / "docs" / "results"
TABLES = [
  "anaphora_plural",
  "anaphora_singular",
  "inside_contact",
  "sv_plural",
  "sv_singular",
]
FOR, AGAINST = {MODULAR, BY_ABLATION}, {NOT_MODULAR, REDUNDANT, OPPOSITE}
# What single tests answer for one problem of 300.
ONE_PROBLEM = 1 / 300


def _read(name, file):
  table = pd.read_csv(RESULTS / name / file)
  if "candidate" not in table:
    # Written before masks had a number of their own.
    of_network = ["regime", "base_seed", "subroutine", "ablation", "test_task"]
    table["candidate"] = table.groupby(of_network, dropna=False).cumcount()
  return table


def _judge(*tables):
  """Returns the verdict on the trained networks of tables of differences."""
  (one,) = [one for one in verdicts(*tables) if one.network[2] == "scratch"]
  return one


def _moved(table, draws):
  step = draws.uniform(-ONE_PROBLEM, ONE_PROBLEM, len(table))
  return table.assign(accuracy=(table["accuracy"] + step).clip(0, 1))


@pytest.mark.parametrize("name", TABLES)
def test_one_problem_more_or_less_decides_nothing(name):
  tables = _read(name, "results.csv"), _read(name, "controls.csv")
  before = _judge(*map(task_differences, tables))
  draws = np.random.default_rng(0)
  for _ in range(4):
    after = _judge(*(task_differences(_moved(one, draws)) for one in tables))
    assert not _contradict(before.label, after.label)
    for measure in ("probability", "informative", "control"):
      first, second = (getattr(one.numbers, measure) for one in (before, after))
      assert first == pytest.approx(second, abs=0.03), measure


def _contradict(first, second):
  """Returns whether the labels exclude each other."""
  if {first, second} <= FOR or {first, second} <= {NOT_MODULAR, OPPOSITE}:
    return False
  return first != second and UNDECIDED not in (first, second)


MADE_UP = {
  MODULAR: {"ablated": (-0.6, -0.5, -0.55), "subnetwork": 0.7},
  REDUNDANT: {"ablated": ((0.9, 0.9),) * 3},
  NOT_MODULAR: {"ablated": ((0.45, 0.4),) * 3, "num_problems": 1_000},
  OPPOSITE: {"ablated": (0.6, 0.5, 0.55)},
}
ACCURACIES = [
  f"{condition}_{test}"
  for condition in ("subnetwork", "ablated")
  for test in ("own", "target", "other")
]


def _check_way(label_at, first, second):
  """Asserts that labels which exclude each other have "undecided" between.

  Halves the steps of the way where they do not, since more networks leave less
  room for "undecided".

  Args:
    label_at: (share of the way) -> label.
    first, second: labels at its ends.
  """
  shares = np.linspace(0, 1, 11)
  labels = [label_at(share) for share in shares]
  assert (labels[0], labels[-1]) == (first, second)
  steps = list(itertools.pairwise(zip(shares, labels, strict=True)))
  while steps:
    (low, before), (high, after) = steps.pop()
    if _contradict(before, after):
      assert high - low > 0.005, f"{before} touches {after} at {low:.3f}"
      middle = (low + high) / 2
      between = (middle, label_at(middle))
      steps += [((low, before), between), (between, (high, after))]


@pytest.mark.parametrize(
  ("first", "second"),
  [
    (one, other)
    for place, one in enumerate(MADE_UP)
    for other in list(MADE_UP)[place + 1 :]
  ],
)
def test_labels_that_contradict_each_other_never_touch(first, second):
  begin, end = (hand_made.both(**MADE_UP[one]) for one in (first, second))
  untrained = hand_made.both("random_init", (0.5,) * 3, subnetwork=0.1)

  def label_at(share):
    mixed = begin.copy()
    mixed[ACCURACIES] += share * (end[ACCURACIES] - begin[ACCURACIES])
    found = hand_made.answer(hand_made.with_differences(mixed), untrained)
    return found.label

  _check_way(label_at, first, second)


def _pushed(results, share, own, other):
  """Moves trained ablated networks towards accuracies on their own tests."""
  table = results.copy()
  names = table["subroutine"].fillna("")
  is_own = (table["test_task"] == names) | (
    table["test_task"] == "odd_" + names
  )
  goal = np.where(is_own, own, other)
  chosen = table["regime"].eq("scratch") & table["ablation"].eq("zero")
  moved = table["accuracy"] + share * (goal - table["accuracy"])
  return table.assign(accuracy=table["accuracy"].where(~chosen, moved))


@pytest.mark.parametrize(
  ("own", "other", "label"),
  [
    (0.25, 0.95, BY_ABLATION),
    (0.95, 0.95, REDUNDANT),
    (0.85, 0.3, OPPOSITE),
  ],
)
def test_real_tables_reach_every_label_without_a_jump(own, other, label):
  results = _read("sv_singular", "results.csv")
  controls = task_differences(_read("sv_singular", "controls.csv"))

  def label_at(share):
    pushed = _pushed(results, share, own, other)
    return _judge(task_differences(pushed), controls).label

  _check_way(label_at, UNDECIDED, label)
