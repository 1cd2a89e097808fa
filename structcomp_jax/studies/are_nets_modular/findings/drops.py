"""Do masks lose what they did not learn, compared with the control mask?

The network has learned everything, a mask a part of it. What the mask loses of
the rest, beyond what it loses of its part, takes other weights.
"""

import dataclasses

import pandas as pd

from structcomp_jax.report.grades import Comparison, Grade
from structcomp_jax.studies.are_nets_modular.domain import CONTROL
from structcomp_jax.studies.are_nets_modular.findings import effects, verdict
from structcomp_jax.studies.are_nets_modular.findings.effects import Effect
from structcomp_jax.studies.are_nets_modular.findings.evidence import Evidence
from structcomp_jax.studies.are_nets_modular.findings.verdict import (
  Verdict,
  percent,
)

# A smaller difference is not worth a claim, however consistent.
MINIMUM_EFFECT = 0.05

LOSES, KEEPS, UNCLEAR = (
  "loses what was left out",
  "keeps what was left out",
  "unclear",
)


@dataclasses.dataclass(frozen=True)
class LeftOut:
  """What the masks of a name did not learn, and how the page speaks of it.

  Attributes:
    test: the test of it.
    mask: the name of the masks.
    whole: the test of what they did learn.
    words: what the test asks.
    mask_words, whole_words: the same of the others.
    loses, keeps, unclear: the answers, without their numbers.
  """

  test: str
  mask: str
  whole: str
  words: str
  mask_words: str
  whole_words: str
  loses: str
  keeps: str
  unclear: str


def judge(evidence: Evidence, regime: str, asked: LeftOut) -> Verdict:
  """Returns whether masks lose what they did not learn."""
  network = (evidence.experiment, evidence.model, regime)
  question = f"left out: {asked.test}"
  words = f"Without “{asked.test}”: is it lost?"
  tests = list(dict.fromkeys((asked.test, asked.whole)))
  networks = verdict.networks(evidence.results, regime, tests)
  table = drops(networks.kept, asked.test, asked.mask, asked.whole)
  drop, of_whole = table["drop"], table["drop_whole"]
  obstacle = verdict.too_few(networks, tests) or too_few(drop, asked.mask)
  if obstacle:
    return verdict.stopped(question, words, network, obstacle, networks)
  effect = effect_of(
    "drop",
    asked.test,
    f"drop on {asked.words}",
    drop,
    {
      "zero": effects.above_zero(drop, MINIMUM_EFFECT),
      f"the drop on {asked.whole_words}": effects.above_zero(
        drop - of_whole, MINIMUM_EFFECT
      ),
    },
  )
  numbers = (
    f"control mask {percent(table['control'].mean())}, mask of"
    f" {asked.mask_words} {percent(table['accuracy'].mean())}"
  )
  label, sentence = _drop_answer(effect, asked, numbers)
  return Verdict(
    question,
    words,
    network,
    label,
    sentence,
    effect=f"drop {_signed(drop)} ({numbers})",
    floor=f"drop on {asked.whole_words} {_signed(of_whole)}",
    notes=(*networks.notes, *effects.notes((effect,))),
    effects=(effect,),
  )


def _drop_answer(
  effect: Effect, asked: LeftOut, numbers: str
) -> tuple[str, str]:
  support = effect.support()
  if support >= Grade.CONSISTENT:
    label = verdict.probably(LOSES, support)
    return label, f"{asked.loses} ({numbers})."
  if effect.is_below("zero", MINIMUM_EFFECT):
    return KEEPS, (
      f"{asked.keeps} ({numbers}). A short search that has hardly begun to"
      " prune looks the same."
    )
  return UNCLEAR, f"{asked.unclear} ({numbers})."


def drops(
  masks: pd.DataFrame, test: str, mask: str, whole: str
) -> pd.DataFrame:
  """Returns what masks of a name lose against the control mask.

  Args:
    masks: of `accuracies.wide`; masks of one network and seed are compared.
    test: of what the masks left out.
    mask: their name.
    whole: the test of what they did not leave out.

  Returns:
    One row per mask, by `base_seed` and `mask_seed`: `control`, `accuracy`,
    `drop` on what was left out, `drop_whole` on the other test.
  """
  names = ["control", "accuracy", "drop", "drop_whole"]
  keys = ["base_seed", "mask_seed"]
  if masks.empty:
    index = pd.MultiIndex.from_arrays([[], []], names=keys)
    return pd.DataFrame(columns=names, index=index, dtype=float)

  def of(subroutine: str, task: str) -> pd.Series:
    is_its = masks.index.get_level_values("subroutine") == subroutine
    wanted = pd.MultiIndex.from_tuples([("none", task)])
    found = masks[is_its].reindex(columns=wanted)["none", task]
    return found.groupby(keys, sort=False).mean()

  table = pd.DataFrame(
    {
      "control": of(CONTROL, test),
      "accuracy": of(mask, test),
      "whole": of(CONTROL, whole) - of(mask, whole),
    }
  )
  drop = table["control"] - table["accuracy"]
  table = table.assign(drop=drop, drop_whole=table["whole"])
  return table[names].dropna(subset=["drop"])


def too_few(values: pd.Series, mask: str) -> str:
  """Returns why masks cannot be compared, or the empty string."""
  count = len(effects.by_network(values))
  if count < 2:
    return (
      f"Masks of {mask} and of the control with the same seed are there in"
      f" {count} networks; two are needed."
    )
  return ""


def effect_of(
  name: str,
  about: str,
  words: str,
  values: pd.Series,
  against: dict[str, Comparison | None],
) -> Effect:
  """Returns an effect that all but untrained networks decide about."""
  per_network = effects.by_network(values)
  return Effect(
    name=name,
    about=about,
    words=words,
    mean=float(pd.Series(per_network, dtype=float).mean()),
    by_network=per_network,
    num_masks=int(values.notna().sum()),
    against=against,
    deciding=tuple(name for name in against if name != "untrained networks"),
  )


def _signed(values: pd.Series) -> str:
  means = pd.Series(effects.by_network(values), dtype=float)
  return f"{100 * means.mean():+.1f} points"
