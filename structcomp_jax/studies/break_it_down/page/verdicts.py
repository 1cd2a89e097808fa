"""The part of the page that answers: verdicts and what supports them."""

from collections.abc import Sequence

import pandas as pd

from structcomp_jax.report import markup
from structcomp_jax.report.markup import escape, number
from structcomp_jax.studies.break_it_down.findings.conclude import Findings
from structcomp_jax.studies.break_it_down.findings.effects import (
  Comparison,
  Effect,
  Grade,
)
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  UNTRAINED_REGIME,
)
from structcomp_jax.studies.break_it_down.findings.verdict import Verdict
from structcomp_jax.studies.break_it_down.regimes import LABELS

_GRADE_SIGNS = {
  Grade.CLEAR: '<span class="yes">\u2713 clear</span>',
  Grade.CONSISTENT: '<span class="yes">\u2713 consistent</span>',
  Grade.UNCLEAR: '<span class="unsure">? unclear</span>',
  Grade.OPPOSITE: '<span class="no">\u2717 opposite</span>',
}


def verdict_card(title: str, verdict: Verdict, *, fold: bool) -> str:
  """Returns one verdict with what supports it, behind a click if `fold`."""
  regime = LABELS.name(verdict.network[2])
  tests = _effects(verdict.effects) if verdict.effects else ""
  notes = "".join(f"<li>{escape(note)}</li>" for note in verdict.notes)
  return (
    f'<div class="card"><h3>{escape(title)}: {escape(regime)}'
    f" {badge(verdict.label)}</h3><p>{escape(verdict.sentence)}</p>"
    + (f"<ul class='notes'>{notes}</ul>" if notes else "")
    + (markup.folded("The tests behind it", tests) if fold and tests else tests)
    + "</div>"
  )


def verdict_overview(found: Sequence[Findings]) -> str:
  """Returns the first table of the page: one line per verdict."""
  rows = []
  for findings in found:
    summary = findings.summary
    untrained = summary[summary["regime"] == UNTRAINED_REGIME]
    for one in findings.verdicts:
      trained = summary[summary["regime"] == one.network[2]]
      rows.append(
        (
          f"{escape(findings.evidence.title)}<br><small>"
          f"{escape(LABELS.name(one.network[2]))}</small>",
          badge(one.label),
          _per_subroutine(trained, "d_sub"),
          _per_subroutine(untrained, "d_sub"),
          _per_subroutine(trained, "d_abl"),
          _per_subroutine(untrained, "d_abl"),
        )
      )
  header = (
    "network",
    "verdict",
    "kept alone: D_sub<br><small>made of parts: &gt; 0</small>",
    "<small>the same,<br>if never trained</small>",
    "removed: D_abl<br><small>made of parts: &lt; 0</small>",
    "<small>the same,<br>if never trained</small>",
  )
  return markup.table(header, rows)


def _per_subroutine(summary: pd.DataFrame, measure: str) -> str:
  lines = [
    f"{escape(row['subroutine'])} {number(row[f'{measure}_mean'], sign=True)}"
    for _, row in summary.iterrows()
  ]
  return "<br>".join(lines) or markup.DASH


def badge(label: str) -> str:
  """Returns a coloured label of a verdict."""
  kinds = {"not modular": "bad", "mixed": "middle"}
  stem = label.removeprefix("probably ")
  kind = "good" if stem.startswith("modular") else kinds.get(stem, "plain")
  return f'<span class="badge {kind}">{escape(label)}</span>'


def _effects(effects: tuple[Effect, ...]) -> str:
  header = (
    "subnetwork",
    "mean effect<br><small>predicted direction = +</small>",
    "against zero",
    "against a random mask",
    "against never trained",
  )
  rows = [
    (
      f"{escape(effect.subroutine)}: {_measure_words(effect.test)}",
      number(effect.mean, sign=True),
      _sign(effect.against_zero),
      _sign(effect.against_matched),
      _against_untrained(effect),
    )
    for effect in effects
  ]
  return markup.table(header, rows)


def _against_untrained(effect: Effect) -> str:
  """Returns the grade; for D_sub it is shown but does not decide."""
  sign = _sign(effect.against_untrained)
  if effect.test == "D_sub":
    return f"{sign} <small>(shown only)</small>"
  return sign


def _sign(compared: Comparison | None) -> str:
  return markup.DASH if compared is None else _GRADE_SIGNS[compared.grade]


def _measure_words(test: str) -> str:
  return "kept alone (D_sub)" if test == "D_sub" else "removed (\u2212D_abl)"
