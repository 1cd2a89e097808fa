"""The part of the page that answers, and the same for a terminal."""

from collections.abc import Sequence
from typing import Protocol

from structcomp_jax.report import cards, markup
from structcomp_jax.report.estimate import Estimate
from structcomp_jax.report.markup import escape, number
from structcomp_jax.studies.are_nets_modular.findings import (
  class_removal,
  drops,
  left_out,
  reuse_score,
  specialisation,
  stability,
  transfer_sharing,
  verdict,
)
from structcomp_jax.studies.are_nets_modular.findings.conclude import Findings
from structcomp_jax.studies.are_nets_modular.findings.effects import Effect
from structcomp_jax.studies.are_nets_modular.findings.verdict import Verdict
from structcomp_jax.studies.are_nets_modular.regimes import LABELS

_KINDS = {
  specialisation.SPECIALISED: "good",
  specialisation.PARTLY_SEPARABLE: "middle",
  specialisation.NOT_SEPARABLE: "middle",
  specialisation.NOT_SPECIALISED: "bad",
  reuse_score.REUSES: "good",
  reuse_score.PARTLY: "middle",
  reuse_score.DOES_NOT: "bad",
  drops.LOSES: "bad",
  drops.KEEPS: "good",
  left_out.CUT: "middle",
  class_removal.ALONE: "good",
  class_removal.LOST: "middle",
  class_removal.KEPT: "bad",
  stability.AGREE: "good",
  stability.UNSPECIFIC: "middle",
  stability.CHANCE: "bad",
  transfer_sharing.REUSED: "good",
  transfer_sharing.HABIT: "middle",
  transfer_sharing.AVOIDED: "bad",
}


class Judged(Protocol):
  """What was found in one work directory, of any experiment."""

  @property
  def title(self) -> str:
    """How the page calls it."""

  @property
  def verdicts(self) -> tuple[Verdict, ...]:
    """In the order of the page."""


def overview(found: Sequence[Judged]) -> str:
  """Returns the first table of the page: one line per verdict."""
  header = (
    "network",
    "question",
    "answer",
    "effect",
    "noise floor",
  )
  rows = [
    (
      f"{escape(findings.title).replace(', ', ',<br>')}<br>"
      f"<small>{escape(LABELS.name(one.network[2]))}</small>",
      escape(one.question),
      badge(one.label),
      _lines(one.effect),
      _lines(one.floor),
    )
    for findings in found
    for one in findings.verdicts
  ]
  return markup.table(header, rows, css_class="small wrapped")


def _lines(words: str) -> str:
  """Returns short numbers, one below the other."""
  lines = escape(words)
  for mark, broken in (
    ("; ", "<br>"),
    (" (control", "<br>(control"),
    (": own", ":<br>own"),
  ):
    lines = lines.replace(mark, broken)
  return lines or markup.DASH


def card(title: str, one: Verdict) -> str:
  """Returns one verdict with what supports it behind a click."""
  return cards.card(
    f"{title}, {LABELS.name(one.network[2])}. {one.words}",
    badge(one.label),
    one.sentence,
    notes=one.notes,
    tests=_effects(one.effects) if one.effects else "",
    fold=True,
  )


def badge(label: str) -> str:
  """Returns a coloured label of a verdict."""
  kind = _KINDS.get(label.removeprefix(verdict.PROBABLY), "plain")
  return cards.badge(label, kind)


def _effects(effects: tuple[Effect, ...]) -> str:
  header = (
    "effect",
    "mean \u00b1 sd<br><small>between networks</small>",
    "networks",
    "compared with",
    "difference",
    "95 % interval",
    "found with 80 %",
    "",
  )
  rows = []
  for effect in effects:
    for name, compared in effect.against.items():
      estimate = compared.estimate if compared else None
      shown = "" if name in effect.deciding else " <small>(shown only)</small>"
      rows.append(
        (
          escape(effect.words),
          markup.spread(effect.mean, effect.spread, sign=True),
          str(len(effect.by_network)),
          escape(name) + shown,
          number(estimate.value if estimate else None, sign=True),
          _interval(estimate),
          number(estimate.detectable if estimate else None),
          cards.grade_sign(compared),
        )
      )
  return markup.table(header, rows)


def _interval(estimate: Estimate | None) -> str:
  if estimate is None:
    return markup.DASH
  return " \u2026 ".join(number(one, sign=True) for one in estimate.interval)


def as_text(found: Sequence[Findings]) -> str:
  """Returns the verdicts for a terminal."""
  lines: list[str] = []
  for findings in found:
    lines.append(findings.evidence.title)
    for one in findings.verdicts:
      lines.append(f"  {one.network[2]}, {one.question}: {one.label.upper()}.")
      lines.append(f"    {one.sentence}")
      for words, said in (("effect", one.effect), ("noise floor", one.floor)):
        if said and said not in one.sentence:
          lines.append(f"    {words}: {said}")
      lines += [f"    [{note}]" for note in one.notes]
    lines.append("")
  return "\n".join(lines)
