"""The main figures: task differences and the accuracies behind them."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from structcomp_jax.report import style
from structcomp_jax.studies.break_it_down.findings import published
from structcomp_jax.studies.break_it_down.findings.task_difference import CHANCE
from structcomp_jax.studies.break_it_down.regimes import LABELS

_PREDICTED = "#E8F3EC"
_PUBLISHED: dict[str, Any] = {"color": "#AA3377", "linestyle": (0, (2, 1.2))}


@style.styled
def task_difference_figure(differences: pd.DataFrame) -> Figure:
  """Draws D_sub and D_abl of every search, regimes side by side.

  Args:
    differences: table of `task_differences` of one experiment and model.
  """
  names = sorted(differences["subroutine"].unique())
  colours = LABELS.colours_of(dict.fromkeys(differences["regime"]))
  figure, axes = style.panels(1, len(names), width=4.6, height=4.2, sharey=True)
  for axis, name in zip(axes[0], names, strict=True):
    _predicted_side(axis)
    rows = differences[differences["subroutine"] == name]
    for column, measure in enumerate(("d_sub", "d_abl")):
      for index, (regime, colour) in enumerate(colours.items()):
        place = column + _offset(index, len(colours))
        of_regime = rows[rows["regime"] == regime]
        _points(axis, place, of_regime, measure, colour)
        _published_mark(axis, place, rows, regime, measure)
    axis.axhline(0, color="#333333", linewidth=1)
    axis.set(
      title=f"masks for “{name}”",
      xticks=[0, 1],
      xlim=(-0.5, 1.5),
      ylim=(-0.85, 0.85),
    )
    axis.set_xticklabels(
      ["subnetwork kept alone\n(D_sub)", "subnetwork removed\n(D_abl)"]
    )
    axis.grid(axis="x", visible=False)
  axes[0][0].set_ylabel("own test minus other test\n(accuracy)")
  _legend(figure, colours, differences, published_mark=True)
  return figure


@style.styled
def accuracy_figure(differences: pd.DataFrame) -> Figure:
  """Draws the absolute accuracies on both single-cue tests.

  Args:
    differences: table of `task_differences` of one experiment and model.
  """
  names = sorted(differences["subroutine"].unique())
  colours = LABELS.colours_of(dict.fromkeys(differences["regime"]))
  figure, axes = style.panels(2, len(names), width=4.6, height=2.9, sharey=True)
  conditions = {"subnetwork": "kept alone", "ablated": "removed"}
  for line, (condition, words) in enumerate(conditions.items()):
    for axis, name in zip(axes[line], names, strict=True):
      rows = differences[differences["subroutine"] == name]
      for column, test in enumerate(("target", "other")):
        for index, (regime, colour) in enumerate(colours.items()):
          place = column + _offset(index, len(colours))
          of_regime = rows[rows["regime"] == regime]
          _points(axis, place, of_regime, f"{condition}_{test}", colour)
      axis.axhline(CHANCE, color="#333333", linewidth=1, linestyle=":")
      axis.text(0.5, CHANCE - 0.02, "chance", ha="center", va="top", fontsize=8)
      axis.set(
        title=f"“{name}” subnetwork {words}",
        xticks=[0, 1],
        xlim=(-0.5, 1.5),
        ylim=(-0.03, 1.06),
      )
      other = next((one for one in names if one != name), "other")
      axis.set_xticklabels([f"{name} test", f"{other} test"])
      axis.grid(axis="x", visible=False)
    axes[line][0].set_ylabel("accuracy")
  _legend(figure, colours, differences, published_mark=False)
  return figure


def _predicted_side(axis: Axes) -> None:
  """Shades where a modular network must lie."""
  for column, sign in ((0, 1), (1, -1)):
    axis.fill_between(
      [column - 0.48, column + 0.48], 0, sign * 0.83, color=_PREDICTED, zorder=0
    )
    axis.text(
      column - 0.46,
      sign * 0.03,
      "modular \u2191" if sign > 0 else "modular \u2193",
      va="bottom" if sign > 0 else "top",
      fontsize=8,
      color="#3B7A57",
    )


def _offset(index: int, count: int) -> float:
  return 0.0 if count == 1 else -0.28 + 0.56 * index / (count - 1)


def _points(
  axis: Axes, place: float, rows: pd.DataFrame, column: str, colour: str
) -> None:
  """Draws one point per search and a bar at the mean of working networks."""
  if rows.empty:
    return
  seeds = list(dict.fromkeys(rows["base_seed"]))
  for index, seed in enumerate(seeds):
    of_base = rows[rows["base_seed"] == seed]
    failed = bool(of_base["base_failed"].any())
    shift = 0.0 if len(seeds) == 1 else 0.16 * (index / (len(seeds) - 1) - 0.5)
    spread = np.linspace(-0.015, 0.015, len(of_base))
    axis.scatter(
      place + shift + spread,
      of_base[column],
      marker=style.marker(seed),
      s=34,
      facecolor="none" if failed else colour,
      edgecolor="#555555" if failed else "white",
      linewidth=0.6,
      alpha=0.9,
      zorder=3,
    )
  mean = rows[~rows["base_failed"]][column].mean()
  axis.hlines(mean, place - 0.13, place + 0.13, color="black", zorder=4)


def _published_mark(
  axis: Axes, place: float, rows: pd.DataFrame, regime: str, measure: str
) -> None:
  """Draws the published mean of the same kind of networks and masks."""
  first = rows.iloc[0]
  row = published.lookup(
    first["experiment"], regime, first["subroutine"], first["model"]
  )
  if row is not None:
    axis.hlines(
      row[f"{measure}_mean"],
      place - 0.16,
      place + 0.16,
      linewidth=1.4,
      zorder=4,
      **_PUBLISHED,
    )


def _legend(
  figure: Figure,
  colours: dict[str, str],
  rows: pd.DataFrame,
  *,
  published_mark: bool,
) -> None:
  lines = [Line2D([], [], color="black", label="our mean")]
  if published_mark:
    lines.append(Line2D([], [], label="published mean", **_PUBLISHED))
  style.legend(
    figure,
    {LABELS.name(regime): colour for regime, colour in colours.items()},
    sorted(rows["base_seed"].unique()),
    lines,
  )
