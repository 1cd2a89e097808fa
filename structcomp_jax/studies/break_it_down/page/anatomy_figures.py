"""Figures of what belongs to one subroutine: attention heads and neurons."""

import textwrap
from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from structcomp_jax.report import curves, style
from structcomp_jax.structure import anatomy, overlap
from structcomp_jax.studies.break_it_down.findings import places
from structcomp_jax.studies.break_it_down.regimes import LABELS

# {column with the name of a side: its colour}
_COLOURS = {"first": style.PALETTE[0], "second": style.PALETTE[3]}
_SIDES = LinearSegmentedColormap.from_list(
  "sides", [_COLOURS["second"], "white", _COLOURS["first"]]
)
_ORDER = (places.MASKS, places.REPEATED, places.CUT, places.NONSENSE)
# Differences of shares up to here are drawn in full colour, so that noise of
# a percent or two stays pale.
_FULL_COLOUR = 0.25
# Numbers are written into the cells of a panel with so many columns.
_MOST_NUMBERS = 16
# Letters in a line of a panel's title.
_TITLE_WIDTH = 20


@style.styled
def head_figure(heads: pd.DataFrame) -> Figure:
  """Draws whose the weights of every attention head are.

  Args:
    heads: rows of the anatomy about heads, of one experiment and model.
  """
  count = len(heads[["place", "index"]].drop_duplicates())
  most = heads.groupby("regime")["base_seed"].nunique().max()
  width, height = max(3.0, 0.45 * count + 0.8), 0.42 * most + 1.3
  figure = _grid(heads, _draw_heads, width=width, height=height)
  image = figure.axes[0].collections[0]
  bar = figure.colorbar(image, ax=figure.axes, fraction=0.02, pad=0.02)
  bar.set_label("percentage points\nmore than expected")
  bar.outline.set_visible(False)
  for part in bar.ax.collections:
    # Matplotlib would embed a picture.
    part.set_rasterized(False)
  return figure


@style.styled
def neuron_figure(rows: pd.DataFrame) -> Figure:
  """Draws how many neurons of every matrix belong to one side.

  Args:
    rows: of the anatomy, of one experiment and model.
  """
  neurons = rows[rows["unit"] == "neuron"]
  count = neurons["place"].nunique()
  return _grid(
    neurons, _draw_neurons, width=4.0, height=max(1.8, 0.24 * count + 1.1)
  )


def unit_name(place: str, index: int) -> str:
  """Returns what a head or a matrix is called.

  >>> unit_name("layer_0/attention", 1), unit_name("head/kernel", -1)
  ('layer_0 attention, head 1', 'head')
  """
  words = curves.leaf_group(place)
  return words if index < 0 else f"{words}, head {index}"


def _grid(
  rows: pd.DataFrame,
  draw: Callable[[Axes, pd.DataFrame], None],
  *,
  width: float,
  height: float,
) -> Figure:
  """Draws one panel per regime (down) and comparison (across)."""
  regimes = list(dict.fromkeys(rows["regime"]))
  kinds = [kind for kind in _ORDER if kind in set(rows["compared"])]
  figure = Figure(
    figsize=(width * len(kinds), height * len(regimes)), layout="constrained"
  )
  axes = figure.subplots(
    len(regimes), len(kinds), squeeze=False, sharex=True, sharey="row"
  )
  for number, (line, regime) in enumerate(zip(axes, regimes, strict=True), 1):
    for axis, kind in zip(line, kinds, strict=True):
      found = rows[(rows["regime"] == regime) & (rows["compared"] == kind)]
      if found.empty:
        axis.set_axis_off()
        continue
      draw(axis, found)
      axis.set_title(textwrap.fill(kind, _TITLE_WIDTH), fontsize=9.5)
      if number < len(regimes):
        axis.set_xlabel("")
    line[0].set_ylabel(LABELS.name(regime).replace(" (", "\n("))
  return figure


def _draw_heads(axis: Axes, rows: pd.DataFrame) -> None:
  """Draws base networks (down) by heads (across)."""
  wide = rows.assign(
    excess=100 * (rows["share"] - rows["expected"]),
    head=[
      f"{place.split('/')[0].removeprefix('layer_')}.{index}"
      for place, index in zip(rows["place"], rows["index"], strict=True)
    ],
  )
  heads = list(dict.fromkeys(wide["head"]))
  seeds = list(dict.fromkeys(wide["base_seed"]))
  # Two masks of one subroutine have rows for either one; the first is shown.
  values, owners = (
    wide.pivot_table(
      index="base_seed", columns="head", values=name, aggfunc="first",
      sort=False, dropna=False,
    ).reindex(index=seeds, columns=heads)
    for name in ("excess", "belongs")
  )  # fmt: skip
  axis.pcolormesh(
    np.ma.masked_invalid(values.to_numpy(float)),
    cmap=_SIDES,
    vmin=-100 * _FULL_COLOUR,
    vmax=100 * _FULL_COLOUR,
    edgecolor="#DDDDDD",
    linewidth=0.5,
  )
  for (line, column), value in np.ndenumerate(values.to_numpy(float)):
    owner = owners.iloc[line, column]
    text = f"{value:+.0f}" if len(heads) <= _MOST_NUMBERS else ""
    text = "0" if text in ("+0", "-0") else text
    if owner and not pd.isna(value):
      text += "\u25cf"
    if not pd.isna(value):
      axis.text(
        column + 0.5,
        line + 0.5,
        text,
        color="white" if abs(value) > 60 * _FULL_COLOUR else "black",
        ha="center",
        va="center",
        fontsize=8,
      )
  axis.set(
    xticks=np.arange(len(heads)) + 0.5,
    yticks=np.arange(len(seeds)) + 0.5,
    ylim=(len(seeds), 0),
  )
  axis.set_xticklabels(heads, rotation=90 if len(heads) > 8 else 0, fontsize=8)
  axis.set_yticklabels([f"seed {seed}" for seed in seeds], fontsize=8)
  sides = (_side_name([*dict.fromkeys(rows[side])]) for side in _COLOURS)
  axis.set_xlabel("layer.head\nblue: {}, orange: {}".format(*sides), fontsize=9)
  axis.grid(visible=False)


def _draw_neurons(axis: Axes, rows: pd.DataFrame) -> None:
  """Draws the mean share and its interval, one colour per side."""
  places_found = list(dict.fromkeys(rows["place"]))
  for side, (column, colour) in enumerate(_COLOURS.items()):
    names = list(dict.fromkeys(rows[column]))
    shares = anatomy.belonging(rows, ["regime", "place"], names)
    means = overlap.between_networks(
      shares, ["regime", "place"], ("belonging",)
    ).set_index("place")
    means = 100 * means.loc[places_found].drop(columns="regime")
    middle = means["belonging"]
    low = means["belonging_low"].clip(lower=0).fillna(middle)
    high = means["belonging_high"].fillna(middle)
    axis.errorbar(
      middle,
      np.arange(len(places_found)) + 0.28 * side - 0.14,
      xerr=[(middle - low).clip(lower=0), high - middle],
      fmt=style.marker(side),
      color=colour,
      markersize=4.5,
      elinewidth=1,
      label=_side_name(names),
    )
  axis.set(
    yticks=np.arange(len(places_found)), ylim=(len(places_found) - 0.5, -0.5)
  )
  axis.set_yticklabels(
    [curves.leaf_group(place) for place in places_found], fontsize=8
  )
  axis.set_xlabel("neurons that belong to one, %", fontsize=9)
  # Not where an early layer has a neuron or two.
  axis.legend(fontsize=8, loc="best", handletextpad=0.2)


def _side_name(names: list[str]) -> str:
  """Returns what the masks of one side do."""
  return " / ".join(dict.fromkeys(map(_short, names)))


def _short(name: str) -> str:
  """Returns what one mask does, in a word or two.

  >>> _short("verb"), _short("verb, another"), _short("nonsense_0_kept")
  ('verb', 'another', 'kept side')
  """
  if name.startswith("nonsense_"):
    return "kept side" if name.endswith("_kept") else "other side"
  return name.rpartition(", ")[2]
