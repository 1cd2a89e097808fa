"""Figures of what masks share."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from structcomp_jax.report import bars, curves, style
from structcomp_jax.structure import overlap
from structcomp_jax.studies.are_nets_modular.findings import (
  overlaps,
  reuse_score,
)
from structcomp_jax.studies.are_nets_modular.page import figures
from structcomp_jax.studies.are_nets_modular.regimes import LABELS

_CEILING = "#AA3377"


@style.styled
def overlap_figure(rows: pd.DataFrame) -> Figure:
  """Draws what the masks of different subtasks share, leaf by leaf.

  Args:
    rows: of `overlaps.of_subtasks`.
  """
  table = overlap.with_shares(rows)
  leaves = list(dict.fromkeys(table["leaf"]))
  regimes = list(dict.fromkeys(table["regime"]))
  width = max(6.0, 1.3 * len(leaves))
  figure, axes = style.panels(len(regimes), 1, width=width, height=2.5)
  colours = {"IoU": style.PALETTE[0], "IoMin": style.PALETTE[5]}
  columns = {"IoU": "iou", "IoMin": "iomin"}
  for axis, regime in zip(axes[:, 0], regimes, strict=True):
    of_regime = table[table["regime"] == regime]
    kinds = {
      kind: [
        of_regime[(of_regime["kind"] == kind) & (of_regime["leaf"] == leaf)]
        for leaf in leaves
      ]
      for kind in (overlaps.DIFFERENT, overlaps.SAME)
    }
    series = {
      name: [
        bars.by_network(part, column) for part in kinds[overlaps.DIFFERENT]
      ]
      for name, column in columns.items()
    }
    marks = {
      name: [
        float(part[f"random_{column}"].mean())
        for part in kinds[overlaps.DIFFERENT]
      ]
      for name, column in columns.items()
    }
    bars.grouped(
      axis,
      [curves.leaf_group(leaf).replace(" ", "\n") for leaf in leaves],
      series,
      colours,
      marks=marks,
    )
    for shift, column in ((-0.2, "iou"), (0.2, "iomin")):
      axis.scatter(
        np.arange(len(leaves)) + shift,
        [part[column].mean() for part in kinds[overlaps.SAME]],
        marker="D",
        s=34,
        facecolor="none",
        edgecolor=_CEILING,
        linewidth=1.5,
        zorder=6,
      )
    axis.set(title=LABELS.name(regime), ylabel="overlap", ylim=(-0.03, 1.05))
  ceiling = Line2D(
    [],
    [],
    color=_CEILING,
    marker="D",
    markerfacecolor="none",
    linestyle="",
    label="two masks of the same subtask",
  )
  lines = [figures.across("random masks of the same sizes"), ceiling]
  figures.legend(figure, colours, "masks of different subtasks", lines)
  return figure


@style.styled
def score_figure(scores: pd.DataFrame) -> Figure:
  """Draws the reuse score of every network.

  Args:
    scores: of `reuse_score.scores`, with at least one score.
  """
  regimes = list(dict.fromkeys(scores["regime"]))
  colours = LABELS.colours_of(regimes)
  height = 1.0 + 0.5 * len(regimes)
  figure, axes = style.panels(1, 1, width=8.5, height=height)
  axis = axes[0][0]
  for place, regime in enumerate(regimes):
    rows = scores[scores["regime"] == regime]
    for _, row in rows.dropna(subset=["score"]).iterrows():
      axis.scatter(
        row["score"],
        place,
        marker=style.marker(row["base_seed"]),
        color=colours[regime],
        edgecolor="white",
        s=60,
        zorder=3,
      )
    axis.vlines(rows["score"].mean(), place - 0.25, place + 0.25, color="black")
  axis.axvspan(-9, reuse_score.LOW, color="#F6F2EA", zorder=0)
  axis.axvspan(reuse_score.HIGH, 9, color="#E8F3EC", zorder=0)
  for value in (0, 1):
    axis.axvline(value, color="#555555", linestyle=":", linewidth=1.2)
  found = scores["score"].dropna()
  axis.set(
    xlim=(min(-0.1, found.min() - 0.05), max(1.1, found.max() + 0.05)),
    ylim=(len(regimes) - 0.5, -0.5),
    yticks=np.arange(len(regimes)),
    xlabel="reuse score: 0 = random masks, 1 = two masks of the same subtask",
  )
  axis.set_yticklabels([LABELS.name(regime) for regime in regimes])
  axis.grid(axis="y", visible=False)
  return figure


@style.styled
def sensitivity_figure(by_beta: pd.DataFrame, first: str) -> Figure:
  """Draws what the penalty changes: accuracy, and sharing.

  Args:
    by_beta: `regime`, `beta`, `accuracy_mean`, `accuracy_sd`, and of the
      sharing of the first subtask `of_first_mean`, `of_first_sd`.
    first: name of that subtask.
  """
  figure, axes = style.panels(1, 2, width=4.8, height=2.8)
  colours = LABELS.colours_of(dict.fromkeys(by_beta["regime"]))
  measures = {
    "accuracy": "accuracy of the control mask",
    "of_first": f"share of {first}'s weights\nthat the other mask has",
  }
  for axis, (column, words) in zip(axes[0], measures.items(), strict=True):
    for regime, rows in by_beta.groupby("regime", sort=False):
      rows = rows.sort_values("beta")
      axis.errorbar(
        rows["beta"],
        rows[f"{column}_mean"],
        yerr=rows[f"{column}_sd"].fillna(0.0),
        color=colours[regime],
        marker="o",
        markersize=4,
        elinewidth=1,
      )
    axis.set(xlabel="weight of the penalty, beta", ylabel=words)
    axis.set_xscale("log")
    axis.set_ylim(-0.03, 1.05)
  figures.legend(
    figure,
    {LABELS.name(regime): colour for regime, colour in colours.items()},
    "",
    [],
  )
  return figure
