"""The part of the page that answers: verdicts and what supports them."""

from collections.abc import Sequence

import pandas as pd

from structcomp_jax.report import cards, markup
from structcomp_jax.report.cards import grade_sign
from structcomp_jax.report.markup import escape, number
from structcomp_jax.studies.break_it_down.findings.conclude import Findings
from structcomp_jax.studies.break_it_down.findings.effects import Effect
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  UNTRAINED_REGIME,
)
from structcomp_jax.studies.break_it_down.findings.verdict import Verdict
from structcomp_jax.studies.break_it_down.page import cuts
from structcomp_jax.studies.break_it_down.regimes import LABELS


def verdict_card(title: str, verdict: Verdict, *, fold: bool) -> str:
  """Returns one verdict with what supports it, behind a click if `fold`."""
  return cards.card(
    f"{title}: {LABELS.name(verdict.network[2])}, one-sided masks",
    badge(verdict.label),
    verdict.sentence,
    notes=verdict.notes,
    tests=_effects(verdict.effects) if verdict.effects else "",
    fold=fold,
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
          cuts.badge(findings.cuts.get(one.network[2])),
          badge(one.label),
          _per_subroutine(trained, "d_sub"),
          _per_subroutine(untrained, "d_sub"),
          _per_subroutine(trained, "d_abl"),
          _per_subroutine(untrained, "d_abl"),
        )
      )
  header = (
    "network",
    "cut in two<br><small>both halves at once</small>",
    "one-sided masks<br><small>the published test</small>",
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
  return cards.badge(label, kind)


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
      grade_sign(effect.against_zero),
      grade_sign(effect.against_matched),
      _against_untrained(effect),
    )
    for effect in effects
  ]
  return markup.table(header, rows)


def _against_untrained(effect: Effect) -> str:
  """Returns the grade; for D_sub it is shown but does not decide."""
  sign = grade_sign(effect.against_untrained)
  if effect.test == "D_sub":
    return f"{sign} <small>(shown only)</small>"
  return sign


def _measure_words(test: str) -> str:
  return "kept alone (D_sub)" if test == "D_sub" else "removed (\u2212D_abl)"
