"""Figures of how things went: density per layer, learning curves."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from pandas.api.typing import SeriesGroupBy

from structcomp_jax.report import style

_FIRST, _SECOND, _THIRD = style.PALETTE[:3]
_AS_IT_IS = style.Labels()


@style.styled
def density_figure(
  densities: pd.DataFrame, *, labels: style.Labels = _AS_IT_IS
) -> Figure:
  """Draws the mean kept fraction of every masked leaf.

  Args:
    densities: rows of densities.csv of one experiment and model.
    labels: words for the regimes.
  """
  table = densities.assign(
    fraction=densities["kept"] / densities["size"],
    group=[leaf_group(leaf) for leaf in densities["leaf"]],
  )
  regimes = list(dict.fromkeys(table["regime"]))
  groups = list(dict.fromkeys(table["group"]))
  names = sorted(table["subroutine"].unique())
  colours = style.Labels().colours_of(names)
  shifts = np.linspace(-0.12, 0.12, len(names)) if len(names) > 1 else [-0.12]
  height = max(2.0, 0.24 * len(groups) + 0.8)
  # Long names of leaves stand left of the first panel.
  beside = 0.07 * max(max(map(len, groups)) - 20, 0)
  width = 4.2 + beside / len(regimes)
  figure, axes = style.panels(
    1, len(regimes), width=width, height=height, sharey=True
  )
  for axis, regime in zip(axes[0], regimes, strict=True):
    for place, name in enumerate(names):
      rows = table[(table["regime"] == regime) & (table["subroutine"] == name)]
      by_group = rows.groupby("group")["fraction"]
      axis.errorbar(
        by_group.mean().reindex(groups),
        np.arange(len(groups)) + shifts[place],
        xerr=by_group.std().reindex(groups).fillna(0.0),
        fmt=style.marker(place),
        color=colours[name],
        markersize=5,
        elinewidth=1,
        label=name,
      )
    axis.set(
      title=labels.name(regime),
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


@style.styled
def training_figure(
  training: pd.DataFrame,
  *,
  chance: float | None = None,
  labels: style.Labels = _AS_IT_IS,
  progress: str = "epoch",
) -> Figure:
  """Draws validation accuracy and loss of the base networks over time.

  Args:
    training: metrics of base networks with columns regime and base_seed.
    chance: accuracy of guessing, shown as a line.
    labels: words and colours for the regimes.
    progress: column of the x axis, `epoch` or `step`.
  """
  figure, axes = style.panels(1, 2, width=4.6, height=2.8)
  columns = {
    "validation/accuracy": "validation accuracy",
    "validation/loss": "validation loss",
  }
  colours = labels.colours_of(dict.fromkeys(training["regime"]))
  for axis, (column, label) in zip(axes[0], columns.items(), strict=True):
    for (regime, seed), rows in training.groupby(["regime", "base_seed"]):
      rows = rows.dropna(subset=[column])
      axis.plot(
        rows[progress],
        rows[column],
        color=colours[regime],
        marker=style.marker(seed),
        markevery=0.2,
        markersize=5,
        linewidth=1.2,
      )
    axis.set(xlabel=progress, ylabel=label)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    _from_zero(axis.set_ylim, training[column].max())
  axes[0][0].set_ylim(0, 1.04)
  _chance_line(axes[0][0], chance)
  style.legend(
    figure,
    {labels.name(regime): colour for regime, colour in colours.items()},
    sorted(training["base_seed"].unique()),
  )
  return figure


@style.styled
def search_figure(
  searches: pd.DataFrame,
  *,
  chance: float | None = None,
  labels: style.Labels = _AS_IT_IS,
  progress: str = "epoch",
) -> Figure:
  """Draws mask searches over time: soft and hard accuracy, and density.

  Lines are means over all candidates, bands reach from the 10th to the 90th
  percentile.

  Args:
    searches: metrics of searches with columns regime and subroutine.
    chance: accuracy of guessing, shown as a line.
    labels: words for the regimes.
    progress: column of the x axis, `epoch` or `step`.
  """
  names = sorted(searches["subroutine"].unique())
  regimes = list(dict.fromkeys(searches["regime"]))
  figure, axes = style.panels(
    len(regimes), 2 * len(names), width=3.1, height=2.4
  )
  for line, regime in enumerate(regimes):
    for column, name in enumerate(names):
      rows = searches[
        (searches["regime"] == regime) & (searches["subroutine"] == name)
      ]
      accuracy, density = axes[line][2 * column : 2 * column + 2]
      for axis, measure, colour, label in (
        (accuracy, "validation/soft/accuracy", _SECOND, "soft"),
        (accuracy, "validation/hard/accuracy", _FIRST, "hard"),
        (density, "density", _THIRD, "kept"),
      ):
        if not rows.empty and measure in rows:
          _band(axis, rows.groupby(progress)[measure], colour, label)
      _chance_line(accuracy, chance)
      accuracy.set(title=f"“{name}”: accuracy", ylim=(0, 1.04))
      density.set(title=f"“{name}”: kept")
      _from_zero(density.set_ylim, rows["density"].max())
      for axis in (accuracy, density):
        axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        if line == len(regimes) - 1:
          axis.set_xlabel(progress)
    axes[line][0].set_ylabel(labels.name(regime).replace(" (", "\n("))
  figure.legend(
    *axes[0][0].get_legend_handles_labels(),
    title="accuracy with a mask that is",
    loc="upper center",
    bbox_to_anchor=(0.5, 0.0),
    ncols=2,
  )
  return figure


def leaf_group(leaf: str) -> str:
  """Returns a short row label of a leaf: its path without `kernel`.

  >>> leaf_group("layer_0/dense/kernel")
  'layer_0 dense'
  """
  return leaf.removesuffix("/kernel").removesuffix("/weight").replace("/", " ")


def _chance_line(axis: Axes, chance: float | None) -> None:
  if chance is not None:
    axis.axhline(chance, color="#333333", linewidth=1, linestyle=":")


def _from_zero(set_limits: Callable[..., Any], largest: float) -> None:
  """Shows zero and all of the data, also where all is zero or missing."""
  top = largest if largest > 0 else 1.0
  set_limits(-0.03 * top, 1.06 * top)


def _band(axis: Axes, by_time: SeriesGroupBy, colour: str, label: str) -> None:
  mean, low, high = (
    by_time.mean(),
    by_time.quantile(0.1),
    by_time.quantile(0.9),
  )
  axis.plot(mean.index, mean, color=colour, label=label)
  axis.fill_between(mean.index, low, high, color=colour, alpha=0.2, linewidth=0)
