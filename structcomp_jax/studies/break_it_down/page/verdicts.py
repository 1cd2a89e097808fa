"""The part of the page that answers: verdicts and what supports them."""

from collections.abc import Sequence

import pandas as pd

from structcomp_jax.report import cards, markup
from structcomp_jax.report.estimate import Estimate, probability_words
from structcomp_jax.report.markup import escape, number
from structcomp_jax.studies.break_it_down.findings.conclude import Findings
from structcomp_jax.studies.break_it_down.findings.effects import (
  MINIMUM_EFFECT,
  worth_a_claim,
)
from structcomp_jax.studies.break_it_down.findings.labels import (
  BY_ABLATION,
  MODULAR,
  NOT_MODULAR,
  OPPOSITE,
  REDUNDANT,
  Numbers,
)
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  UNTRAINED_REGIME,
)
from structcomp_jax.studies.break_it_down.findings.verdict import Verdict
from structcomp_jax.studies.break_it_down.page import cuts
from structcomp_jax.studies.break_it_down.regimes import LABELS

_KINDS = {
  MODULAR: "good",
  BY_ABLATION: "good",
  NOT_MODULAR: "bad",
  REDUNDANT: "middle",
  OPPOSITE: "middle",
}


def verdict_card(title: str, verdict: Verdict, *, fold: bool) -> str:
  """Returns one verdict with what supports it, behind a click if `fold`."""
  return cards.card(
    f"{title}: {LABELS.name(verdict.network[2])}, one-sided masks",
    badge(verdict.label),
    verdict.sentence,
    notes=verdict.notes,
    tests=_tests(verdict.numbers) if verdict.numbers else "",
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
          badge(one.label) + _probability(one),
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
  return cards.badge(label, _KINDS.get(label, "plain"))


def _probability(one: Verdict) -> str:
  """Returns the probability of modular parts, under a label."""
  if one.numbers is None or one.numbers.probability is None:
    return ""
  words = probability_words(one.numbers.probability)
  return f"<br><small>probability of modular: {words}</small>"


def _tests(numbers: Numbers) -> str:
  header = (
    "subnetwork",
    "mean effect<br><small>predicted direction = +</small>",
    "highest control",
    "beyond its controls<br><small>95 % interval</small>",
    f"probability<br><small>of more than {MINIMUM_EFFECT}</small>",
    "beyond never trained<br><small>probability</small>",
  )
  rows = [
    (
      f"{escape(effect.subroutine)}: {_measure_words(effect.test)}",
      number(effect.mean, sign=True),
      number(effect.control, sign=True),
      _interval(effect.excess),
      _words(effect.probability),
      _words(worth_a_claim(effect.untrained)),
    )
    for effect in numbers.effects
  ]
  return markup.table(header, rows) + f"<p>{_informative(numbers)}</p>"


def _informative(numbers: Numbers) -> str:
  """Returns whether the masks can say something."""
  return (
    "Probability that the masks learned, and that the networks without them"
    f" still work: {_words(numbers.informative)}; the same of the networks that"
    f" were never trained: {_words(numbers.control)}."
  )


def _interval(found: Estimate | None) -> str:
  if found is None:
    return markup.DASH
  low, high = (number(bound, sign=True) for bound in found.interval)
  return (
    f"{number(found.value, sign=True)} <small>({low} \u2026 {high})</small>"
  )


def _words(probability: float | None) -> str:
  return markup.DASH if probability is None else probability_words(probability)


def _measure_words(test: str) -> str:
  return "kept alone (D_sub)" if test == "D_sub" else "removed (\u2212D_abl)"
