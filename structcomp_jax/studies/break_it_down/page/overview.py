"""The one figure that explains the method, with numbers of a real run."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from structcomp_jax.report import style
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  CHANCE,
  usable,
)

_LAYERS = (4, 4, 4)
_KEPT, _REMOVED, _PLAIN = "#0072B2", "#E69F00", "#777777"


@style.styled
def overview_figure(differences: pd.DataFrame, subroutine: str) -> Figure:
  """Draws dense network, mask, both halves, and what each half can do.

  Args:
    differences: table of `task_differences` of one experiment, model and
      (trained) regime.
    subroutine: whose masks to show.
  """
  rows = usable(differences)
  other = next(
    (one for one in sorted(rows["subroutine"].unique()) if one != subroutine),
    "other",
  )
  rows = rows[rows["subroutine"] == subroutine]
  figure = Figure(figsize=(10.5, 4.4))
  kept = _mask()
  everything = np.ones_like(kept)
  dense = figure.add_axes((0.0, 0.27, 0.2, 0.44))
  _network(dense, everything, _PLAIN, "trained network\n(frozen)")
  upper = figure.add_axes((0.39, 0.54, 0.19, 0.38))
  _network(upper, kept, _KEPT, "subnetwork (mask kept)")
  lower = figure.add_axes((0.39, 0.04, 0.19, 0.38))
  _network(lower, ~kept, _REMOVED, "ablated network (mask removed)")
  _arrow(figure, (0.2, 0.52), (0.385, 0.74))
  _arrow(figure, (0.2, 0.44), (0.385, 0.22))
  figure.text(
    0.285,
    0.485,
    f"learned mask\nfor “{subroutine}”\nkeeps {rows['density'].mean():.0%}",
    ha="center",
    va="center",
    fontsize=10,
    weight="bold",
  )
  tests = (f"{subroutine} test", f"{other} test")
  for height, condition, colour in (
    (0.6, "subnetwork", _KEPT),
    (0.1, "ablated", _REMOVED),
  ):
    _arrow(figure, (0.585, height + 0.14), (0.645, height + 0.14))
    bars = figure.add_axes((0.74, height, 0.23, 0.27))
    _bars(bars, rows, condition, tests, colour)
  return figure


def _mask() -> np.ndarray:
  """Returns a fixed pattern of kept edges, bool[layers - 1, in, out]."""
  shape = (len(_LAYERS) - 1, _LAYERS[0], _LAYERS[1])
  return np.random.default_rng(7).random(shape) < 0.35


def _network(axis: Axes, kept: np.ndarray, colour: str, title: str) -> None:
  """Draws layers of units; edges that are not kept are faint."""
  for layer, matrix in enumerate(kept):
    for (start, end), present in np.ndenumerate(matrix):
      axis.plot(
        [layer, layer + 1],
        [start, end],
        color=colour if present else "#E4E4E4",
        linewidth=1.3 if present else 0.6,
        zorder=2 if present else 1,
      )
  for layer, count in enumerate(_LAYERS):
    axis.scatter(
      [layer] * count,
      range(count),
      s=70,
      facecolor="white",
      edgecolor="#444444",
      zorder=3,
    )
  axis.set(xlim=(-0.3, len(_LAYERS) - 0.7), ylim=(-0.6, _LAYERS[0] - 0.4))
  axis.set_title(title, loc="center", fontsize=10)
  axis.set_axis_off()


def _bars(
  axis: Axes,
  rows: pd.DataFrame,
  condition: str,
  tests: tuple[str, ...],
  colour: str,
) -> None:
  columns = [f"{condition}_target", f"{condition}_other"]
  means = [rows[column].mean() for column in columns]
  errors = [np.nan_to_num(rows[column].std()) for column in columns]
  axis.barh(
    tests,
    means,
    xerr=errors,
    color=[colour, "#CFCFCF"],
    height=0.6,
    error_kw={"elinewidth": 1, "ecolor": "#444444"},
  )
  axis.axvline(CHANCE, color="#333333", linestyle=":", linewidth=1)
  for place, mean in enumerate(means):
    axis.text(
      0.02,
      place,
      f"{mean:.2f}",
      color="white" if place == 0 and colour == _KEPT else "black",
      va="center",
      fontsize=9,
      weight="bold",
    )
  axis.set(xlim=(0, 1.08), xticks=[0, CHANCE, 0.5, 1])
  axis.set_xticklabels(["0", "chance", "0.5", "1"], fontsize=8)
  axis.invert_yaxis()
  axis.grid(axis="y", visible=False)
  axis.set_title("accuracy", loc="left", fontsize=9, weight="normal")


def _arrow(
  figure: Figure, start: tuple[float, float], end: tuple[float, float]
) -> None:
  figure.add_artist(
    FancyArrowPatch(
      start,
      end,
      transform=figure.transFigure,
      arrowstyle="-|>",
      mutation_scale=14,
      color="#444444",
    )
  )
