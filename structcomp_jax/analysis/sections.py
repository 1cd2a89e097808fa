"""The part of the page about one network: figures and tables."""

import json

import pandas as pd

from structcomp_jax.analysis import (
  figures,
  markup,
  overview,
  profiles,
  statistics,
  tables,
  wording,
)
from structcomp_jax.analysis.collect import Network
from structcomp_jax.analysis.markup import escape, number, spread
from structcomp_jax.analysis.task_difference import UNTRAINED_REGIME, usable
from structcomp_jax.analysis.verdict import Effect, Grade, Verdict

_GRADE_SIGNS = {
  Grade.CLEAR: '<span class="yes">\u2713 clear</span>',
  Grade.CONSISTENT: '<span class="yes">\u2713 consistent</span>',
  Grade.UNCLEAR: '<span class="unsure">? unclear</span>',
  Grade.OPPOSITE: '<span class="no">\u2717 opposite</span>',
  None: markup.DASH,
}


def verdict_card(network: Network, verdict: Verdict) -> str:
  """Returns one verdict with what supports it."""
  regime = figures.regime_name(verdict.network[2])
  notes = "".join(f"<li>{escape(note)}</li>" for note in verdict.notes)
  return (
    f'<div class="card"><h3>{escape(network.title)}: {escape(regime)}'
    f" {markup.badge(verdict.label)}</h3><p>{escape(verdict.sentence)}</p>"
    + (f"<ul class='notes'>{notes}</ul>" if notes else "")
    + (_effects(verdict.effects) if verdict.effects else "")
    + "</div>"
  )


def summary_table(network: Network) -> str:
  """Returns the table of means, all regimes."""
  header = (
    "network",
    "mask for",
    "own-task accuracy",
    "D_sub<br><small>predicted &gt; 0</small>",
    "D_abl<br><small>predicted &lt; 0</small>",
    "D_sub / D_abl of<br>a random mask",
    "weights kept",
    "searches<br>(base networks)",
    "published<br>D_sub",
    "published<br>D_abl",
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
        f"<b>{spread(row['d_sub_mean'], row['d_sub_sd'], sign=True)}</b>",
        f"<b>{spread(row['d_abl_mean'], row['d_abl_sd'], sign=True)}</b>",
        f"{number(row['d_sub_matched_mean'], sign=True)} /"
        f" {number(row['d_abl_matched_mean'], sign=True)}",
        _percent(row["density_mean"]),
        f"{row['n']} ({row['num_bases']}"
        + (f", {failed} failed)" if failed else ")"),
        theirs[0],
        theirs[1],
      )
    )
  return markup.table(header, rows, css_class="summary")


def network_section(network: Network) -> str:
  """Returns everything about one network except its verdict."""
  parts = [f"<h2 id='{_anchor(network)}'>{escape(network.title)}</h2>"]
  parts.append(_task(network))
  parts.append(summary_table(network))
  parts += _main_figures(network)
  parts.append(_statistics(network))
  parts += _process_figures(network)
  parts.append(_overlaps(network))
  parts.append(
    markup.folded("Every mask search", _search_table(network.differences))
  )
  if network.densities is not None:
    parts.append(
      markup.folded("Weights kept per matrix", _density_table(network))
    )
  parts.append(_selections(network))
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
    "removed or kept",
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
      _GRADE_SIGNS[effect.against_untrained],
    )
    for effect in effects
  ]
  return markup.table(header, rows)


def _measure_words(test: str) -> str:
  return "kept alone (D_sub)" if test == "D_sub" else "removed (\u2212D_abl)"


def _statistics(network: Network) -> str:
  kept = usable(network.differences)
  rows = []
  for name, of_name in kept.groupby("subroutine"):
    untrained = of_name[of_name["regime"] == UNTRAINED_REGIME]
    for regime, of_regime in of_name.groupby("regime", sort=False):
      words = figures.regime_name(regime)
      tests = statistics.difference_tests(of_regime)
      rows += [_test_row(name, f"{words}: mean", test) for test in tests]
      if regime == UNTRAINED_REGIME:
        continue
      tests = statistics.comparison_tests(of_regime, untrained)
      rows += [
        _test_row(name, f"{words} minus never trained", test) for test in tests
      ]
  if not rows:
    return ""
  header = (
    "mask for",
    "quantity",
    "",
    "estimate",
    "std. error",
    "95 % interval",
    "p (z)",
    "p (t)",
    "base networks",
  )
  return f"<h3>Statistics</h3><p>{wording.STATISTICS}</p>" + markup.table(
    header, rows
  )


def _test_row(name: str, quantity: str, test: statistics.Test) -> tuple:
  low, high = (number(bound, sign=True) for bound in test.interval)
  return (
    escape(name),
    escape(quantity),
    test.name,
    number(test.estimate, sign=True),
    number(test.standard_error, 3),
    f"{low} \u2026 {high}",
    _p_value(test.p_normal),
    _p_value(test.p_t),
    str(test.num_clusters),
  )


def _p_value(value: float) -> str:
  return "&lt; 0.0001" if value < 1e-4 else number(value, 4)


def _percent(fraction: float) -> str:
  if pd.isna(fraction):
    return markup.DASH
  return f"{fraction:.2%}" if fraction < 0.01 else f"{fraction:.1%}"


def _overlaps(network: Network) -> str:
  if network.overlaps.empty:
    return ""
  means = network.overlaps.groupby(["regime", "kind"], sort=False)
  rows = [
    (
      escape(figures.regime_name(regime)),
      escape(kind),
      spread(group["iou"].mean(), group["iou"].std()),
      number(group["expected_iou"].mean()),
      str(len(group)),
    )
    for (regime, kind), group in means
  ]
  header = ("network", "two masks for", "overlap", "if random", "pairs")
  return f"<h3>Overlap of masks</h3><p>{wording.OVERLAP}</p>" + markup.table(
    header, rows
  )


def _search_table(differences: pd.DataFrame) -> str:
  columns = {
    "regime": "regime",
    "base_seed": "base seed",
    "base_accuracy": "base accuracy",
    "subroutine": "mask for",
    "mask_seed": "mask seed",
    "learning_rate": "learning rate",
    "mask_init": "initial logit",
    "masked_from": "masked from",
    "density": "kept",
    "subnetwork_own": "sub: own task",
    "subnetwork_margin": "sub: margin",
    "subnetwork_other_task": "sub: other task",
    "subnetwork_target": "sub: own test",
    "subnetwork_other": "sub: other test",
    "ablated_own": "abl: own task",
    "ablated_other_task": "abl: other task",
    "ablated_target": "abl: own test",
    "ablated_other": "abl: other test",
    "d_sub": "D_sub",
    "d_abl": "D_abl",
    "d_redrawn": "D, weights redrawn",
  }
  rows = [
    [_cell(row[name], name) for name in columns]
    for _, row in differences.iterrows()
  ]
  return markup.table(list(columns.values()), rows, css_class="small")


def _cell(value, column: str) -> str:
  if column in ("learning_rate", "mask_init"):
    return f"{value:g}"
  if column in ("base_seed", "mask_seed"):
    return escape(f"{value:.0f}" if isinstance(value, float) else value)
  if isinstance(value, float):
    return number(value, 3)
  return escape(value)


def _density_table(network: Network) -> str:
  table = network.densities.assign(
    fraction=network.densities["kept"] / network.densities["size"]
  )
  wide = table.pivot_table(
    index=["leaf", "size"],
    columns=["regime", "subroutine"],
    values="fraction",
    sort=False,
  )
  header = ["matrix", "weights"] + [
    f"{escape(figures.regime_name(regime))}: {escape(name)}"
    for regime, name in wide.columns
  ]
  rows = [
    [escape(leaf), f"{size:,}", *(_percent(value) for value in values)]
    for (leaf, size), values in zip(wide.index, wide.to_numpy(), strict=True)
  ]
  return markup.table(header, rows, css_class="small")


def _selections(network: Network) -> str:
  texts = [
    f"<p><code>{escape(file)}</code></p>"
    + markup.preformatted(json.dumps(content, indent=1))
    for one in network.workdirs
    for file, content in one.selections.items()
  ]
  if not texts:
    return ""
  return markup.folded("How mask settings were selected", "".join(texts))
