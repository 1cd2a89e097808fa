"""The part of the page about cuts: how soon both halves do their subroutine."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from structcomp_jax.report import cards, markup, style
from structcomp_jax.report.markup import escape, number
from structcomp_jax.structure import error_rates
from structcomp_jax.structure.separability import LABELS as LABELS_OF_CUTS
from structcomp_jax.structure.separability import (
  NOT_SEPARABLE,
  PARTLY,
  SEPARABLE,
  SUBROUTINES,
  UNDECIDED,
  CutFinding,
  worse_half,
)
from structcomp_jax.studies.break_it_down.findings.conclude import Findings
from structcomp_jax.studies.break_it_down.findings.task_difference import CHANCE
from structcomp_jax.studies.break_it_down.page import wording
from structcomp_jax.studies.break_it_down.regimes import LABELS

_KINDS = {
  SEPARABLE: "good",
  PARTLY: "middle",
  UNDECIDED: "middle",
  NOT_SEPARABLE: "bad",
}


def answers(findings: Findings) -> list[str]:
  """Returns a card for every regime whose networks were cut."""
  return [
    cards.card(
      f"{findings.evidence.title}: {LABELS.name(regime)}, cut in two",
      badge(found),
      found.sentence,
    )
    for regime, found in findings.cuts.items()
  ]


def badge(found: CutFinding | None) -> str:
  """Returns the coloured label; a dash where networks were not cut."""
  if found is None:
    return markup.DASH
  return cards.badge(found.label, _KINDS[found.label])


def section(findings: Findings) -> str:
  """Returns what cuts say about one network; nothing where there are none."""
  cuts = findings.evidence.cuts
  if cuts is None or cuts.empty:
    return ""
  return "\n".join(
    [
      "<h3>Cut in two</h3>",
      f"<p>{wording.CUTS}</p>",
      markup.figure(
        cut_figure(cuts),
        wording.CAPTIONS["cuts"],
        "Accuracy of the worse half against steps; numbers in cuts.csv",
      ),
      *(_table(regime, found) for regime, found in findings.cuts.items()),
      _error_rates(findings),
    ]
  )


def _table(regime: str, found: CutFinding) -> str:
  header = (
    "base network",
    "between the subroutines",
    "between nonsense properties",
    "never trained, between the subroutines",
    "excess over the higher control",
  )
  rows = [
    (
      str(int(seed)),
      number(row["separability"]),
      number(row["nonsense"]),
      number(row["untrained"]),
      number(row["excess"], sign=True),
    )
    for seed, row in found.table.iterrows()
  ]
  return markup.folded(
    f"Separability of every network, {escape(LABELS.name(regime))}",
    markup.table(header, rows),
  )


def _error_rates(findings: Findings) -> str:
  """Returns how often the rule was wrong where the truth is known."""
  counts = [
    found.excess.num_clusters
    for found in findings.cuts.values()
    if found.excess is not None
  ]
  if not counts:
    return ""
  table = error_rates.of_group(min(counts))
  header = ("networks", "how they are made", "truth", *LABELS_OF_CUTS)
  rows = [
    (
      escape(row["architecture"]),
      escape(row["class"]),
      escape(row["truth"]),
      *(markup.percent(row[label]) for label in LABELS_OF_CUTS),
    )
    for _, row in table.iterrows()
  ]
  return f"<p>{escape(error_rates.sentence(min(counts)))}</p>" + markup.folded(
    "How often this rule is right, on networks of known structure",
    f"<p>{wording.ERROR_RATES}</p>{markup.table(header, rows)}",
  )


@style.styled
def cut_figure(cuts: pd.DataFrame) -> Figure:
  """Draws the accuracy of the worse half of every cut against steps.

  Args:
    cuts: rows of cuts.csv of one experiment and model.
  """
  table = cuts.assign(
    worse=worse_half(cuts),
    is_nonsense=cuts["pair"] != SUBROUTINES,
  )
  colours = LABELS.colours_of(dict.fromkeys(table["regime"]))
  figure, axes = style.panels(1, 2, width=4.6, height=3.2, sharey=True)
  titles = ("between the subroutines", "between nonsense properties")
  for is_nonsense, (axis, title) in enumerate(
    zip(axes[0], titles, strict=True)
  ):
    rows = table[table["is_nonsense"] == bool(is_nonsense)]
    lines = rows.groupby(["regime", "base_seed", "pair", "mask_seed"])
    for (regime, *_), line in lines:
      axis.plot(
        line["step"],
        line["worse"],
        color=colours[regime],
        linewidth=1.2,
        alpha=0.7,
      )
    axis.axhline(CHANCE, color="#333333", linewidth=1, linestyle=":")
    axis.set(title=title, xlabel="steps of the search", ylim=(0, 1.03))
  axes[0][0].set_ylabel("accuracy of the worse half")
  handles = [
    Line2D([], [], color=colour, label=LABELS.name(regime))
    for regime, colour in colours.items()
  ]
  axes[0][-1].legend(
    handles=handles, loc="upper left", bbox_to_anchor=(1.02, 1.0)
  )
  return figure
