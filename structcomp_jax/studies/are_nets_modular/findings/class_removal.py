"""Class removal: which classes does a mask lose that learned without one?

What is measured stands in `class_drops`.
"""

import math
from collections.abc import Sequence

import pandas as pd

from structcomp_jax.report import markup
from structcomp_jax.report.grades import Comparison, Grade
from structcomp_jax.studies.are_nets_modular.findings import (
  class_drops,
  effects,
  verdict,
)
from structcomp_jax.studies.are_nets_modular.findings.effects import Effect
from structcomp_jax.studies.are_nets_modular.findings.evidence import (
  UNTRAINED,
  Evidence,
)
from structcomp_jax.studies.are_nets_modular.findings.verdict import (
  Networks,
  Verdict,
  percent,
)

QUESTION = "class removal"
WORDS = "Without a class: is it lost, and it alone?"
# The control mask must know every class this well. Ten classes are guessed in
# 0.1 of all cases, and published networks are far from perfect.
LEAST = 0.5
# Half of what the control mask can do.
MINIMUM_EFFECT = 0.5
# Less than this is no loss.
SMALL_EFFECT = 0.1
# The end of the published axis of others / target.
PUBLISHED_RATIO = 0.10

ALONE = "only the removed class is lost"
LOST = "the removed class is lost, others suffer"
KEPT = "the removed class is kept"
UNCLEAR = "unclear"

RULES = (
  "<b>Class removal.</b> The relative drop of a class is the share of its"
  " accuracy under the control mask that the mask of a subtask has lost."
  " <i>Target</i>: that of the removed class. <i>Others</i>: the largest one of"
  " all other classes, at least 0. Networks count whose control mask knows"
  f" every class (accuracy at least {LEAST:g}); classes are averaged within a"
  f" network. <b>{ALONE.capitalize()}</b>: target minus others is at least"
  f" {MINIMUM_EFFECT:g} with a 95 % t interval above 0 (“probably”: in every"
  " network), also beyond what two control masks of different seeds differ by,"
  f" and others / target is at most {PUBLISHED_RATIO:.0%}, the end of the"
  f" published axis. <b>{LOST.capitalize()}</b>: the same with a larger"
  f" quotient. <b>{KEPT.capitalize()}</b>: the interval of target lies below"
  f" {SMALL_EFFECT:g}. Otherwise <b>{UNCLEAR}</b>.",
)


def judge(evidence: Evidence, regime: str) -> Verdict:
  """Returns the verdict about the networks of a regime."""
  network = (evidence.experiment, evidence.model, regime)
  found = verdict.networks(evidence.results, regime, evidence.tests, LEAST)
  table = class_drops.removals(found.kept, evidence.tests)
  obstacle = _obstacle(found, table, evidence.tests)
  if obstacle:
    return verdict.stopped(QUESTION, WORDS, network, obstacle, found)
  floor = class_drops.between_controls(found.kept, evidence.tests)
  measured = _measured(evidence, table, floor)
  label, sentence = _answer(measured, table, floor)
  return Verdict(
    QUESTION,
    WORDS,
    network,
    label,
    sentence,
    effect=_numbers(table),
    floor=_floor_words(floor),
    notes=(*found.notes, *_notes(floor), *effects.notes(measured)),
    effects=measured,
    numbers={
      "others_by_target": _ratio(table),
      "published_axis": [0.0, PUBLISHED_RATIO],
    },
  )


def numbers(evidence: Evidence, regime: str) -> str:
  """Returns the drops of a regime that is not judged, short."""
  table = class_drops.removals(
    class_drops.of_regime(evidence, regime), evidence.tests
  )
  return "" if table.empty else _numbers(table)


def _obstacle(
  found: Networks, table: pd.DataFrame, classes: Sequence[str]
) -> str:
  few = verdict.too_few(found, classes, LEAST)
  if few:
    return few
  count = table["base_seed"].nunique()
  if count < 2:
    return (
      f"Masks without a class are there in {count} networks; two are needed."
    )
  return ""


def _measured(
  evidence: Evidence, table: pd.DataFrame, floor: pd.Series
) -> tuple[Effect, ...]:
  theirs = class_drops.removals(
    class_drops.of_regime(evidence, UNTRAINED), evidence.tests
  )
  return (
    _effect("target", "the removed class", table, theirs, floor, False),
    _effect("beyond", "the removed class alone", table, theirs, floor, True),
  )


def _values(table: pd.DataFrame, beyond: bool) -> pd.Series:
  """Returns target, or target minus others, by base seed."""
  values = table["target"] - (table["others"] if beyond else 0.0)
  return pd.Series(
    values.to_numpy(float), pd.Index(table["base_seed"], name="base_seed")
  )


def _effect(
  name: str,
  about: str,
  table: pd.DataFrame,
  theirs: pd.DataFrame,
  floor: pd.Series,
  beyond: bool,
) -> Effect:
  values = _values(table, beyond)
  means = effects.by_network(values)
  against: dict[str, Comparison | None] = {
    "zero": effects.above_zero(values, MINIMUM_EFFECT)
  }
  if len(floor):
    other = floor.groupby(level="base_seed").mean()
    against["two control masks"] = effects.above_zero(
      values - other.reindex(values.index).to_numpy(), MINIMUM_EFFECT
    )
  deciding = tuple(against)
  against["untrained networks"] = effects.above_other(
    values, _values(theirs, beyond), SMALL_EFFECT
  )
  return Effect(
    name=name,
    about=about,
    words="drop of the removed class"
    + (", beyond the largest other one" if beyond else ""),
    mean=float(pd.Series(means, dtype=float).mean()),
    by_network=means,
    num_masks=len(values),
    against=against,
    deciding=deciding,
  )


def _answer(
  measured: tuple[Effect, ...], table: pd.DataFrame, floor: pd.Series
) -> tuple[str, str]:
  target, beyond = measured
  words = f"{_numbers(table)}; {_floor_words(floor)}"
  support = beyond.support()
  if support >= Grade.CONSISTENT and _ratio(table) <= PUBLISHED_RATIO:
    return verdict.probably(ALONE, support), (
      "A mask that learned without a class drops the weights of that class and"
      f" keeps those of the others ({words})."
    )
  if support >= Grade.CONSISTENT:
    return verdict.probably(LOST, support), (
      "A mask that learned without a class loses it, and other classes lose"
      f" more than a tenth of that ({words})."
    )
  if target.is_below("zero", SMALL_EFFECT):
    return KEPT, (
      "The weights that are kept without a class still know it"
      f" ({words}). A short search that has hardly begun to prune looks the"
      " same."
    )
  return UNCLEAR, (
    "How much of the removed class is lost depends on the network or on the"
    f" class, or other classes lose as much ({words})."
  )


def _ratio(table: pd.DataFrame) -> float:
  """Returns others / target: of classes, of networks, then over networks."""
  return float(table.groupby("base_seed")["ratio"].mean().astype(float).mean())


def _numbers(table: pd.DataFrame) -> str:
  means = table.groupby("base_seed")[["target", "others"]].mean().mean()
  ratio = _ratio(table)
  shown = markup.DASH if math.isnan(ratio) else f"{ratio:.1%}"
  return (
    f"lost of the removed class {percent(means['target'])}, of the largest"
    f" other one {percent(means['others'])}; other / target {shown}"
    f" (published axis 0 to {PUBLISHED_RATIO:.0%})"
  )


def _floor_words(floor: pd.Series) -> str:
  if not len(floor):
    return "two control masks: not measured"
  mean = floor.groupby(level="base_seed").mean().mean()
  return f"two control masks differ by up to {percent(mean)} in a class"


def _notes(floor: pd.Series) -> tuple[str, ...]:
  if len(floor):
    return ()
  return (
    "there is one control mask in a network, so how far two masks of the same"
    " task lie apart is unknown; give search.seeds two or more values",
  )
