"""What follows from work directories, computed once for all that shows it."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

from structcomp_jax.report import workdir
from structcomp_jax.studies.are_nets_modular import images, mathematics
from structcomp_jax.studies.are_nets_modular.arithmetic import (
  END_LEAVES,
  EXPERIMENTS,
)
from structcomp_jax.studies.are_nets_modular.columns import (
  IMAGE_TABLES,
  SCHEMAS,
)
from structcomp_jax.studies.are_nets_modular.findings import (
  class_removal,
  harder,
  left_out,
  reuse,
  specialisation,
  stability,
)
from structcomp_jax.studies.are_nets_modular.findings import (
  evidence as evidence_module,
)
from structcomp_jax.studies.are_nets_modular.findings.evidence import (
  COPIES,
  UNTRAINED,
  Evidence,
)
from structcomp_jax.studies.are_nets_modular.findings.verdict import (
  CONTROL_LABEL,
  Verdict,
)
from structcomp_jax.types import UserError

_CONTROL_SENTENCES = {
  COPIES: "Trained networks, then made to compute both subtasks with the same"
  " weights: here sharing is there by construction.",
  UNTRAINED: "Networks that were never trained: what a search finds where"
  " nothing was learned.",
}
# What the page prints, by the kind of experiment.
RULES = {
  "arithmetic": (*specialisation.RULES, *reuse.RULES),
  "scan": left_out.RULES,
  images.REMOVE_CLASS: class_removal.RULES,
  images.CLASS_PAIR: stability.RULES,
  "mathematics": harder.RULES,
}


@dataclasses.dataclass(frozen=True)
class Findings:
  """What was found in one work directory.

  Attributes:
    evidence: the tables.
    verdicts: on all kinds of networks that have masks.
  """

  evidence: Evidence
  verdicts: tuple[Verdict, ...]

  @property
  def title(self) -> str:
    """How the page calls it."""
    return self.evidence.title


def load(workdirs: Sequence[str | pathlib.Path]) -> list[Findings]:
  """Reads work directories and concludes; each one is judged by itself.

  Raises:
    UserError: none is given, or one is missing, torn or of an older version.
  """
  if not workdirs:
    raise UserError("there is nothing to report; name a work directory")
  read = [
    evidence_module.of_workdir(workdir.read(path, {**SCHEMAS, **IMAGE_TABLES}))
    for path in workdirs
  ]
  titles = [one.title for one in read]
  return [
    conclude(
      dataclasses.replace(one, title=f"{one.title} ({one.workdir.path.name})")
      if titles.count(one.title) > 1
      else one
    )
    for one in read
  ]


def conclude(evidence: Evidence) -> Findings:
  """Judges every regime that has masks."""
  found: list[Verdict] = []
  for regime in evidence.masked_regimes:
    if regime in evidence.judged:
      found += _judged(evidence, regime)
    else:
      found.append(_control(evidence, regime))
  return Findings(evidence, tuple(found))


def kind(evidence: Evidence) -> str:
  """Returns which rules an experiment has: a key of `RULES`."""
  if evidence.experiment in images.EXPERIMENTS:
    return str(evidence.workdir.config["data"]["subtasks"])
  if evidence.experiment in mathematics.EXPERIMENTS:
    return "mathematics"
  return "arithmetic" if evidence.experiment in EXPERIMENTS else "scan"


def end_leaves(experiment: str) -> frozenset[str]:
  """Returns the leaves that subtasks cannot share.

  In double addition each pair of numbers has inputs and outputs of its own.
  """
  return END_LEAVES if experiment == "double_addition" else frozenset()


def _judged(evidence: Evidence, regime: str) -> list[Verdict]:
  which = kind(evidence)
  if which == "scan":
    return left_out.judge(evidence, regime)
  if which == images.REMOVE_CLASS:
    return [class_removal.judge(evidence, regime)]
  if which == images.CLASS_PAIR:
    return [stability.judge(evidence, regime)]
  if which == "mathematics":
    return harder.judge(evidence, regime)
  return [
    specialisation.judge(evidence, regime),
    reuse.judge(evidence, regime, end_leaves(evidence.experiment)),
  ]


def _control(evidence: Evidence, regime: str) -> Verdict:
  """Returns what networks are that others are compared with."""
  network = (evidence.experiment, evidence.model, regime)
  effect, which = [], kind(evidence)
  if which == images.REMOVE_CLASS:
    effect = [class_removal.numbers(evidence, regime)]
  elif which == images.CLASS_PAIR:
    effect = [stability.numbers(evidence, regime)]
  elif which == "arithmetic":
    effect = [
      specialisation.numbers(evidence, regime),
      reuse.numbers(evidence, regime, end_leaves(evidence.experiment)),
    ]
  words = "; ".join(one for one in effect if one)
  sentence = _CONTROL_SENTENCES[regime]
  return Verdict(
    "control",
    "To compare with",
    network,
    CONTROL_LABEL,
    f"{sentence} Here: {words}." if words else sentence,
    effect=words,
  )


def as_records(found: Sequence[Findings]) -> list[dict[str, Any]]:
  """Returns every verdict for `report.verdicts.to_json`."""
  return [one.record() for findings in found for one in findings.verdicts]
