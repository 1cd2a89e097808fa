"""The published figures, drawn from the result table."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from structcomp_jax.report import style
from structcomp_jax.studies.break_it_down.findings.statistics import DIFFERENCES
from structcomp_jax.studies.break_it_down.findings.task_difference import CHANCE
from structcomp_jax.studies.break_it_down.reanalysis import (
  analysis_data,
  searches,
)
from structcomp_jax.studies.break_it_down.regimes import LABELS

_NOT_IN_HEATMAP = {
  **analysis_data.FAILED_BY_HAND,
  # Left out there alone: the network works.
  ("inside_contact", "resnet50", "simclr"): (2,),
}
_ACCURACIES = {"subnetwork": "kept alone", "ablated": "removed"}
_PLURAL_EDGE, _SINGULAR_EDGE = "#BBBBBB", "black"
_WIDEST_D = 0.75
_STAGE_COLOURS = {
  "0": style.PALETTE[0],
  "2": style.PALETTE[1],
  "first": style.PALETTE[0],
  "stage_3": style.PALETTE[1],
  "stage_4": style.PALETTE[2],
}


@style.styled
def group_figure(rows: pd.DataFrame) -> Figure:
  """Draws one group of searches: D, and the accuracies behind it.

  The two panels of D are the published task-difference figure, the other four
  the two published scatter figures (accuracies are not clamped there).

  Args:
    rows: of one group of `searches.groups`.
  """
  names = list(dict.fromkeys(rows["task"]))
  figure, axes = style.panels(1, 3 * len(names), width=1.95, height=2.9)
  differences, kept, removed = np.split(axes[0], 3)
  for axis, name in zip(differences, names, strict=True):
    of_task = rows[rows["task"] == name]
    _points(axis, of_task, list(DIFFERENCES.values()))
    axis.axhline(0, color="#333333", linewidth=1)
    axis.set(ylim=(-1, 1), title=f"D, {name.lower()}")
    _columns(axis, ["kept\nalone", "removed"])
  for panels, (condition, words) in zip(
    (kept, removed), _ACCURACIES.items(), strict=True
  ):
    for axis, name in zip(panels, names, strict=True):
      of_task = rows[rows["task"] == name]
      _points(axis, of_task, [f"{condition}_target", f"{condition}_other"])
      axis.axhline(CHANCE, color="#333333", linewidth=1, linestyle=":")
      axis.set(ylim=(0, 1.1), title=f"{name.lower()}\n{words}")
      _columns(axis, ["target\ntest", "other\ntest"])
  differences[0].set_ylabel("task difference")
  kept[0].set_ylabel("accuracy")
  for axis in axes[0]:
    axis.title.set_fontsize(9)
    axis.tick_params(labelsize=8)
  _legend(figure, rows)
  return figure


def _columns(axis: Axes, labels: list[str]) -> None:
  axis.set(xticks=range(len(labels)), xlim=(-0.5, len(labels) - 0.5))
  axis.set_xticklabels(labels)
  axis.grid(axis="x", visible=False)


def _points(axis: Axes, rows: pd.DataFrame, measures: list[str]) -> None:
  """Draws a point per search, in a column per measure."""
  failed = analysis_data.failed_by_hand(rows)
  is_plural = rows["release_experiment"].str.endswith("plural")
  for column, measure in enumerate(measures):
    for number, of_base in rows.groupby("base_model"):
      spread = np.linspace(-0.06, 0.06, len(of_base)) + 0.2 * (number - 1)
      axis.scatter(
        column + spread,
        of_base[measure],
        marker=style.marker(number),
        s=26,
        c=[
          style.GREY if failed[index] else style.PALETTE[0]
          for index in of_base.index
        ],
        edgecolors=[
          _PLURAL_EDGE if is_plural[index] else _SINGULAR_EDGE
          for index in of_base.index
        ],
        linewidths=0.7,
        zorder=3,
      )


def _legend(figure: Figure, rows: pd.DataFrame) -> None:
  def handle(label: str, **kwargs: object) -> Line2D:
    return Line2D([], [], linestyle="", label=label, **kwargs)  # type: ignore[arg-type]

  handles = [
    handle(
      f"base network {number}",
      marker=style.marker(number),
      color="#444444",
      markerfacecolor="none",
    )
    for number in sorted(rows["base_model"].unique())
  ]
  if rows["release_experiment"].str.endswith("plural").any():
    handles += [
      handle(words, marker="o", color=style.PALETTE[0], markeredgecolor=edge)
      for words, edge in (
        ("singular", _SINGULAR_EDGE),
        ("plural", _PLURAL_EDGE),
      )
    ]
  if analysis_data.failed_by_hand(rows).any():
    handles.append(handle("left out as failed", marker="o", color=style.GREY))
  figure.legend(
    handles=handles,
    loc="upper center",
    bbox_to_anchor=(0.5, 0.02),
    ncols=6,
    fontsize=8,
  )


@style.styled
def heatmap_figure(rows: pd.DataFrame) -> Figure:
  """Draws D_abl and D_sub of every search, a column per network and task.

  Args:
    rows: searches of one or several experiments, all of one kind of network.
  """
  columns = heatmap_columns(rows)
  figure = Figure(figsize=(0.3 * len(columns) + 1.8, 3.4), layout="tight")
  axis = figure.subplots()
  values = np.array(list(columns.values())).T
  drawn = axis.pcolormesh(
    values,
    cmap="RdBu",
    vmin=-_WIDEST_D,
    vmax=_WIDEST_D,
    edgecolors="white",
    linewidth=0.6,
  )
  axis.set_xticks(np.arange(len(columns)) + 0.5)
  axis.set_xticklabels(list(columns), rotation=90, fontsize=7)
  labels = [f"{word} {i}" for word in ("removed", "kept") for i in (1, 2, 3)]
  axis.set_yticks(np.arange(len(labels)) + 0.5)
  axis.set_yticklabels(labels, fontsize=8)
  axis.invert_yaxis()
  axis.grid(visible=False)
  axis.tick_params(length=0)
  figure.colorbar(drawn, ax=axis, label="D", fraction=0.02, pad=0.01)
  return figure


def heatmap_columns(rows: pd.DataFrame) -> dict[str, list[float]]:
  """Returns {label: D_abl of three searches, then D_sub of them}.

  Failed networks are skipped, and the others numbered without gaps; labels
  are in alphabetical order. Searches are in the order of their uuids; a
  network with fewer than three has NaN.
  """
  columns: dict[str, list[float]] = {}
  kept = rows[~analysis_data.failed_by_hand(rows, _NOT_IN_HEATMAP)]
  for (experiment, task), part in kept.groupby(["release_experiment", "task"]):
    for number, (_, of_base) in enumerate(part.groupby("base_seed"), 1):
      ordered = of_base.sort_values("candidate")
      label = f"{experiment} {str(task).lower()} {number}"
      columns[label] = [
        *_three(ordered["d_abl"].tolist()),
        *_three(ordered["d_sub"].tolist()),
      ]
  return dict(sorted(columns.items()))


def _three(values: list[float]) -> list[float]:
  return [*values, *[float("nan")] * 3][:3]


@style.styled
def sizes_figure(table: pd.DataFrame) -> Figure:
  """Draws the kept weights of every search, by first masked stage.

  Args:
    table: searches of trained networks; see `searches.of_release`.
  """
  kinds = list(dict.fromkeys(zip(table["model"], table["regime"], strict=True)))
  figure, axes = style.panels(
    1, len(kinds), width=11.5 / max(len(kinds), 3), height=3.4, sharey=True
  )
  stages: set[str] = set()
  for axis, (model, regime) in zip(axes[0], kinds, strict=True):
    rows = table[(table["model"] == model) & (table["regime"] == regime)]
    names = list(dict.fromkeys(rows["release_experiment"]))
    for place, name in enumerate(names):
      of_one = rows[rows["release_experiment"] == name]
      stages |= set(of_one["masked_from"])
      axis.scatter(
        place + np.linspace(-0.3, 0.3, len(of_one)),
        of_one["l0"],
        s=14,
        c=of_one["masked_from"].map(_stage_colour),
        zorder=3,
      )
    axis.set(yscale="log", title=f"{model}\n{regime}")
    axis.title.set_fontsize(9)
    axis.set_xticks(range(len(names)))
    axis.set_xticklabels(names, rotation=60, ha="right", fontsize=8)
    axis.set_xlim(-0.5, len(names) - 0.5)
    axis.grid(axis="x", visible=False)
  axes[0][0].set_ylabel("kept weights")
  style.legend(
    figure, {_stage_words(one): _stage_colour(one) for one in sorted(stages)}
  )
  return figure


def _stage_colour(stage: str) -> str:
  return _STAGE_COLOURS.get(stage, style.GREY)


def _stage_words(stage: str) -> str:
  return f"masked from {'layer ' if stage.isdigit() else ''}{stage}"


def published_heatmaps(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
  """Returns {title: searches} of the four published heatmaps.

  Args:
    table: see `searches.of_release`.
  """
  wanted = {
    "Vision, trained from scratch": ("resnet50", "scratch"),
    "Language, trained from scratch": ("bert_small", "scratch"),
    "Vision, pretrained by SimCLR": ("resnet50", "simclr"),
    "Language, pretrained": ("bert_small", "lm_pretrained"),
  }
  found = {
    title: table[(table["model"] == model) & (table["regime"] == regime)]
    for title, (model, regime) in wanted.items()
  }
  return {title: rows for title, rows in found.items() if len(rows)}


def words(group: tuple[str, ...]) -> str:
  """Returns what a reader calls a group."""
  _, model, regime, lender = group
  text = f"{model}, {LABELS.name(regime)}"
  if searches.group_name(group).endswith(f"-{regime}-{lender}"):
    text += f", with the mask settings of {lender}"
  return text
