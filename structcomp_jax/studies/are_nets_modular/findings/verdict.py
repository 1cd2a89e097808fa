"""The form of a verdict, and the rules that all questions share."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from structcomp_jax.report import markup
from structcomp_jax.report.grades import Grade
from structcomp_jax.studies.are_nets_modular.domain import CONTROL
from structcomp_jax.studies.are_nets_modular.findings import accuracies
from structcomp_jax.studies.are_nets_modular.findings.effects import Effect
from structcomp_jax.studies.are_nets_modular.findings.evidence import SOLVED

# The label where something stands in the way of an answer.
CANNOT = "cannot be told"
CONTROL_LABEL = "control"
PROBABLY = "probably "


@dataclasses.dataclass(frozen=True)
class Verdict:
  """The answer to one question about one kind of network.

  Attributes:
    question: its name for programs, e.g. `reuse`.
    words: what the question is about, for readers.
    network: (experiment, model, regime).
    label: a few words.
    sentence: the same in plain words.
    effect: the numbers that the answer rests on, short.
    floor: what the same numbers are where there is nothing to find, short.
    notes: what limits the verdict.
    effects: what was compared; empty where the rules stop earlier.
    numbers: further numbers for programs.
  """

  question: str
  words: str
  network: tuple[str, str, str]
  label: str
  sentence: str
  effect: str = ""
  floor: str = ""
  notes: tuple[str, ...] = ()
  effects: tuple[Effect, ...] = ()
  numbers: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def record(self) -> dict[str, Any]:
    """Returns the verdict for `report.verdicts.to_json`."""
    return {
      **dict(zip(("experiment", "model", "regime"), self.network, strict=True)),
      "question": self.question,
      "label": self.label,
      "sentence": self.sentence,
      "effect": self.effect,
      "noise_floor": self.floor,
      "statistics": [effect.record() for effect in self.effects],
      "numbers": dict(self.numbers),
      "notes": list(self.notes),
    }


@dataclasses.dataclass(frozen=True)
class Networks:
  """The networks of one regime that something can be said about.

  Attributes:
    kept: one row per mask, see `accuracies.wide`, of the others.
    failed: base seeds of those whose control mask does not solve the tests.
    count: how many work.
    control: mean accuracies under the control mask, of all networks.
    notes: who is left out.
  """

  kept: pd.DataFrame
  failed: tuple[Any, ...]
  count: int
  control: str
  notes: tuple[str, ...]


def networks(
  results: pd.DataFrame,
  regime: str,
  tests: Sequence[str],
  least: float = SOLVED,
) -> Networks:
  """Returns the networks of a regime whose control mask solves some tests."""
  of_regime = results[results["regime"] == regime]
  out = accuracies.failed(of_regime, tests, least)
  kept = accuracies.wide(accuracies.working(of_regime, out))
  seeds = tuple(sorted(out["base_seed"]))
  named = ", ".join(f"{seed:g}" for seed in seeds)
  note = f"left out, because their control mask fails: base seed {named}"
  count = int(kept.index.get_level_values("base_seed").nunique())
  control = of_regime[
    (of_regime["subroutine"] == CONTROL) & (of_regime["ablation"] == "none")
  ]
  words = ", ".join(
    f"{test} "
    + percent(control[control["test_task"] == test]["accuracy"].mean())
    for test in tests
  )
  notes = (note,) if seeds and count else ()
  return Networks(kept, seeds, count, words, notes)


def stopped(
  question: str,
  words: str,
  network: tuple[str, str, str],
  obstacle: str,
  found: Networks,
) -> Verdict:
  """Returns the verdict where something stands in the way of an answer."""
  return Verdict(question, words, network, CANNOT, obstacle, notes=found.notes)


def probably(label: str, grade: Grade) -> str:
  """Returns a label, weaker where networks agree but are few.

  >>> probably("specialised", Grade.CONSISTENT)
  'probably specialised'
  """
  return label if grade >= Grade.CLEAR else PROBABLY + label


def too_few(
  found: Networks, tests: Sequence[str], least: float = SOLVED
) -> str:
  """Returns why a regime has no answer, or the empty string."""
  if not found.count:
    return (
      "The control mask, which learned the whole task, does not solve "
      f"{listed(tests)} in any network (accuracy below {least:g}; mean: "
      f"{found.control}). What masks of subtasks cannot do, the penalty or the "
      "short search may have cost. Lower search.betas, or raise "
      "training.num_steps and search.num_steps."
    )
  if found.count < 2:
    return (
      "There is only one network that can be judged, and how much networks "
      "differ is unknown. Give base_seeds more values."
    )
  return ""


def listed(names: Sequence[str]) -> str:
  """Returns names in a sentence.

  >>> listed(["a", "b", "c"])
  'a, b and c'
  """
  *first, last = names
  return f"{', '.join(first)} and {last}" if first else last


def percent(value: float) -> str:
  """Returns an accuracy as whole percent; a dash where there is none."""
  return markup.DASH if pd.isna(value) else f"{value:.0%}"
