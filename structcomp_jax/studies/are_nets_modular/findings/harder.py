"""Mathematics: do hard questions need weights that easy ones do not?

The network has learned questions of all levels, and the mask of easy ones those
alone. What it loses of harder questions, compared with the control mask and
beyond what it loses of easy ones, takes weights that easy ones do not need.
"""

from structcomp_jax.report.grades import Grade
from structcomp_jax.studies.are_nets_modular.findings import (
  effects,
  left_out,
  verdict,
)
from structcomp_jax.studies.are_nets_modular.findings.evidence import Evidence
from structcomp_jax.studies.are_nets_modular.findings.left_out import (
  KEEPS,
  LOSES,
  MINIMUM_EFFECT,
  UNCLEAR,
)
from structcomp_jax.studies.are_nets_modular.findings.verdict import (
  Verdict,
  percent,
)
from structcomp_jax.studies.are_nets_modular.mathematics import EASY

RULES = (
  "<b>Harder questions.</b> The drop is the accuracy on the questions of a"
  " level under the control mask, minus that under the mask of easy questions"
  " of the same seed. Networks count whose control mask solves this level and"
  f" the easy one. <b>{LOSES.capitalize()}</b>: the mean drop is at least"
  f" {MINIMUM_EFFECT:g} and its 95 % t interval is above 0 (“probably”: every"
  " network's is), and so is the drop beyond that on easy questions, which"
  " tells a specific loss from a damaged network."
  f" <b>{KEEPS.capitalize()}</b>: the interval is below {MINIMUM_EFFECT:g}."
  f" Otherwise <b>{UNCLEAR}</b>.",
)


def judge(evidence: Evidence, regime: str) -> list[Verdict]:
  """Returns one verdict per level that the mask of easy questions left out."""
  harder = [level for level in evidence.tests if level != EASY]
  if harder:
    return [_of_level(evidence, regime, level) for level in harder]
  network = (evidence.experiment, evidence.model, regime)
  return [
    Verdict(
      "left out",
      "What do easy questions leave out?",
      network,
      verdict.CANNOT,
      "The network has learned easy questions alone, so a mask of easy ones"
      " leaves nothing out: it shows how far two searches for one thing lie"
      " apart. Give data.levels harder ones.",
    )
  ]


def _of_level(evidence: Evidence, regime: str, level: str) -> Verdict:
  network = (evidence.experiment, evidence.model, regime)
  question, words = f"left out: {level}", f"Without “{level}”: is it lost?"
  tests = (level, EASY)
  networks = verdict.networks(evidence.results, regime, tests)
  table = left_out.drops(networks.kept, level, mask=EASY, whole=EASY)
  drop, of_easy = table["drop"], table["drop_whole"]
  obstacle = verdict.too_few(networks, tests) or left_out.too_few(drop, EASY)
  if obstacle:
    return verdict.stopped(question, words, network, obstacle, networks)
  effect = left_out.effect_of(
    "drop",
    level,
    f"drop on {level} questions",
    drop,
    {
      "zero": effects.above_zero(drop, MINIMUM_EFFECT),
      "the drop on easy questions": effects.above_zero(
        drop - of_easy, MINIMUM_EFFECT
      ),
    },
  )
  numbers = (
    f"control mask {percent(table['control'].mean())}, mask of easy questions"
    f" {percent(table['accuracy'].mean())}"
  )
  label, sentence = _answer(effect, level, numbers)
  return Verdict(
    question,
    words,
    network,
    label,
    sentence,
    effect=f"drop {left_out.signed(drop)} ({numbers})",
    floor=f"drop on easy questions {left_out.signed(of_easy)}",
    notes=(*networks.notes, *effects.notes((effect,))),
    effects=(effect,),
  )


def _answer(
  effect: effects.Effect, level: str, numbers: str
) -> tuple[str, str]:
  support = effect.support()
  if support >= Grade.CONSISTENT:
    return verdict.probably(LOSES, support), (
      f"Questions of level {level} need weights of their own: the weights that"
      f" easy questions need do not do them ({numbers})."
    )
  if left_out.is_below(effect):
    return KEEPS, (
      f"The weights that easy questions need do those of level {level}, too"
      f" ({numbers}). A short search that has hardly begun to prune looks the"
      " same."
    )
  return UNCLEAR, (
    f"Whether the mask of easy questions loses those of level {level} in"
    f" particular depends on the network, or easy ones suffer as much"
    f" ({numbers})."
  )
