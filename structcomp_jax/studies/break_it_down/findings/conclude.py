"""What follows from the evidence, each computed once for all that shows it."""

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from structcomp_jax.report import workdir
from structcomp_jax.report.estimate import estimate_record
from structcomp_jax.structure import separability
from structcomp_jax.structure.separability import CutFinding
from structcomp_jax.studies.break_it_down.columns import SCHEMAS
from structcomp_jax.studies.break_it_down.findings import (
  collect,
  growth,
  task_difference,
)
from structcomp_jax.studies.break_it_down.findings.collect import Evidence
from structcomp_jax.studies.break_it_down.findings.effects import Effect
from structcomp_jax.studies.break_it_down.findings.labels import (
  CONTROL,
  Numbers,
)
from structcomp_jax.studies.break_it_down.findings.summary import summarise
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  BASE_THRESHOLD,
  CHANCE,
  UNTRAINED_REGIME,
)
from structcomp_jax.studies.break_it_down.findings.verdict import (
  Verdict,
  verdicts,
)


@dataclasses.dataclass(frozen=True)
class Findings:
  """What was found about one architecture on one experiment.

  Attributes:
    evidence: the tables.
    summary: table of `summarise`, one row per regime and subroutine.
    verdicts: on the trained regimes, or on the control where there are none.
    cuts: {regime: what cuts say} of the trained regimes, where there are cuts.
  """

  evidence: Evidence
  summary: pd.DataFrame
  verdicts: tuple[Verdict, ...]
  cuts: Mapping[str, CutFinding] = dataclasses.field(default_factory=dict)


def load(
  workdirs: Sequence[str | pathlib.Path],
  *,
  base_threshold: float = BASE_THRESHOLD,
) -> list[Findings]:
  """Reads work directories and concludes.

  Args:
    workdirs: work directories with at least `results.csv` and `config.json`.
    base_threshold: base networks below this test accuracy have failed.

  Raises:
    UserError: an input is missing, torn or of an older version.
  """
  read = [workdir.read(path, SCHEMAS) for path in workdirs]
  found = collect.collect(read, base_threshold=base_threshold)
  return [conclude(evidence) for evidence in found]


def conclude(evidence: Evidence) -> Findings:
  """Summarises and judges."""
  tables = evidence.differences, evidence.controls
  every = verdicts(*tables)
  trained = tuple(one for one in every if one.label != CONTROL)
  return Findings(
    evidence,
    summarise(*tables),
    trained or tuple(every),
    _conclude_cuts(evidence),
  )


def is_decided(
  path: str | pathlib.Path, *, base_threshold: float = BASE_THRESHOLD
) -> bool:
  """Returns whether cuts decide about the first regime of a work directory.

  Args:
    path: the work directory, with tables and cuts.
    base_threshold: base networks below this test accuracy have failed.

  Raises:
    UserError: an input is missing, torn or of an older version.
  """
  one = workdir.read(path, SCHEMAS)
  differences = task_difference.task_differences(
    one.results, base_threshold=base_threshold
  )
  cuts = one.tables["cuts"]
  found = _conclude_cut(cuts, differences, one.config["regimes"][0], one)
  return found.label != "undecided"


def _conclude_cuts(evidence: Evidence) -> dict[str, CutFinding]:
  """Returns {regime: what cuts say} of the trained regimes that were cut."""
  if evidence.cuts is None or evidence.cuts.empty:
    return {}
  # Regimes may come from several work directories, some of them without cuts.
  cut = set(evidence.cuts["regime"])
  return {
    regime: _conclude_cut(
      evidence.cuts, evidence.differences, regime, evidence.workdir_of(regime)
    )
    for regime in evidence.trained_regimes()
    if regime in cut
  }


def _conclude_cut(
  cuts: pd.DataFrame,
  differences: pd.DataFrame,
  regime: str,
  one: workdir.Workdir,
) -> CutFinding:
  """Returns what cuts say about a regime of a work directory."""
  rows = differences[differences["regime"] == regime]
  found = separability.conclude(
    cuts,
    regime,
    untrained=UNTRAINED_REGIME,
    chance=CHANCE,
    failed=frozenset(rows.loc[rows["base_failed"], "base_seed"]),
    risk=growth.risk(one.config),
  )
  sentence = f"{found.sentence} {growth.sentence(one)}".strip()
  return dataclasses.replace(found, sentence=sentence)


def as_records(found: Sequence[Findings]) -> list[dict[str, Any]]:
  """Returns every verdict for `report.verdicts.to_json`."""
  return [
    verdict_record(one) | _cut_record(findings.cuts.get(one.network[2]))
    for findings in found
    for one in findings.verdicts
  ]


def _cut_record(found: CutFinding | None) -> dict[str, Any]:
  return {} if found is None else {"cuts": separability.record(found)}


def verdict_record(one: Verdict) -> dict[str, Any]:
  """Returns one verdict for `report.verdicts.to_json`."""
  numbers = one.numbers
  return {
    **dict(zip(("experiment", "model", "regime"), one.network, strict=True)),
    "label": one.label,
    "sentence": one.sentence,
    "probability": numbers and numbers.probability,
    "informative": numbers and numbers.informative,
    "informative_control": numbers and numbers.control,
    "statistics": (
      [_effect_record(one, numbers) for one in numbers.effects]
      if numbers
      else []
    ),
    "notes": list(one.notes),
  }


def _effect_record(effect: Effect, numbers: Numbers) -> dict[str, Any]:
  """Returns an effect in units of D_sub or D_abl, not oriented.

  The excess and its probability are oriented: plus is what modularity predicts.
  """
  estimates = {
    "excess": (effect.excess, 1),
    "against_zero": (effect.plain, effect.sign),
    "against_untrained": (effect.untrained, effect.sign),
  }
  found = {
    "subroutine": effect.subroutine,
    "difference": effect.test,
    "predicted": "positive" if effect.sign > 0 else "negative",
    "mean": effect.sign * effect.mean,
    "highest_control": effect.sign * effect.control,
    "probability": effect.probability,
    "num_searches": effect.num_searches,
    "num_networks": effect.num_networks,
    **{
      name: one and estimate_record(one, sign=sign)
      for name, (one, sign) in estimates.items()
    },
  }
  if effect.test == "D_abl":
    loss = numbers.losses[effect.subroutine]
    found |= {
      "removal_costs": numbers.costs[effect.subroutine].value,
      "own_accuracy_lost": loss and estimate_record(loss),
    }
  return found
