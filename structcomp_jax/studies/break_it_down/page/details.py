"""Tables of the report for readers who want to check."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from structcomp_jax.io.layout import SELECTION
from structcomp_jax.pipeline.tables import SETTINGS
from structcomp_jax.report import markup
from structcomp_jax.report.estimate import Estimate
from structcomp_jax.report.markup import escape, number
from structcomp_jax.report.workdir import Workdir
from structcomp_jax.studies.break_it_down.findings.statistics import (
  comparison_tests,
  difference_tests,
  network_comparisons,
  network_tests,
)
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  UNTRAINED_REGIME,
  usable,
)
from structcomp_jax.studies.break_it_down.page import wording
from structcomp_jax.studies.break_it_down.regimes import LABELS


def statistics(differences: pd.DataFrame) -> str:
  """Returns the tests, ours and the published, or nothing with few networks."""
  kept = usable(differences)
  ours = _tests(kept, network_tests, network_comparisons, _network_row)
  if not ours:
    return ""
  published = _tests(kept, difference_tests, comparison_tests, _published_row)
  return (
    f"<h3>Statistics</h3><p>{wording.STATISTICS}</p>"
    + markup.table(_NETWORK_HEADER, ours)
    + markup.folded(
      "The published tests",
      f"<p>{wording.PUBLISHED_STATISTICS}</p>"
      + markup.table(_PUBLISHED_HEADER, published),
    )
  )


_NETWORK_HEADER = (
  "mask for",
  "quantity",
  "",
  "estimate",
  "std. error",
  "95 % interval",
  "p (t)",
  "p (signs)",
  "networks",
  "found with 80 %",
)
_PUBLISHED_HEADER = (
  "mask for",
  "quantity",
  "",
  "estimate",
  "std. error",
  "p (z)",
  "networks",
)


def _tests(
  kept: pd.DataFrame,
  of_one: Callable[[pd.DataFrame], dict[str, Estimate]],
  of_two: Callable[[pd.DataFrame, pd.DataFrame], dict[str, Estimate]],
  row: Callable[[Estimate], tuple[str, ...]],
) -> list[tuple[str, ...]]:
  """Returns a row for every mean, and for every trained minus untrained one."""
  rows = []
  for name, of_name in kept.groupby("subroutine"):
    untrained = of_name[of_name["regime"] == UNTRAINED_REGIME]
    for regime, of_regime in of_name.groupby("regime", sort=False):
      words = LABELS.name(regime)
      found = {f"{words}: mean": of_one(of_regime)}
      if regime != UNTRAINED_REGIME:
        compared = of_two(of_regime, untrained)
        found[f"{words} minus never trained"] = compared
      rows += [
        (escape(name), escape(quantity), measure, *row(test))
        for quantity, tests in found.items()
        for measure, test in tests.items()
      ]
  return rows


def _network_row(test: Estimate) -> tuple[str, ...]:
  kind = {"pairs": " pairs", "welch": ", no pairs"}.get(test.method, "")
  return (
    number(test.value, sign=True),
    number(test.standard_error, 3),
    " \u2026 ".join(number(bound, sign=True) for bound in test.interval),
    markup.p_value(test.p_t),
    _sign_flip_words(test),
    f"{test.num_clusters}{kind}",
    number(test.detectable),
  )


def _sign_flip_words(test: Estimate) -> str:
  """Returns the p-value, and the smallest that there can be."""
  if test.p_sign_flip is None or test.smallest_p is None:
    return markup.DASH
  return (
    f"{markup.p_value(test.p_sign_flip)} ({markup.p_value(test.smallest_p)})"
  )


def _published_row(test: Estimate) -> tuple[str, ...]:
  return (
    number(test.value, sign=True),
    number(test.standard_error, 3),
    markup.p_value(test.p_normal),
    str(test.num_clusters),
  )


def search_table(differences: pd.DataFrame) -> str:
  """Returns one row per mask search."""
  columns = {
    "regime": "regime",
    "base_seed": "base seed",
    "base_accuracy": "base accuracy",
    "subroutine": "mask for",
    "candidate": "row in its file",
    "mask_seed": "mask seed",
    "learning_rate": "learning rate",
    "mask_init": "initial logit",
    "penalty": "penalty",
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


def _cell(value: Any, column: str) -> str:
  if column in SETTINGS:
    return escape(f"{value:g}" if isinstance(value, float) else value)
  if column in ("base_seed", "candidate", "mask_seed"):
    return escape(f"{value:.0f}" if isinstance(value, float) else value)
  if isinstance(value, float):
    return number(value, 3)
  return escape(value)


def density_table(densities: pd.DataFrame) -> str:
  """Returns the mean kept fraction of every masked leaf."""
  table = densities.assign(fraction=densities["kept"] / densities["size"])
  wide = table.pivot_table(
    index=["leaf", "size"],
    columns=["regime", "subroutine"],
    values="fraction",
    sort=False,
  )
  header = ["matrix", "weights"] + [
    f"{escape(LABELS.name(regime))}: {escape(name)}"
    for regime, name in wide.columns
  ]
  rows = [
    [escape(leaf), f"{size:,}", *(markup.percent(value) for value in values)]
    for (leaf, size), values in zip(wide.index, wide.to_numpy(), strict=True)
  ]
  return markup.table(header, rows, css_class="small")


def selections(workdirs: Sequence[Workdir]) -> str:
  """Returns the recorded selection steps, where there are any."""
  parts = []
  for one in workdirs:
    for which, content in one.selections.items():
      file = (one.paths.masks(*which) / SELECTION).relative_to(one.path)
      chosen = content.get("chosen", {})
      settings = content.get("settings", [])
      words = (
        ", ".join(f"{name} {_setting(value)}" for name, value in chosen.items())
        if isinstance(chosen, dict)
        else _setting(chosen)
      )
      parts.append(
        (
          f"<code>{escape(file)}</code>",
          escape(content.get("rule", "")),
          f"{len(settings)} settings",
          escape(words),
        )
      )
  if not parts:
    return ""
  header = ("file", "rule", "tried", "chosen, with its validation results")
  rules = {part[1] for part in parts}
  caution = f"<p>{wording.OPTIMISTIC}</p>" if "published" in rules else ""
  return caution + markup.folded(
    "How mask settings were selected",
    markup.table(header, parts, css_class="small"),
  )


def stopped(searches: pd.DataFrame) -> str:
  """Returns how many candidates died of non-finite numbers, if any."""
  if "finite" not in searches:
    return ""
  key = ["regime", "base_seed", "subroutine", "candidate"]
  alive = searches.groupby(key)["finite"].min().astype(bool)
  if alive.all():
    return ""
  return (
    f"<p>{int((~alive).sum())} of {len(alive)} mask searches stopped at a"
    " number that is not finite; they are in no table.</p>"
  )


def _setting(value: Any) -> str:
  return f"{value:.4g}" if isinstance(value, float) else str(value)
