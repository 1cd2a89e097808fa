"""Tables behind the figures."""

from collections.abc import Sequence

import pandas as pd

from structcomp_jax.report import curves, markup
from structcomp_jax.report.markup import escape, number
from structcomp_jax.studies.are_nets_modular.domain import CONTROL
from structcomp_jax.studies.are_nets_modular.findings import (
  accuracies,
  overlaps,
)
from structcomp_jax.studies.are_nets_modular.findings.evidence import Evidence
from structcomp_jax.studies.are_nets_modular.page import wording
from structcomp_jax.studies.are_nets_modular.regimes import LABELS


def points(mean: float, deviation: float) -> str:
  """Returns a fraction in percent, with one decimal."""
  text = number(100 * mean, 1)
  if pd.isna(mean) or pd.isna(deviation):
    return text
  return f"{text}\u00a0{markup.PLUS_MINUS}\u00a0{number(100 * deviation, 1)}"


def _cells(
  table: pd.DataFrame,
  rows: Sequence[str],
  column: str,
  value: str,
  head: dict[str, str],
) -> str:
  """Returns a table with one column per value of `column`.

  Args:
    table: one row per cell.
    rows: columns whose values name a row of the table.
    column: the values of this one name its columns, in their order.
    value: `<value>_mean` and `<value>_sd` are shown in percent.
    head: {column in `rows`: its header}.
  """
  columns = list(dict.fromkeys(table[column]))
  lines = []
  for key, group in table.groupby(list(rows), sort=False):
    found = group.drop_duplicates(column).set_index(column)
    found = found.reindex(columns)
    cells = [
      points(mean, deviation)
      for mean, deviation in zip(
        found[f"{value}_mean"], found[f"{value}_sd"], strict=True
      )
    ]
    names = [
      escape(LABELS.name(str(name)) if row == "regime" else str(name))
      for row, name in zip(rows, key, strict=True)
    ]
    lines.append([*names, *cells])
  header = [*(head[row] for row in rows)]
  header += [escape(one).replace(" (", "<br>(") for one in columns]
  return markup.table(header, lines, css_class="small")


def inverse_table(evidence: Evidence) -> str:
  """Returns what networks, masks and inverse masks can do."""
  table = accuracies.inverse_table(evidence.results, evidence.subtasks)
  table = table[table["regime"].isin(evidence.masked_regimes)]
  words = [
    _mask_words(name, ablation)
    for name, ablation in zip(
      table["subroutine"], table["ablation"], strict=True
    )
  ]
  head = {"regime": "network", "test_task": "tested on"}
  return (
    _cells(
      table.assign(mask=words),
      ["regime", "test_task"],
      "mask",
      "accuracy",
      head,
    )
    + f"<p><small>{wording.EXCLUSIONS}</small></p>"
  )


def _mask_words(name: str, ablation: str) -> str:
  if not name:
    return "whole network"
  if ablation == "none":
    return f"mask of {name}"
  ends = accuracies.INVERSES[ablation]
  return f"without {name}" + (f" ({ends})" if ends else "")


def overlap_tables(rows: pd.DataFrame, subtasks: Sequence[str]) -> str:
  """Returns what masks share, per leaf and over leaves.

  Args:
    rows: of `overlaps.of_subtasks`.
    subtasks: names of the two masks.
  """
  by_leaf, pooled = overlaps.per_leaf(rows), overlaps.pooled(rows)
  table = pd.concat([by_leaf, pooled.assign(leaf="")])
  # The row of all leaves follows those of its network and kind of pair.
  groups = table.groupby(["regime", "kind"], sort=False).ngroup()
  table = table.iloc[groups.argsort(kind="stable")]
  first, second = (escape(name) for name in subtasks)
  measures = {
    "iou": "IoU",
    "iomin": "IoMin",
    "of_first": f"share of {first}<br>that {second} has",
    "of_second": f"share of {second}<br>that {first} has",
  }
  header = ["network", "two masks of", "leaf", *measures.values(), "networks"]
  lines = [
    [
      escape(LABELS.name(row["regime"])),
      escape(row["kind"]),
      escape(curves.leaf_group(row["leaf"])) or "<b>all leaves</b>",
      *(_with_random(row, name) for name in measures),
      str(row["num_networks"]),
    ]
    for _, row in table.iterrows()
  ]
  return (
    markup.table(header, lines, css_class="small")
    + f"<p><small>{wording.SHARING}</small></p>"
  )


def _with_random(row: pd.Series, name: str) -> str:
  text = markup.spread(row[f"{name}_mean"], row[f"{name}_sd"])
  chance = row[f"random_{name}_mean"]
  return text if pd.isna(chance) else f"{text} ({number(chance)})"


def score_table(scores: pd.DataFrame) -> str:
  """Returns the reuse scores and what they are made of.

  Args:
    scores: of `reuse_score.scores`.
  """
  header = (
    "network",
    "base seed",
    "score",
    "noise",
    "IoMin, different",
    "random",
    "IoMin, same subtask",
  )
  columns = ("score", "noise", "iomin", "random_iomin", "ceiling_iomin")
  lines = [
    [
      escape(LABELS.name(row["regime"])),
      f"{row['base_seed']:g}",
      *(number(row[name], 3) for name in columns),
    ]
    for _, row in scores.iterrows()
  ]
  return markup.table(header, lines, css_class="small")


def half_table(halves: pd.DataFrame) -> str:
  """Returns what one half of the control mask costs."""
  head = {"regime": "network", "test_task": "tested on"}
  return _cells(halves, ["regime", "test_task"], "half", "drop", head)


def confusion_table(confusion: pd.DataFrame) -> str:
  """Returns what answers are, in percent."""
  columns = {
    "is_sum": "the sum",
    "is_product": "the product",
    "neither": "neither",
  }
  header = ("network", "mask of", "asked for", *columns.values())
  lines = [
    [
      escape(LABELS.name(row["regime"])),
      escape(row["subroutine"] or "(whole network)"),
      escape(row["test_task"]),
      *(points(row[f"{name}_mean"], row[f"{name}_sd"]) for name in columns),
    ]
    for _, row in confusion.iterrows()
  ]
  return markup.table(header, lines, css_class="small")


def sensitivity_table(by_beta: pd.DataFrame) -> str:
  """Returns accuracy and sharing at every penalty."""
  header = ("network", "beta", "control mask (%)", "sharing (%)", "networks")
  lines = [
    [
      escape(LABELS.name(row["regime"])),
      f"{row['beta']:g}",
      points(row["accuracy_mean"], row["accuracy_sd"]),
      points(row["of_first_mean"], row["of_first_sd"]),
      str(row["num_networks"]),
    ]
    for _, row in by_beta.iterrows()
  ]
  return markup.table(header, lines, css_class="small")


def remaining_table(evidence: Evidence) -> str:
  """Returns which part of the control mask the masks of parts have."""
  by_leaf, over_all = overlaps.remaining(evidence.overlaps, evidence.subtasks)
  if by_leaf.empty:
    return ""
  table = pd.concat([by_leaf, over_all.assign(leaf="all leaves")])
  table = table.assign(leaf=table["leaf"].map(curves.leaf_group))
  head = {"regime": "network", "leaf": "leaf"}
  return (
    _cells(table, ["regime", "leaf"], "subroutine", "remaining", head)
    + f"<p><small>{wording.REMAINING}</small></p>"
  )


def weight_table(densities: pd.DataFrame, subtasks: Sequence[str]) -> str:
  """Returns how many weights masks keep, and of two masks the ratio."""
  table = overlaps.weights(densities)
  if table.empty:
    return ""
  names = [
    one for one in (CONTROL, *subtasks) if one in set(table["subroutine"])
  ]
  is_pair = len(subtasks) == 2 and set(subtasks) <= set(names)
  header = ["network", "leaf", "weights", *(escape(name) for name in names)]
  if is_pair:
    header.append(f"{escape(subtasks[1])} / {escape(subtasks[0])}")
  lines = []
  keys = ["regime", "leaf", "size"]
  for (regime, leaf, size), group in table.groupby(keys, sort=False):
    kept = group.set_index("subroutine").reindex(names)
    cells = [
      f"{mean:,.0f}{_deviation(deviation)}"
      if not pd.isna(mean)
      else markup.DASH
      for mean, deviation in zip(
        kept["kept_mean"], kept["kept_sd"], strict=True
      )
    ]
    if is_pair:
      first, second = (kept["kept_mean"][name] for name in subtasks)
      cells.append(number(second / first if first else float("nan")))
    lines.append(
      [
        escape(LABELS.name(regime)),
        escape(curves.leaf_group(leaf)) or "<b>all leaves</b>",
        f"{size:,.0f}",
        *cells,
      ]
    )
  return (
    markup.table(header, lines, css_class="small")
    + f"<p><small>{wording.COUNTS}</small></p>"
  )


def _deviation(deviation: float) -> str:
  if pd.isna(deviation):
    return ""
  return f"\u00a0{markup.PLUS_MINUS}\u00a0{deviation:,.0f}"


def left_out_table(table: pd.DataFrame) -> str:
  """Returns all accuracies of networks and masks on all tests.

  Args:
    table: of `left_out.accuracy_table`.
  """
  words = table["subroutine"].map(lambda name: name or "(whole network)")
  head = {"regime": "network", "mask": "mask of"}
  return _cells(
    table.assign(mask=words), ["regime", "mask"], "test_task", "accuracy", head
  )


def output_table(table: pd.DataFrame) -> str:
  """Returns the share of every output's weights that masks have lost.

  Args:
    table: of `left_out.output_table`.
  """
  head = {"regime": "network", "subroutine": "mask of"}
  return _cells(table, ["regime", "subroutine"], "output", "lost", head)
