"""The part of the page about one network: figures and tables."""

from collections.abc import Sequence

import pandas as pd

from structcomp_jax.report import curves as profiles
from structcomp_jax.report import markup
from structcomp_jax.report.markup import escape, number, spread
from structcomp_jax.studies.break_it_down.findings.collect import Network
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  UNTRAINED_REGIME,
  usable,
)
from structcomp_jax.studies.break_it_down.findings.verdict import (
  Effect,
  Grade,
  Verdict,
)
from structcomp_jax.studies.break_it_down.page import (
  details,
  figures,
  overview,
  tables,
  wording,
)

_GRADE_SIGNS = {
  Grade.CLEAR: '<span class="yes">\u2713 clear</span>',
  Grade.CONSISTENT: '<span class="yes">\u2713 consistent</span>',
  Grade.UNCLEAR: '<span class="unsure">? unclear</span>',
  Grade.OPPOSITE: '<span class="no">\u2717 opposite</span>',
  None: markup.DASH,
}


def verdict_card(network: Network, verdict: Verdict, *, fold: bool) -> str:
  """Returns one verdict with what supports it, behind a click if `fold`."""
  regime = figures.regime_name(verdict.network[2])
  tests = _effects(verdict.effects) if verdict.effects else ""
  notes = "".join(f"<li>{escape(note)}</li>" for note in verdict.notes)
  return (
    f'<div class="card"><h3>{escape(network.title)}: {escape(regime)}'
    f" {markup.badge(verdict.label)}</h3><p>{escape(verdict.sentence)}</p>"
    + (f"<ul class='notes'>{notes}</ul>" if notes else "")
    + (markup.folded("The tests behind it", tests) if fold and tests else tests)
    + "</div>"
  )


def verdict_overview(networks: Sequence[Network]) -> str:
  """Returns the first table of the page: one line per verdict."""
  rows = []
  for network in networks:
    summary = tables.network_summary(network)
    untrained = summary[summary["regime"] == UNTRAINED_REGIME]
    for one in tables.network_verdicts(network):
      trained = summary[summary["regime"] == one.network[2]]
      rows.append(
        (
          f"{escape(network.title)}<br><small>"
          f"{escape(figures.regime_name(one.network[2]))}</small>",
          markup.badge(one.label),
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


def summary_table(network: Network) -> str:
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
  for _, row in tables.network_summary(network).iterrows():
    failed = row["num_failed_bases"]
    theirs = tables.published_differences(row)
    rows.append(
      (
        escape(figures.regime_name(row["regime"])),
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


def network_section(network: Network) -> str:
  """Returns everything about one network except its verdict."""
  parts = [f"<h2 id='{_anchor(network)}'>{escape(network.title)}</h2>"]
  parts.append(_task(network))
  parts.append(summary_table(network))
  parts += _main_figures(network)
  parts.append(details.statistics(network))
  parts += _process_figures(network)
  parts.append(details.stopped(network))
  parts.append(details.overlaps(network))
  parts.append(
    markup.folded(
      "Every mask search", details.search_table(network.differences)
    )
  )
  if network.densities is not None:
    parts.append(
      markup.folded(
        "Weights kept per matrix", details.density_table(network.densities)
      )
    )
  parts.append(details.selections(network))
  return "\n".join(part for part in parts if part)


def _anchor(network: Network) -> str:
  return escape(network.title.replace(", ", "-").replace(" ", "-"))


def _task(network: Network) -> str:
  """Returns what the experiment asks of the network."""
  if network.experiment not in wording.EXPERIMENTS:
    return ""
  items, rule, skills = wording.EXPERIMENTS[network.experiment]
  listed = " and ".join(
    f"<b>{escape(name)}</b> ({escape(question)})"
    for name, question in skills.items()
  )
  return (
    f"<p>Three of four {items} obey the rule: {escape(rule)}. The fourth does"
    f" not. The two skills this takes: {listed}.</p>"
  )


def _main_figures(network: Network) -> list[str]:
  differences = network.differences
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


def _process_figures(network: Network) -> list[str]:
  drawings = (
    ("density", network.densities, profiles.density_figure),
    ("training", network.training, profiles.training_figure),
    ("searches", network.searches, profiles.search_figure),
  )
  return [
    markup.figure(draw(data), wording.CAPTIONS[name], name)
    for name, data, draw in drawings
    if data is not None and not data.empty
  ]


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
      _GRADE_SIGNS[effect.against_zero],
      _GRADE_SIGNS[effect.against_matched],
      _against_untrained(effect),
    )
    for effect in effects
  ]
  return markup.table(header, rows)


def _against_untrained(effect: Effect) -> str:
  """Returns the grade; for D_sub it is shown but does not decide."""
  sign = _GRADE_SIGNS[effect.against_untrained]
  if effect.test == "D_sub":
    return f"{sign} <small>(shown only)</small>"
  return sign


def _measure_words(test: str) -> str:
  return "kept alone (D_sub)" if test == "D_sub" else "removed (\u2212D_abl)"
