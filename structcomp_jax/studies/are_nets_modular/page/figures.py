"""Figures that all experiments have, or both arithmetic ones."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from structcomp_jax.report import bars, style
from structcomp_jax.studies.are_nets_modular.domain import CONTROL
from structcomp_jax.studies.are_nets_modular.findings.evidence import Evidence
from structcomp_jax.studies.are_nets_modular.regimes import LABELS

_PLAIN = style.Labels()


def colours_of_tests(evidence: Evidence) -> dict[str, str]:
  """Returns {test task: colour}, the same in all figures."""
  return _PLAIN.colours_of(evidence.tests)


def legend(
  figure: Figure, colours: dict[str, str], title: str, lines: Sequence[Line2D]
) -> None:
  """Adds a legend of bars, and of what else is drawn, under the panels."""
  handles = [
    Patch(color=one, alpha=0.75, label=n) for n, one in colours.items()
  ]
  figure.legend(
    handles=[*handles, *lines],
    title=title,
    loc="upper center",
    bbox_to_anchor=(0.5, 0.0),
    ncols=5,
    fontsize=9,
  )


def network_marks(seeds: Sequence[float]) -> list[Line2D]:
  """Returns handles for the points of base networks."""
  return [
    Line2D(
      [],
      [],
      color="#333333",
      marker=style.marker(seed),
      markerfacecolor="white",
      linestyle="",
      label=f"base seed {seed:g}",
    )
    for seed in sorted(seeds)
  ]


def across(label: str) -> Line2D:
  """Returns a handle for lines across bars."""
  return Line2D([], [], color=bars.MARK, linewidth=1.8, label=label)


@style.styled
def accuracy_figure(evidence: Evidence) -> Figure:
  """Draws what whole networks, masks and inverse masks can do."""
  columns = [("", "none"), (CONTROL, "none")]
  for name in evidence.subtasks:
    columns += [(name, "none"), (name, "zero")]
  words = ["whole\nnetwork", "control\nmask"]
  for name in evidence.subtasks:
    words += [f"mask of\n{name}", f"without\n{name}"]
  regimes = evidence.masked_regimes
  width = max(7.0, 1.25 * len(columns))
  figure, axes = style.panels(len(regimes), 1, width=width, height=2.5)
  colours = colours_of_tests(evidence)
  for axis, regime in zip(axes[:, 0], regimes, strict=True):
    rows = evidence.results[evidence.results["regime"] == regime]
    series = {
      test: [
        bars.by_network(_cell(rows, name, ablation, test), "accuracy")
        for name, ablation in columns
      ]
      for test in evidence.tests
    }
    marks = {
      test: [
        _random_accuracy(evidence, regime, name, ablation, test)
        for name, ablation in columns
      ]
      for test in evidence.tests
    }
    bars.grouped(axis, words, series, colours, marks=marks)
    axis.set(title=LABELS.name(regime), ylabel="accuracy", ylim=(-0.03, 1.05))
  lines = [across("random mask of the same size")]
  seeds = evidence.results["base_seed"].unique()
  legend(figure, colours, "tested on", [*lines, *network_marks(seeds)])
  return figure


def _cell(
  rows: pd.DataFrame, name: str, ablation: str, test: str
) -> pd.DataFrame:
  return rows[
    (rows["subroutine"] == name)
    & (rows["ablation"] == ablation)
    & (rows["test_task"] == test)
  ]


def _random_accuracy(
  evidence: Evidence, regime: str, name: str, ablation: str, test: str
) -> float:
  if evidence.controls is None:
    return float("nan")
  rows = evidence.controls[evidence.controls["regime"] == regime]
  return float(_cell(rows, name, ablation, test)["accuracy"].mean())


@style.styled
def half_figure(halves: pd.DataFrame, tests: Sequence[str]) -> Figure:
  """Draws what one half of the control mask costs.

  Args:
    halves: of `accuracies.half_masks`.
    tests: test tasks, in their order.
  """
  regimes = list(dict.fromkeys(halves["regime"]))
  names = list(dict.fromkeys(halves["half"]))
  colours = _PLAIN.colours_of(tests)
  is_wide = len(names) > 4
  lines, columns = (len(regimes), 1) if is_wide else (1, len(regimes))
  figure, axes = style.panels(
    lines, columns, width=9.5 if is_wide else 4.6, height=2.8, sharey=True
  )
  for axis, regime in zip(axes.flat, regimes, strict=True):
    step = 0.8 / len(tests)
    for index, test in enumerate(tests):
      rows = halves[
        (halves["regime"] == regime) & (halves["test_task"] == test)
      ]
      rows = rows.set_index("half").reindex(names)
      axis.bar(
        np.arange(len(names)) + (index + 0.5) * step - 0.4,
        100 * rows["drop_mean"],
        0.92 * step,
        yerr=100 * rows["drop_sd"].fillna(0.0),
        color=colours[test],
        alpha=0.75,
        error_kw={"elinewidth": 1},
      )
    axis.axhline(0, color="#333333", linewidth=1)
    axis.set(title=LABELS.name(regime), xticks=np.arange(len(names)))
    turned = {"rotation": 30, "ha": "right"} if is_wide else {}
    axis.set_xticklabels([_half_words(name) for name in names], **turned)
    axis.grid(axis="x", visible=False)
  for axis in axes[:, 0]:
    axis.set_ylabel("accuracy lost (points)")
  legend(figure, colours, "tested on", [])
  return figure


def _half_words(name: str) -> str:
  if name in ("early", "late"):
    return f"{name} leaves\nmasked"
  return name.replace("random_", "random half ")


@style.styled
def histogram_figure(histograms: pd.DataFrame, num_bins: int) -> Figure:
  """Draws how sure masks are: sigmoid of their logits.

  Args:
    histograms: rows of histograms.csv of one penalty.
    num_bins: of the interval from 0 to 1.
  """
  regimes = list(dict.fromkeys(histograms["regime"]))
  names = list(dict.fromkeys(histograms["subroutine"]))
  colours = _PLAIN.colours_of(names)
  figure, axes = style.panels(len(regimes), 2, width=4.6, height=2.4)
  places = np.arange(num_bins) / num_bins
  for line, regime in enumerate(regimes):
    for name in names:
      rows = histograms[
        (histograms["regime"] == regime) & (histograms["subroutine"] == name)
      ]
      if rows.empty:
        continue
      counts = rows.groupby("bin")["count"].sum().reindex(range(num_bins))
      share = (counts.fillna(0.0) / counts.sum()).to_numpy()
      axes[line][0].step(places[1:], share[1:], color=colours[name], lw=1)
      axes[line][1].step(places, share, color=colours[name], lw=1)
    axes[line][1].set_yscale("log")
    axes[line][0].set_ylabel("share of weights")
    axes[line][0].set_title(LABELS.name(regime))
    axes[line][1].set_title("all bins, logarithmic")
    for axis in axes[line]:
      axis.axvline(0.5, color="#333333", linewidth=1, linestyle=":")
  for axis in axes[-1]:
    axis.set_xlabel("probability to keep a weight")
  legend(figure, colours, "mask of", [])
  return figure


@style.styled
def confusion_figure(confusion: pd.DataFrame) -> Figure:
  """Draws what answers are under every mask, whatever was asked for.

  Args:
    confusion: of `accuracies.confusion`.
  """
  regimes = list(dict.fromkeys(confusion["regime"]))
  colours = {
    "the sum": style.PALETTE[0],
    "the product": style.PALETTE[1],
    "neither": style.GREY,
  }
  columns = dict(zip(colours, ("is_sum", "is_product", "neither"), strict=True))
  keys = confusion[["subroutine", "test_task"]].drop_duplicates()
  width = max(7.0, 1.1 * len(keys))
  figure, axes = style.panels(len(regimes), 1, width=width, height=2.3)
  for axis, regime in zip(axes[:, 0], regimes, strict=True):
    rows = confusion[confusion["regime"] == regime]
    rows = rows.set_index(["subroutine", "test_task"])
    rows = rows.reindex(pd.MultiIndex.from_frame(keys))
    bottom = np.zeros(len(rows))
    for name, column in columns.items():
      shares = rows[f"{column}_mean"].fillna(0.0).to_numpy()
      axis.bar(
        np.arange(len(rows)),
        shares,
        0.7,
        bottom=bottom,
        color=colours[name],
        alpha=0.8,
      )
      bottom += shares
    axis.set(
      title=LABELS.name(regime),
      ylabel="answers that are",
      xticks=np.arange(len(rows)),
    )
    axis.set_xticklabels(
      [f"{name or 'no'} mask\nasked: {test}" for name, test in rows.index]
    )
    axis.grid(axis="x", visible=False)
  legend(figure, colours, "the answer is", [])
  return figure
