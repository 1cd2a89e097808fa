"""Style and main figures of the report.

This module, `profiles` and `overview` are the only places that draw. Every
function returns a Matplotlib `Figure` and touches no global state.
Colour is the kind of network (Okabe-Ito palette, safe for colour-blind
readers), marker shape is the base network, so that no reading depends on
colour alone.
"""

import contextlib
import functools
import io
from collections.abc import Callable
from typing import Any, ParamSpec

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from structcomp_jax.studies.break_it_down.findings import published
from structcomp_jax.studies.break_it_down.findings.task_difference import CHANCE

REGIME_NAMES = {
  "scratch": "trained from scratch",
  "lm_pretrained": "pretrained, then trained",
  "simclr": "SimCLR, then trained",
  "pruned": "trained, then pruned",
  "random_init": "never trained (control)",
}
REGIME_COLOURS = {
  "scratch": "#0072B2",
  "lm_pretrained": "#D55E00",
  "simclr": "#CC79A7",
  "pruned": "#009E73",
  "random_init": "#8C8C8C",
}
MARKERS = "os^DvPX*"
_SPARE_COLOURS = ("#56B4E9", "#F0E442", "#332288", "#882255")
_PREDICTED = "#E8F3EC"
_Arguments = ParamSpec("_Arguments")
_STYLE: dict[Any, Any] = {
  "font.size": 10,
  "font.family": "DejaVu Sans",
  "axes.spines.top": False,
  "axes.spines.right": False,
  "axes.titlesize": 11,
  "axes.titleweight": "bold",
  "axes.titlelocation": "left",
  "axes.edgecolor": "#666666",
  "axes.grid": True,
  "axes.axisbelow": True,
  "grid.color": "#E6E6E6",
  "legend.frameon": False,
  "svg.fonttype": "none",
  # Equal data give equal bytes.
  "svg.hashsalt": "structcomp_jax",
}


def styled(draw: Callable[_Arguments, Figure]) -> Callable[_Arguments, Figure]:
  """Runs a drawing function under the common style."""

  @functools.wraps(draw)
  def run(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Figure:
    with matplotlib.rc_context(_STYLE):
      return draw(*args, **kwargs)

  return run


def svg(figure: Figure) -> str:
  """Returns a figure as an SVG element without XML header or date."""
  buffer = io.StringIO()
  with matplotlib.rc_context(_STYLE):
    figure.savefig(
      buffer, format="svg", metadata={"Date": None}, bbox_inches="tight"
    )
  text = buffer.getvalue()
  return text[text.index("<svg") :]


def png(figure: Figure) -> bytes:
  """Returns a figure as a PNG file, 150 dots per inch, on white."""
  buffer = io.BytesIO()
  with matplotlib.rc_context(_STYLE):
    figure.savefig(
      buffer,
      format="png",
      dpi=150,
      metadata={"Software": None},
      bbox_inches="tight",
    )
  return buffer.getvalue()


def regime_colour(regime: str) -> str:
  """Returns the colour of a regime, also of one this file does not know."""
  spare = _SPARE_COLOURS[sum(map(ord, regime)) % len(_SPARE_COLOURS)]
  return REGIME_COLOURS.get(regime, spare)


def regime_name(regime: str) -> str:
  """Returns a regime in words."""
  return REGIME_NAMES.get(regime, regime)


@styled
def task_difference_figure(differences: pd.DataFrame) -> Figure:
  """Draws D_sub and D_abl of every search, regimes side by side.

  Args:
    differences: table of `task_differences` of one experiment and model.
  """
  names = sorted(differences["subroutine"].unique())
  regimes = list(dict.fromkeys(differences["regime"]))
  figure, axes = panels(1, len(names), width=4.6, height=4.2, sharey=True)
  for axis, name in zip(axes[0], names, strict=True):
    _predicted_side(axis)
    rows = differences[differences["subroutine"] == name]
    for column, measure in enumerate(("d_sub", "d_abl")):
      for regime in regimes:
        place = column + _offset(regimes.index(regime), len(regimes))
        _points(axis, place, rows[rows["regime"] == regime], measure)
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
  legend(figure, regimes, differences, published_mark=True)
  return figure


@styled
def accuracy_figure(differences: pd.DataFrame) -> Figure:
  """Draws the absolute accuracies on both single-cue tests.

  Args:
    differences: table of `task_differences` of one experiment and model.
  """
  names = sorted(differences["subroutine"].unique())
  regimes = list(dict.fromkeys(differences["regime"]))
  figure, axes = panels(2, len(names), width=4.6, height=2.9, sharey=True)
  conditions = {"subnetwork": "kept alone", "ablated": "removed"}
  for line, (condition, words) in enumerate(conditions.items()):
    for axis, name in zip(axes[line], names, strict=True):
      rows = differences[differences["subroutine"] == name]
      for column, test in enumerate(("target", "other")):
        for regime in regimes:
          place = column + _offset(regimes.index(regime), len(regimes))
          of_regime = rows[rows["regime"] == regime]
          _points(axis, place, of_regime, f"{condition}_{test}")
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
  legend(figure, regimes, differences, published_mark=False)
  return figure


def panels(
  lines: int, columns: int, *, width: float, height: float, **kwargs: Any
) -> tuple[Figure, Any]:
  """Returns a figure and its axes [lines][columns]; sizes are per panel."""
  figure = Figure(figsize=(width * columns, height * lines), layout="tight")
  return figure, figure.subplots(lines, columns, squeeze=False, **kwargs)


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


def marker(seed: Any) -> str:
  """Returns the marker of a base seed."""
  with contextlib.suppress(ValueError, TypeError):
    return MARKERS[int(seed) % len(MARKERS)]
  return MARKERS[0]


def _points(axis: Axes, place: float, rows: pd.DataFrame, column: str) -> None:
  """Draws one point per search and a bar at the mean of working networks."""
  if rows.empty:
    return
  regime = rows["regime"].iloc[0]
  seeds = list(dict.fromkeys(rows["base_seed"]))
  for index, seed in enumerate(seeds):
    of_base = rows[rows["base_seed"] == seed]
    failed = bool(of_base["base_failed"].any())
    shift = 0.0 if len(seeds) == 1 else 0.16 * (index / (len(seeds) - 1) - 0.5)
    spread = np.linspace(-0.015, 0.015, len(of_base))
    axis.scatter(
      place + shift + spread,
      of_base[column],
      marker=marker(seed),
      s=34,
      facecolor="none" if failed else regime_colour(regime),
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
  first = rows.iloc[0]
  row = published.lookup(
    first["experiment"], regime, first["subroutine"], first["model"]
  )
  if row is not None:
    axis.hlines(
      row[f"{measure}_mean"],
      place - 0.16,
      place + 0.16,
      color="#AA3377",
      linewidth=1.4,
      linestyle=(0, (2, 1.2)),
      zorder=4,
    )


def legend(
  figure: Figure,
  regimes: list[str],
  rows: pd.DataFrame,
  published_mark: bool,
) -> None:
  """Adds one legend under the panels: colours, markers, lines."""
  handles = [
    Line2D(
      [],
      [],
      color=regime_colour(regime),
      marker="o",
      linestyle="",
      label=regime_name(regime),
    )
    for regime in regimes
  ]
  for seed in sorted(rows["base_seed"].unique()):
    handles.append(
      Line2D(
        [],
        [],
        color="#444444",
        marker=marker(seed),
        linestyle="",
        markerfacecolor="none",
        label=f"base seed {seed}",
      )
    )
  if "d_sub" in rows:
    handles.append(Line2D([], [], color="black", label="our mean"))
  if published_mark:
    handles.append(
      Line2D(
        [],
        [],
        color="#AA3377",
        linestyle=(0, (2, 1.2)),
        label="published mean",
      )
    )
  figure.legend(
    handles=handles,
    loc="upper center",
    bbox_to_anchor=(0.5, 0.0),
    ncols=4,
    fontsize=9,
  )
