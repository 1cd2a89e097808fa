"""How much two subtasks share, between chance and the same subtask.

The overlap of two masks says nothing by itself: large masks must overlap, and
two searches for the very same subtask do not find the very same weights. So it
stands between what random masks of the same sizes share and what two masks of
one subtask share. The excess (`structure/overlap.py`) is 0 for random masks and
1 where one mask contains the other, whatever their sizes. In every network

    score = mean excess of different subtasks / mean excess of the same subtask

which of masks of one size is (observed - random) / (ceiling - random).
"""

import dataclasses

import numpy as np
import pandas as pd

from structcomp_jax.report.grades import Comparison
from structcomp_jax.structure import overlap
from structcomp_jax.studies.are_nets_modular.findings import (
  accuracies,
  effects,
  overlaps,
  verdict,
)

# Nearer to random masks than to masks of the same subtask, and the other way
# round: thirds of the way from one to the other.
LOW, HIGH = 1 / 3, 2 / 3
# The ceiling is above chance if it is so by this, and by so many standard
# deviations of random masks.
MINIMUM_CEILING, DEVIATIONS = 0.05, 3.0
# A difference between scores of less is not worth a claim.
MINIMUM_DIFFERENCE = 0.1

REUSES, PARTLY, DOES_NOT = "reuses", "partly", "does not reuse"


def scores(rows: pd.DataFrame) -> pd.DataFrame:
  """Returns the reuse score of every network.

  Args:
    rows: of `overlaps.of_subtasks`, of the leaves that count.

  Returns:
    `regime`, `base_seed`, `score` (NaN where the ceiling is not clearly above
    chance), `noise` (the standard deviation of the score of random masks),
    `observed`, `ceiling` (mean excess), and means of `iomin`, `random_iomin`
    of different subtasks and `ceiling_iomin` of the same one.
  """
  if rows.empty:
    return pd.DataFrame(columns=["regime", "base_seed", "score"])
  pairs = overlap.with_shares(overlaps.over_leaves(rows))
  networks = ["regime", "base_seed"]
  columns = ["excess", "noise", "iomin", "random_iomin"]
  means = pairs.groupby(["kind", *networks], sort=False)[columns].mean()
  observed, ceiling = (
    means.loc[kind] if kind in means.index else means.droplevel("kind")[:0]
    for kind in (overlaps.DIFFERENT, overlaps.SAME)
  )
  limit = np.maximum(MINIMUM_CEILING, DEVIATIONS * ceiling["noise"])
  clear = ceiling["excess"].where(ceiling["excess"] > limit)
  clear = clear.reindex(observed.index)
  table = pd.DataFrame(
    {
      "score": observed["excess"] / clear,
      "noise": observed["noise"] / clear,
      "observed": observed["excess"],
      "ceiling": ceiling["excess"].reindex(observed.index),
      "iomin": observed["iomin"],
      "random_iomin": observed["random_iomin"],
      "ceiling_iomin": ceiling["iomin"].reindex(observed.index),
    }
  )
  return table.reset_index()


@dataclasses.dataclass(frozen=True)
class Reuse:
  """The scores of one regime.

  Attributes:
    table: rows of `scores`.
    values: the scores that there are, by network.
    above_random: score > 0.
    below_ceiling: 1 - score > 0.
  """

  table: pd.DataFrame
  values: pd.Series
  above_random: Comparison | None
  below_ceiling: Comparison | None

  @property
  def interval(self) -> tuple[float, float]:
    """95 % interval of the score over networks; all numbers without one."""
    one = self.above_random
    if one is None or one.estimate is None:
      return (float("-inf"), float("inf"))
    return one.estimate.interval

  def label(self) -> str:
    """Returns where the score lies."""
    low, high = self.interval
    if high < LOW:
      return DOES_NOT
    if low > HIGH:
      return REUSES
    if low > 0 and high < 1:
      return PARTLY
    if len(self.values) > 2 and self.values.max() < LOW:
      return verdict.PROBABLY + DOES_NOT
    if len(self.values) > 2 and self.values.min() > HIGH:
      return verdict.PROBABLY + REUSES
    return verdict.CANNOT


def of_regime(table: pd.DataFrame, regime: str, without: pd.DataFrame) -> Reuse:
  """Returns the scores of a regime, without networks that do not work."""
  rows = accuracies.working(table[table["regime"] == regime], without)
  values = rows.set_index("base_seed")["score"].dropna().astype(float)
  return Reuse(
    rows,
    values,
    effects.above_zero(values, MINIMUM_DIFFERENCE),
    effects.above_zero(1 - values, MINIMUM_DIFFERENCE),
  )


def counted(rows: pd.DataFrame, end_leaves: frozenset[str]) -> pd.DataFrame:
  """Returns the rows of the leaves that both subtasks can use."""
  return rows if rows.empty else rows[~rows["leaf"].isin(end_leaves)]
