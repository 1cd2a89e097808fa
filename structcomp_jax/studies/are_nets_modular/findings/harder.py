"""Mathematics: do hard questions need weights that easy ones do not?

The network has learned questions of all levels, and the mask of easy ones those
alone. What it loses of harder questions, compared with the control mask and
beyond what it loses of easy ones, takes weights that easy ones do not need.
"""

from structcomp_jax.studies.are_nets_modular.findings import drops, verdict
from structcomp_jax.studies.are_nets_modular.findings.drops import (
  KEEPS,
  LOSES,
  MINIMUM_EFFECT,
  UNCLEAR,
)
from structcomp_jax.studies.are_nets_modular.findings.evidence import Evidence
from structcomp_jax.studies.are_nets_modular.findings.verdict import Verdict
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
    return [drops.judge(evidence, regime, _of_level(level)) for level in harder]
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


def _of_level(level: str) -> drops.LeftOut:
  return drops.LeftOut(
    test=level,
    mask=EASY,
    whole=EASY,
    words=f"{level} questions",
    mask_words="easy questions",
    whole_words="easy questions",
    loses=f"Questions of level {level} need weights of their own: the weights"
    " that easy questions need do not do them",
    keeps="The weights that easy questions need do those of level"
    f" {level}, too",
    unclear=f"Whether the mask of easy questions loses those of level {level}"
    " in particular depends on the network, or easy ones suffer as much",
  )
