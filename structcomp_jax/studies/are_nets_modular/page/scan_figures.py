"""Figures of SCAN and mathematics: what is lost of what a mask left out."""

import functools
from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from structcomp_jax.report import bars, style
from structcomp_jax.studies.are_nets_modular.domain import CONTROL
from structcomp_jax.studies.are_nets_modular.findings.evidence import Evidence
from structcomp_jax.studies.are_nets_modular.findings.left_out import (
  with_share,
)
from structcomp_jax.studies.are_nets_modular.mathematics import EASY
from structcomp_jax.studies.are_nets_modular.page import figures
from structcomp_jax.studies.are_nets_modular.regimes import LABELS

_COLOURS = {
  "whole network": style.GREY,
  "control mask": style.PALETTE[0],
  "mask of the split": style.PALETTE[2],
  "trained on the split only": style.PALETTE[4],
}
_LEVEL_COLOURS = {
  "whole network": style.GREY,
  "control mask": style.PALETTE[0],
  "mask of easy questions": style.PALETTE[2],
}


@style.styled
def left_out_figure(
  evidence: Evidence, only_regimes: Mapping[str, str]
) -> Figure:
  """Draws accuracies on the commands that splits leave out.

  Args:
    evidence: the tables.
    only_regimes: {split: regime of networks trained on it alone}.
  """
  regimes = evidence.masked_regimes
  splits = list(evidence.subtasks)
  figure, axes = style.panels(len(regimes), 1, width=8.5, height=2.6)
  of = functools.partial(_values, evidence)
  for axis, regime in zip(axes[:, 0], regimes, strict=True):
    columns = {
      "whole network": [of(regime, "", one) for one in splits],
      "control mask": [of(regime, CONTROL, one) for one in splits],
      "mask of the split": [of(regime, one, one) for one in splits],
      "trained on the split only": [
        of(only_regimes.get(one, ""), "", one)
        if regime in evidence.judged
        else {}
        for one in splits
      ],
    }
    series = {name: found for name, found in columns.items() if any(found)}
    bars.grouped(axis, [f"left out by\n{s}" for s in splits], series, _COLOURS)
    axis.set(title=LABELS.name(regime), ylabel="accuracy", ylim=(-0.03, 1.05))
  seeds = evidence.results["base_seed"].unique()
  figures.legend(figure, _COLOURS, "", figures.network_marks(seeds))
  return figure


def _values(
  evidence: Evidence, regime: str, subroutine: str, test: str
) -> dict[int, float]:
  """Returns the accuracy of every network, whole or under a mask."""
  results = evidence.results
  rows = results[
    (results["ablation"] == "none")
    & (results["regime"] == regime)
    & (results["subroutine"] == subroutine)
    & (results["test_task"] == test)
  ]
  return bars.by_network(rows, "accuracy")


@style.styled
def levels_figure(evidence: Evidence) -> Figure:
  """Draws accuracies on the questions of every level.

  Args:
    evidence: the tables of an experiment with mathematics.
  """
  regimes, levels = evidence.masked_regimes, list(evidence.tests)
  figure, axes = style.panels(len(regimes), 1, width=8.5, height=2.6)
  masks = dict(zip(_LEVEL_COLOURS, ("", CONTROL, EASY), strict=True))
  for axis, regime in zip(axes[:, 0], regimes, strict=True):
    series = {
      name: [_values(evidence, regime, mask, level) for level in levels]
      for name, mask in masks.items()
    }
    bars.grouped(axis, levels, series, _LEVEL_COLOURS)
    axis.set(title=LABELS.name(regime), ylabel="accuracy", ylim=(-0.03, 1.05))
  seeds = evidence.results["base_seed"].unique()
  figures.legend(figure, _LEVEL_COLOURS, "", figures.network_marks(seeds))
  return figure


@style.styled
def output_figure(outputs: pd.DataFrame) -> Figure:
  """Draws the share of every output's weights that the masks have lost.

  Args:
    outputs: rows of outputs.csv of one penalty.
  """
  table = with_share(outputs[outputs["subroutine"] != CONTROL])
  regimes = list(dict.fromkeys(table["regime"]))
  names = list(dict.fromkeys(table["output"]))
  splits = list(dict.fromkeys(table["subroutine"]))
  colours = style.Labels().colours_of(splits)
  figure, axes = style.panels(len(regimes), 1, width=9.5, height=2.4)
  for axis, regime in zip(axes[:, 0], regimes, strict=True):
    rows = table[table["regime"] == regime].assign(
      lost=lambda t: 100 * t["lost"]
    )
    series = {
      split: [
        bars.by_network(
          rows[(rows["subroutine"] == split) & (rows["output"] == name)],
          "lost",
        )
        for name in names
      ]
      for split in splits
    }
    bars.grouped(axis, names, series, colours)
    axis.set(title=LABELS.name(regime), ylabel="weights lost (%)")
    axis.set_ylim(-0.5, 1.1 * max(1.0, 100 * table["lost"].max()))
  figures.legend(figure, colours, "mask of", [])
  return figure
