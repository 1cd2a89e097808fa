"""Grouped bars whose observations can be seen."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from structcomp_jax.report import style

# {base seed: number}
Observed = Mapping[int, float]
_WIDTH = 0.8
MARK = "#222222"


def by_network(rows: pd.DataFrame, column: str) -> dict[int, float]:
  """Returns {base seed: mean}, without what is missing."""
  means = rows.groupby("base_seed")[column].mean().dropna()
  return {int(seed): float(mean) for seed, mean in means.items()}


def grouped(
  axis: Axes,
  groups: Sequence[str],
  series: Mapping[str, Sequence[Observed]],
  colours: Mapping[str, str],
  *,
  marks: Mapping[str, Sequence[float]] | None = None,
) -> None:
  """Draws a bar at every mean, and a point for every base network.

  Args:
    axis: where to draw.
    groups: labels on the x axis.
    series: {name: what was observed in every group}; nothing is no bar.
    colours: {name of a series: colour}.
    marks: {name of a series: a number per group}, drawn as a line across the
      bar; NaN is no line.
  """
  width = _WIDTH / max(len(series), 1)
  for index, (name, observed) in enumerate(series.items()):
    shift = (index + 0.5) * width - _WIDTH / 2
    for place, values in enumerate(observed):
      if values:
        _bar(axis, place + shift, width, values, colours[name])
    for place, mark in enumerate((marks or {}).get(name, ())):
      if not np.isnan(mark):
        left, right = place + shift - width / 2, place + shift + width / 2
        axis.hlines(mark, left, right, color=MARK, linewidth=1.8, zorder=4)
  axis.set_xticks(np.arange(len(groups)))
  axis.set_xticklabels(groups)
  axis.set_xlim(-0.6, len(groups) - 0.4)
  axis.grid(axis="x", visible=False)


def _bar(
  axis: Axes, place: float, width: float, values: Observed, colour: str
) -> None:
  mean = float(np.mean(list(values.values())))
  axis.bar(place, mean, 0.92 * width, color=colour, alpha=0.75, zorder=2)
  spread = np.linspace(-0.25, 0.25, len(values)) if len(values) > 1 else [0.0]
  for seed, shift in zip(values, spread, strict=True):
    axis.scatter(
      place + shift * width,
      values[seed],
      marker=style.marker(seed),
      s=16,
      facecolor="white",
      edgecolor="#333333",
      linewidth=0.7,
      zorder=5,
    )
