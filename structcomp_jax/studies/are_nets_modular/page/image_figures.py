"""Figures of networks that read pictures."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from structcomp_jax.report import bars, style
from structcomp_jax.studies.are_nets_modular.findings import (
  class_drops,
  overlaps,
)
from structcomp_jax.studies.are_nets_modular.findings.evidence import Evidence
from structcomp_jax.studies.are_nets_modular.images import removed_class
from structcomp_jax.studies.are_nets_modular.page import figures
from structcomp_jax.studies.are_nets_modular.regimes import LABELS

_TARGET, _OTHERS = "the removed class", "the largest other class"
_PANELS_IN_A_ROW = 5


@style.styled
def removal_figure(evidence: Evidence) -> Figure:
  """Draws what masks lose that have not seen a class, class by class."""
  regimes = evidence.masked_regimes
  classes = [removed_class(name) for name in evidence.subtasks]
  width = max(7.0, 1.05 * len(classes))
  figure, axes = style.panels(len(regimes), 1, width=width, height=2.6)
  colours = {_TARGET: style.PALETTE[0], _OTHERS: style.PALETTE[1]}
  columns = {_TARGET: "target", _OTHERS: "others"}
  for axis, regime in zip(axes[:, 0], regimes, strict=True):
    masks = class_drops.of_regime(evidence, regime)
    table = class_drops.removals(masks, evidence.tests)
    series = {
      name: [
        bars.by_network(table[table["removed"] == one], column)
        for one in classes
      ]
      for name, column in columns.items()
    }
    floor = class_drops.between_controls(masks, evidence.tests)
    marks = {_OTHERS: [float(floor.mean())] * len(classes)}
    bars.grouped(
      axis, [f"without\n{one}" for one in classes], series, colours, marks=marks
    )
    axis.set(title=LABELS.name(regime), ylabel="relative drop")
    axis.set_ylim(-0.15, 1.05)
  seeds = evidence.results["base_seed"].unique()
  lines = [figures.across("two control masks"), *figures.network_marks(seeds)]
  figures.legend(figure, colours, "drop of", lines)
  return figure


@style.styled
def confusion_change_figure(
  changes: pd.DataFrame, regime: str, classes: Sequence[str]
) -> Figure:
  """Draws how masks of subtasks change the answers of the control mask.

  Args:
    changes: of `class_drops.confusion_differences`.
    regime: of the networks.
    classes: in their order.
  """
  rows = changes[changes["regime"] == regime]
  subtasks = list(dict.fromkeys(rows["subroutine"]))
  lines = -(-len(subtasks) // _PANELS_IN_A_ROW)
  figure, axes = style.panels(lines, _PANELS_IN_A_ROW, width=2.3, height=2.1)
  image = None
  for axis, subtask in zip(axes.flat, subtasks, strict=False):
    table = rows[rows["subroutine"] == subtask].pivot(
      index="true", columns="predicted", values="change_mean"
    )
    table = table.reindex(index=classes, columns=classes)
    image = axis.imshow(
      100 * table.to_numpy(float), cmap="RdBu_r", vmin=-100, vmax=100
    )
    axis.set_title(f"without {removed_class(subtask)}", fontsize=9)
    axis.grid(visible=False)
    axis.set(xticks=[], yticks=[])
  for axis in axes.flat[len(subtasks) :]:
    axis.set_visible(False)
  for axis in axes[:, 0]:
    _name_classes(axis, classes)
  if image is not None:
    # Bars of colours do not fit into the layout of the other figures.
    figure.set_layout_engine("constrained")
    figure.colorbar(image, ax=axes, label="points", shrink=0.8)
  return figure


def _name_classes(axis: Axes, classes: Sequence[str]) -> None:
  axis.set_yticks(np.arange(len(classes)))
  axis.set_yticklabels(classes, fontsize=6)
  axis.set_ylabel("true class", fontsize=8)
  axis.set_xlabel("answer", fontsize=8)


@style.styled
def stability_figure(values: pd.DataFrame) -> Figure:
  """Draws the IoU of two masks, of the same classes and of different ones.

  Args:
    values: of `stability.values`.
  """
  regimes = list(dict.fromkeys(values["regime"]))
  figure, axes = style.panels(1, len(regimes), width=4.6, height=3.0)
  groups = {
    "two masks of\nthe same classes": (overlaps.SAME, "iou"),
    "two masks of\ndifferent classes": (overlaps.DIFFERENT, "iou"),
    "random masks\nof the same sizes": (overlaps.SAME, "random_iou"),
  }
  for axis, regime in zip(axes[0], regimes, strict=True):
    rows = values[values["regime"] == regime]
    for place, (kind, column) in enumerate(groups.values()):
      found = rows[rows["kind"] == kind]
      spread = np.linspace(-0.28, 0.28, max(len(found), 1))[: len(found)]
      axis.scatter(
        place + spread,
        found[column],
        s=7,
        color=style.PALETTE[place],
        alpha=0.5,
      )
      axis.hlines(
        found[column].mean(), place - 0.35, place + 0.35, color=bars.MARK
      )
    axis.set(title=LABELS.name(regime), ylabel="IoU", ylim=(-0.03, 1.05))
    axis.set_xticks(range(len(groups)), list(groups))
    axis.grid(axis="x", visible=False)
  return figure


@style.styled
def gradient_figure(gradients: pd.DataFrame) -> Figure:
  """Draws the cosine of gradients against how many stages are masked.

  Args:
    gradients: rows of gradients.csv of one penalty.
  """
  pooled = gradients[gradients["leaf"] == ""]
  regimes = list(dict.fromkeys(pooled["regime"]))
  figure, axes = style.panels(1, len(regimes), width=4.6, height=2.8)
  kinds = {"learned": style.PALETTE[0], "random_matched": style.GREY}
  for axis, regime in zip(axes[0], regimes, strict=True):
    for kind, colour in kinds.items():
      rows = pooled[(pooled["regime"] == regime) & (pooled["mask"] == kind)]
      by_seed = rows.pivot_table(
        index="num_masked", columns="base_seed", values="cosine"
      )
      axis.plot(by_seed.index, by_seed, color=colour, lw=0.8, alpha=0.5)
      axis.plot(by_seed.index, by_seed.mean(axis=1), color=colour, lw=2)
    axis.set(
      title=LABELS.name(regime),
      xlabel="stages masked, from the output down",
      ylabel="cosine",
      ylim=(-1.05, 1.05),
    )
  names = {"learned": "learned mask", "random_matched": "random mask"}
  handles = [
    Line2D([], [], color=colour, label=names[kind])
    for kind, colour in kinds.items()
  ]
  figure.legend(
    handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2
  )
  return figure
