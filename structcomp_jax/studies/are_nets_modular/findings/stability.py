"""Stability: do two masks of the same two classes keep the same weights?"""

import pandas as pd

from structcomp_jax.report.grades import Grade
from structcomp_jax.structure import overlap
from structcomp_jax.studies.are_nets_modular.findings import (
  effects,
  overlaps,
  verdict,
)
from structcomp_jax.studies.are_nets_modular.findings.class_removal import (
  LEAST,
)
from structcomp_jax.studies.are_nets_modular.findings.effects import Effect
from structcomp_jax.studies.are_nets_modular.findings.evidence import Evidence
from structcomp_jax.studies.are_nets_modular.findings.verdict import Verdict

QUESTION = "stability"
WORDS = "Do two masks of the same classes keep the same weights?"
# A smaller difference of IoU is not worth a claim.
MINIMUM_EFFECT = 0.05

AGREE = "masks of the same classes agree"
UNSPECIFIC = "masks agree, whatever their classes"
CHANCE = "no more than chance"
UNCLEAR = "unclear"

RULES = (
  "<b>Stability.</b> IoU, over all masked weights, of two masks of the same two"
  " classes that differ in their seed alone; pairs of classes are averaged"
  f" within a network. <b>{AGREE.capitalize()}</b>: it exceeds that of random"
  " masks of the same sizes, and that of masks of different classes, by at"
  f" least {MINIMUM_EFFECT:g} with a 95 % t interval above 0 (“probably”: in"
  f" every network). <b>{UNSPECIFIC.capitalize()}</b>: it exceeds chance alone."
  f" <b>{CHANCE.capitalize()}</b>: the interval above chance ends below"
  f" {MINIMUM_EFFECT:g}. Otherwise <b>{UNCLEAR}</b>.",
)


def values(evidence: Evidence) -> pd.DataFrame:
  """Returns the IoU of every two masks of subtasks, over all leaves.

  Returns:
    One row per pair of masks: `regime`, `base_seed`, `first`, `second`, `kind`
    (`overlaps.SAME` or `DIFFERENT` classes), `iou`, `random_iou`, ...; empty
    where there is no table of overlaps.
  """
  rows = overlaps.of_subtasks(evidence.overlaps, evidence.subtasks)
  if rows.empty:
    return rows
  return overlap.with_shares(overlaps.over_leaves(rows))


def by_leaf(evidence: Evidence) -> pd.DataFrame:
  """Returns the IoU of two masks by leaf and over all leaves.

  Returns:
    `regime`, `kind`, `leaf` ("" for all of them), `num_values`, `iou_mean`,
    `iou_sd` (of all values, not between networks), `random_iou`; empty where
    there is no table of overlaps.
  """
  rows = overlaps.of_subtasks(evidence.overlaps, evidence.subtasks)
  if rows.empty:
    return rows
  every = pd.concat(
    [overlap.with_shares(rows), values(evidence).assign(leaf="")]
  )
  found = every.groupby(["regime", "kind", "leaf"], sort=False)
  return found.agg(
    num_values=("iou", "size"),
    iou_mean=("iou", "mean"),
    iou_sd=("iou", "std"),
    random_iou=("random_iou", "mean"),
  ).reset_index()


def judge(evidence: Evidence, regime: str) -> Verdict:
  """Returns the verdict about the networks of a regime."""
  network = (evidence.experiment, evidence.model, regime)
  found = verdict.networks(evidence.results, regime, evidence.tests, LEAST)
  table = values(evidence)
  if not table.empty:
    alive = found.kept.index.unique("base_seed") if found.count else []
    table = table[(table["regime"] == regime) & table["base_seed"].isin(alive)]
  obstacle = verdict.too_few(found, evidence.tests, LEAST) or _obstacle(table)
  if obstacle:
    return verdict.stopped(QUESTION, WORDS, network, obstacle, found)
  effect = _effect(table)
  label, sentence = _answer(effect, table)
  same = table[table["kind"] == overlaps.SAME]
  return Verdict(
    QUESTION,
    WORDS,
    network,
    label,
    sentence,
    effect=words(table),
    floor=_floor_words(table),
    notes=(*found.notes, *effects.notes((effect,))),
    effects=(effect,),
    numbers={
      "num_values": len(same),
      "iou_mean": float(same["iou"].mean()),
      "iou_sd": float(same["iou"].std()),
    },
  )


def numbers(evidence: Evidence, regime: str) -> str:
  """Returns the IoU of a regime that is not judged, short."""
  table = values(evidence)
  if table.empty:
    return ""
  table = table[table["regime"] == regime]
  return f"{words(table)}; {_floor_words(table)}" if len(table) else ""


def words(table: pd.DataFrame) -> str:
  """Returns mean, spread and number of the values that are published."""
  same = table[table["kind"] == overlaps.SAME]["iou"]
  return f"IoU {same.mean():.2f} \u00b1 {same.std():.2f} ({len(same)} values)"


def _floor_words(table: pd.DataFrame) -> str:
  same = table[table["kind"] == overlaps.SAME]
  other = table[table["kind"] == overlaps.DIFFERENT]
  return (
    f"random masks {same['random_iou'].mean():.2f}; masks of different classes"
    f" {other['iou'].mean():.2f}"
  )


def _obstacle(table: pd.DataFrame) -> str:
  if table.empty or not (table["kind"] == overlaps.SAME).any():
    return (
      "There is one mask of every pair of classes; give search.seeds two"
      " values."
    )
  count = table["base_seed"].nunique()
  if count < 2:
    return f"Masks are there in {count} networks; two are needed."
  return ""


def _effect(table: pd.DataFrame) -> Effect:
  same = table[table["kind"] == overlaps.SAME].set_index("base_seed")
  other = table[table["kind"] == overlaps.DIFFERENT]
  by_network = effects.by_network(same["iou"])
  beside = other.groupby("base_seed")["iou"].mean()
  beyond = same["iou"] - beside.reindex(same.index)
  return Effect(
    name="iou",
    about="pairs of classes",
    words="IoU of two masks of the same classes",
    mean=float(pd.Series(by_network, dtype=float).mean()),
    by_network=by_network,
    num_masks=2 * len(same),
    against={
      "random masks": effects.above_zero(
        same["iou"] - same["random_iou"], MINIMUM_EFFECT
      ),
      "masks of different classes": effects.above_zero(beyond, MINIMUM_EFFECT),
    },
    deciding=("random masks", "masks of different classes"),
  )


def _answer(effect: Effect, table: pd.DataFrame) -> tuple[str, str]:
  numbers = f"{words(table)}; {_floor_words(table)}"
  chance = effect.against["random masks"]
  support = effect.support()
  if support >= Grade.CONSISTENT:
    return verdict.probably(AGREE, support), (
      "Two searches for the same classes keep the same weights more often than"
      f" chance, and than searches for other classes ({numbers})."
    )
  if chance is not None and chance.grade >= Grade.CONSISTENT:
    return verdict.probably(UNSPECIFIC, chance.grade), (
      "Two searches keep the same weights more often than chance, but for the"
      f" same classes hardly more than for others ({numbers})."
    )
  if effect.is_below("random masks", MINIMUM_EFFECT):
    return CHANCE, (
      "Two searches for the same classes share what random masks do"
      f" ({numbers})."
    )
  return (
    UNCLEAR,
    f"How much two searches share depends on the network ({numbers}).",
  )
