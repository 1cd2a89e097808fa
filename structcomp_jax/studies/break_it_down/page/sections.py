"""The part of the page about one network: figures and tables."""

import pandas as pd

from structcomp_jax.report import curves, markup
from structcomp_jax.report.markup import escape, number, spread
from structcomp_jax.studies.break_it_down.experiments import DESCRIPTIONS
from structcomp_jax.studies.break_it_down.findings.collect import Evidence
from structcomp_jax.studies.break_it_down.findings.conclude import Findings
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  CHANCE,
  UNTRAINED_REGIME,
  usable,
)
from structcomp_jax.studies.break_it_down.page import (
  cuts,
  details,
  figures,
  overview,
  tables,
  whereabouts,
  wording,
)
from structcomp_jax.studies.break_it_down.regimes import LABELS


def summary_table(summary: pd.DataFrame) -> str:
  """Returns the table of means, all regimes."""
  header = (
    "network",
    "mask for",
    "own-task<br>accuracy",
    "D_sub<br><small>made of parts: &gt; 0</small>",
    "D_abl<br><small>made of parts: &lt; 0</small>",
    "random mask:<br>D_sub, D_abl",
    "weights<br>kept",
    "searches<br><small>(base networks)</small>",
  )
  rows = []
  for _, row in summary.iterrows():
    failed = row["num_failed_bases"]
    theirs = tables.published_differences(row)
    rows.append(
      (
        escape(LABELS.name(row["regime"])),
        f"<b>{escape(row['subroutine'])}</b>",
        spread(row["own_accuracy_mean"], row["own_accuracy_sd"]),
        _with_published(row, "d_sub", theirs[0]),
        _with_published(row, "d_abl", theirs[1]),
        f"{number(row['d_sub_matched_mean'], sign=True)},"
        f" {number(row['d_abl_matched_mean'], sign=True)}",
        markup.percent(row["density_mean"]),
        f"{row['n']} ({row['num_bases']}"
        + (f", {failed} failed)" if failed else ")"),
      )
    )
  return markup.table(header, rows) + f"<p><small>{wording.SUMMARY}</small></p>"


def _with_published(row: pd.Series, measure: str, theirs: str) -> str:
  ours = spread(row[f"{measure}_mean"], row[f"{measure}_sd"], sign=True)
  if theirs == markup.DASH:
    return f"<b>{ours}</b>"
  return f"<b>{ours}</b><br><small>published {theirs}</small>"


def network_section(findings: Findings) -> str:
  """Returns everything about one network except its verdict."""
  evidence = findings.evidence
  parts = [
    f"<h2 id='{_anchor(evidence.title)}'>{escape(evidence.title)}</h2>",
    _task(evidence.experiment),
    summary_table(findings.summary),
    cuts.section(findings),
    *_main_figures(evidence.differences),
    whereabouts.section(evidence),
    details.statistics(evidence.differences),
    *_process_figures(evidence),
    details.stopped(evidence.searches),
    markup.folded(
      "Every mask search", details.search_table(evidence.differences)
    ),
    details.selections(evidence.workdirs),
  ]
  return "\n".join(part for part in parts if part)


def _anchor(title: str) -> str:
  return escape(title.replace(", ", "-").replace(" ", "-"))


def _task(experiment: str) -> str:
  """Returns what the experiment asks of the network."""
  if experiment not in DESCRIPTIONS:
    return ""
  about = DESCRIPTIONS[experiment]
  listed = " and ".join(
    f"<b>{escape(name)}</b> ({escape(question)})"
    for name, question in about.questions.items()
  )
  return (
    f"<p>Three of four {about.items} obey the rule: {escape(about.rule)}. The"
    f" fourth does not. The two skills this takes: {listed}.</p>"
  )


def _main_figures(differences: pd.DataFrame) -> list[str]:
  parts = []
  trained = usable(differences)
  trained = trained[trained["regime"] != UNTRAINED_REGIME]
  if not trained.empty:
    rows = trained[trained["regime"] == trained["regime"].iloc[0]]
    parts.append(
      markup.figure(
        overview.overview_figure(rows, sorted(rows["subroutine"])[0]),
        wording.CAPTIONS["overview"],
        "Trained network, learned mask, both halves and their accuracies",
      )
    )
  parts.append(
    markup.figure(
      figures.task_difference_figure(differences),
      wording.CAPTIONS["task_difference"],
      "Task difference of every mask search; numbers in the table above",
    )
  )
  parts.append(
    markup.figure(
      figures.accuracy_figure(differences),
      wording.CAPTIONS["accuracy"],
      "Accuracy on both tests; numbers under Every mask search",
    )
  )
  return parts


def _process_figures(evidence: Evidence) -> list[str]:
  process = {"training": evidence.training, "searches": evidence.searches}
  draw = {"training": curves.training_figure, "searches": curves.search_figure}
  drawn = {
    name: draw[name](rows, chance=CHANCE, labels=LABELS)
    for name, rows in process.items()
    if not rows.empty
  }
  return [
    markup.figure(figure, wording.CAPTIONS[name], name)
    for name, figure in drawn.items()
  ]
