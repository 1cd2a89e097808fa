"""Figures of how things went: density per layer, learning curves."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from structcomp_jax.studies.break_it_down.findings.task_difference import CHANCE
from structcomp_jax.studies.break_it_down.page import figures

_FIRST, _SECOND, _THIRD = "#0072B2", "#E69F00", "#009E73"


@figures.styled
def density_figure(densities: pd.DataFrame) -> Figure:
  """Draws the mean kept fraction of every masked leaf.

  Args:
    densities: rows of densities.csv of one experiment and model.
  """
  table = densities.assign(
    fraction=densities["kept"] / densities["size"],
    group=[leaf_group(leaf) for leaf in densities["leaf"]],
  )
  regimes = list(dict.fromkeys(table["regime"]))
  groups = list(dict.fromkeys(table["group"]))
  names = sorted(table["subroutine"].unique())
  height = max(2.0, 0.24 * len(groups) + 0.8)
  figure, axes = figures.panels(
    1, len(regimes), width=4.2, height=height, sharey=True
  )
  for axis, regime in zip(axes[0], regimes, strict=True):
    for name, colour in zip(names, (_FIRST, _SECOND), strict=False):
      rows = table[(table["regime"] == regime) & (table["subroutine"] == name)]
      by_group = rows.groupby("group")["fraction"]
      means = by_group.mean().reindex(groups)
      spread = by_group.std().reindex(groups).fillna(0.0)
      shift = -0.12 if name == names[0] else 0.12
      axis.errorbar(
        means,
        np.arange(len(groups)) + shift,
        xerr=spread,
        fmt="o" if name == names[0] else "s",
        color=colour,
        markersize=5,
        elinewidth=1,
        label=name,
      )
    axis.set(
      title=figures.regime_name(regime),
      xlabel="fraction of weights kept",
      yticks=np.arange(len(groups)),
      ylim=(len(groups) - 0.5, -0.5),
    )
    axis.set_yticklabels(groups)
    _from_zero(axis.set_xlim, table["fraction"].max())
  axes[0][-1].legend(
    title="mask for", loc="upper left", bbox_to_anchor=(1.02, 1.0)
  )
  return figure


@figures.styled
def training_figure(training: pd.DataFrame) -> Figure:
  """Draws validation accuracy and loss of the base networks by epoch."""
  figure, axes = figures.panels(1, 2, width=4.6, height=2.8)
  columns = {
    "validation/accuracy": "validation accuracy",
    "validation/loss": "validation loss",
  }
  for axis, (column, label) in zip(axes[0], columns.items(), strict=True):
    for (regime, seed), rows in training.groupby(["regime", "base_seed"]):
      rows = rows.dropna(subset=[column])
      axis.plot(
        rows["epoch"],
        rows[column],
        color=figures.regime_colour(regime),
        marker=figures.marker(seed),
        markevery=0.2,
        markersize=5,
        linewidth=1.2,
      )
    axis.set(xlabel="epoch", ylabel=label)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    _from_zero(axis.set_ylim, training[column].max())
  axes[0][0].set_ylim(0, 1.04)
  axes[0][0].axhline(CHANCE, color="#333333", linewidth=1, linestyle=":")
  figures.legend(
    figure, list(dict.fromkeys(training["regime"])), training, False
  )
  return figure


@figures.styled
def search_figure(searches: pd.DataFrame) -> Figure:
  """Draws mask searches: soft and hard accuracy, and density, by epoch.

  Lines are means over all candidates, bands reach from the 10th to the 90th
  percentile.
  """
  names = sorted(searches["subroutine"].unique())
  regimes = list(dict.fromkeys(searches["regime"]))
  figure, axes = figures.panels(
    len(regimes), 2 * len(names), width=3.1, height=2.4
  )
  for line, regime in enumerate(regimes):
    for column, name in enumerate(names):
      rows = searches[
        (searches["regime"] == regime) & (searches["subroutine"] == name)
      ]
      accuracy, density = axes[line][2 * column : 2 * column + 2]
      _band(accuracy, rows, "validation/soft/accuracy", _SECOND, "soft")
      _band(accuracy, rows, "validation/hard/accuracy", _FIRST, "hard")
      accuracy.axhline(CHANCE, color="#333333", linewidth=1, linestyle=":")
      _band(density, rows, "density", _THIRD, "kept")
      accuracy.set(title=f"“{name}”: accuracy", ylim=(0, 1.04))
      density.set(title=f"“{name}”: kept")
      _from_zero(density.set_ylim, rows["density"].max())
      accuracy.xaxis.set_major_locator(MaxNLocator(4, integer=True))
      density.xaxis.set_major_locator(MaxNLocator(4, integer=True))
      if line == len(regimes) - 1:
        accuracy.set_xlabel("epoch")
        density.set_xlabel("epoch")
    axes[line][0].set_ylabel(figures.regime_name(regime).replace(" (", "\n("))
  figure.legend(
    *axes[0][0].get_legend_handles_labels(),
    title="accuracy with a mask that is",
    loc="upper center",
    bbox_to_anchor=(0.5, 0.0),
    ncols=2,
  )
  return figure


def leaf_group(leaf: str) -> str:
  """Returns a short row label of a leaf: its path without `kernel`."""
  return leaf.removesuffix("/kernel").removesuffix("/weight").replace("/", " ")


def _from_zero(set_limits: Callable[..., Any], largest: float) -> None:
  """Shows zero and all of the data, also where all is zero or missing."""
  top = largest if largest > 0 else 1.0
  set_limits(-0.03 * top, 1.06 * top)


def _band(
  axis: Axes, rows: pd.DataFrame, column: str, colour: str, label: str
) -> None:
  if rows.empty or column not in rows:
    return
  by_epoch = rows.groupby("epoch")[column]
  mean, low, high = (
    by_epoch.mean(),
    by_epoch.quantile(0.1),
    by_epoch.quantile(0.9),
  )
  axis.plot(mean.index, mean, color=colour, label=label)
  axis.fill_between(mean.index, low, high, color=colour, alpha=0.2, linewidth=0)
