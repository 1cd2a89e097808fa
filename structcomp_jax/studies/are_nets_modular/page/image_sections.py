"""The parts of the page about networks that read pictures."""

from collections.abc import Iterator

import pandas as pd

from structcomp_jax.report import curves, markup
from structcomp_jax.report.markup import escape, number
from structcomp_jax.studies.are_nets_modular.findings import (
  accuracies,
  class_drops,
  overlaps,
  stability,
)
from structcomp_jax.studies.are_nets_modular.findings.evidence import Evidence
from structcomp_jax.studies.are_nets_modular.page import (
  image_figures,
  tables,
  wording,
)
from structcomp_jax.studies.are_nets_modular.page.shown import shown
from structcomp_jax.studies.are_nets_modular.regimes import LABELS

_OF_CLASSES = {
  overlaps.SAME: "the same classes",
  overlaps.DIFFERENT: "different classes",
}
_DROPS = {
  "target": "removed class (%)",
  "others": "largest other (%)",
  "ratio": "other / target (%)",
}


def class_removal_parts(evidence: Evidence) -> Iterator[str]:
  """Yields what is shown of masks that learned without a class."""
  yield shown(
    image_figures.removal_figure(evidence),
    "removal",
    _removal_table(class_drops.by_class(evidence)),
    "Drop of the removed class and of the largest other one",
  )
  changes = class_drops.confusion_differences(evidence.confusions)
  for regime in evidence.judged:
    yield shown(
      image_figures.confusion_change_figure(changes, regime, evidence.tests),
      "confusion_change",
      "",
      "Change of answers, class by class",
    )
  yield _statistics(evidence)
  if not evidence.gradients.empty:
    yield shown(
      image_figures.gradient_figure(evidence.gradients),
      "gradients",
      _gradient_table(evidence.gradients),
      "Cosine of gradients by the number of masked stages",
    )


def stability_parts(evidence: Evidence) -> Iterator[str]:
  """Yields what is shown of two masks of the same two classes."""
  values = stability.values(evidence)
  if values.empty or not (values["kind"] == overlaps.SAME).any():
    return
  yield shown(
    image_figures.stability_figure(values),
    "stability",
    _stability_table(evidence),
    "IoU of two masks",
  )


def _removal_table(table: pd.DataFrame) -> str:
  header = ("network", "removed", *_DROPS.values(), "networks")
  lines = [
    [
      escape(LABELS.name(row["regime"])),
      escape(row["removed"]) or "<b>mean of classes</b>",
      *_cells(row),
      str(row["num_networks"]),
    ]
    for _, row in table.iterrows()
  ]
  return markup.table(header, lines, css_class="small")


def _cells(row: pd.Series) -> list[str]:
  return [tables.points(row[f"{one}_mean"], row[f"{one}_sd"]) for one in _DROPS]


def _statistics(evidence: Evidence) -> str:
  """Returns what running and recalibrated statistics make of drops."""
  drops = class_drops.by_statistics(evidence)
  if drops.empty:
    return ""
  header = ("network", "statistics", "control mask (%)", *_DROPS.values())
  lines = [
    [
      escape(LABELS.name(row["regime"])),
      row["statistics"],
      tables.points(row["accuracy_mean"], row["accuracy_sd"]),
      *_cells(row),
    ]
    for _, row in drops.iterrows()
  ]
  table = markup.table(header, lines, css_class="small")
  return f"<p>{wording.STATISTICS}</p>{table}"


def _gradient_table(gradients: pd.DataFrame) -> str:
  table = accuracies.between_networks(
    gradients, ["regime", "mask", "leaf", "num_masked"], ["cosine"]
  )
  depths = sorted(table["num_masked"].unique())
  header = [
    "network",
    "mask",
    "leaf",
    *(f"{depth:g} masked" for depth in depths),
  ]
  lines = []
  for key, group in table.groupby(["regime", "mask", "leaf"], sort=False):
    regime, mask, leaf = key
    means = group.set_index("num_masked")["cosine_mean"].reindex(depths)
    lines.append(
      [
        escape(LABELS.name(regime)),
        escape(mask.replace("_matched", "")),
        escape(leaf) or "<b>all leaves</b>",
        *(number(one) for one in means),
      ]
    )
  return markup.table(header, lines, css_class="small")


def _stability_table(evidence: Evidence) -> str:
  """Returns IoU by leaf and over leaves, beside chance."""
  header = ("network", "two masks of", "leaf", "values", "IoU", "random")
  lines = [
    [
      escape(LABELS.name(row["regime"])),
      _OF_CLASSES[row["kind"]],
      escape(curves.leaf_group(row["leaf"])) or "<b>all leaves</b>",
      str(row["num_values"]),
      markup.spread(row["iou_mean"], row["iou_sd"]),
      number(row["random_iou"]),
    ]
    for _, row in stability.by_leaf(evidence).iterrows()
  ]
  return markup.table(header, lines, css_class="small")
