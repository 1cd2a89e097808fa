"""One task difference of one subroutine, and all it must exceed."""

import dataclasses
import enum

import pandas as pd

from structcomp_jax.report.clustered import (
  Estimate,
  clustered_difference,
  clustered_mean,
)
from structcomp_jax.studies.break_it_down.findings.statistics import DIFFERENCES

# A mean difference below this is not worth a claim, however consistent.
MINIMUM_EFFECT = 0.05
# The side on which a modular network's difference lies.
_SIGNS = {"D_sub": 1, "D_abl": -1}


class Grade(enum.IntEnum):
  """How well one effect is supported."""

  OPPOSITE = 0
  UNCLEAR = 1
  CONSISTENT = 2
  CLEAR = 3


@dataclasses.dataclass(frozen=True)
class Comparison:
  """How far an effect exceeds one thing it is compared with.

  Attributes:
    grade: how well it does.
    estimate: by how much, oriented as the effect; None with too few base
      networks for an error.
  """

  grade: Grade
  estimate: Estimate | None


@dataclasses.dataclass(frozen=True)
class Effect:
  """One task difference, oriented so that modularity predicts plus.

  Attributes:
    subroutine: of the mask.
    test: `D_sub` or `D_abl`.
    mean: oriented mean over searches.
    largest: largest oriented mean of one base network.
    num_searches: of the working base networks.
    num_networks: the working base networks.
    against_zero: is the mean > 0?
    against_matched: against random masks of the same size, or None.
    against_untrained: against untrained networks, or None.
  """

  subroutine: str
  test: str
  mean: float
  largest: float
  num_searches: int
  num_networks: int
  against_zero: Comparison
  against_matched: Comparison | None
  against_untrained: Comparison | None

  @property
  def sign(self) -> int:
    """What turns oriented numbers into D_sub or D_abl, and back."""
    return _SIGNS[self.test]

  def support(self) -> Grade:
    """Returns the grade of the weakest comparison that decides."""
    deciding = [self.against_zero, self.against_matched]
    if self.test == "D_abl":
      deciding.append(self.against_untrained)
    return min(one.grade for one in deciding if one is not None)


def measure(test: str, rows: pd.DataFrame, untrained: pd.DataFrame) -> Effect:
  """Compares one difference of one subroutine with all it must exceed.

  Args:
    test: `D_sub` or `D_abl`.
    rows: of `join_controls`, of working trained networks; no two rows share
      an index.
    untrained: the same of untrained networks.
  """
  column, sign = DIFFERENCES[test], _SIGNS[test]
  networks = rows["base_seed"]
  oriented = sign * rows[column]
  matched = oriented - sign * rows[f"{column}_matched"]
  # D_sub of masks that did not learn does not show what a search can build.
  is_fair = test == "D_abl" or has_learned(untrained)
  return Effect(
    subroutine=str(rows["subroutine"].iloc[0]),
    test=test,
    mean=float(oriented.mean()),
    largest=float(oriented.groupby(networks).mean().max()),
    num_searches=len(rows),
    num_networks=networks.nunique(),
    against_zero=_above_zero(oriented, networks),
    against_matched=(
      None if matched.isna().all() else _above_zero(matched.dropna(), networks)
    ),
    against_untrained=(
      _above_untrained(
        oriented, networks, sign * untrained[column], untrained["base_seed"]
      )
      if is_fair
      else None
    ),
  )


def has_learned(untrained: pd.DataFrame) -> bool:
  """Returns whether the control is fair: most of its masks learned."""
  return bool(untrained["learned"].mean() >= 0.5)


def _above_zero(effects: pd.Series, networks: pd.Series) -> Comparison:
  """Grades effects > 0 with base networks as the unit.

  Args:
    effects: one per search.
    networks: the base network of every search; of others, too.
  """
  networks = networks[effects.index]
  means = effects.groupby(networks).mean()
  estimate = clustered_mean(effects, networks)
  low, high = estimate.interval if estimate else (-1.0, 1.0)
  grade = graded(low, high, means.mean(), means.min(), means.max())
  return Comparison(grade, estimate)


def _above_untrained(
  trained: pd.Series,
  trained_networks: pd.Series,
  untrained: pd.Series,
  untrained_networks: pd.Series,
) -> Comparison | None:
  """Grades trained > untrained; needs two networks of each."""
  estimate = clustered_difference(
    trained, trained_networks, untrained, untrained_networks
  )
  if estimate is None:
    return None
  ours = trained.groupby(trained_networks).mean()
  theirs = untrained.groupby(untrained_networks).mean()
  grade = graded(
    *estimate.interval,
    estimate.value,
    ours.min() - theirs.max(),
    ours.max() - theirs.min(),
  )
  return Comparison(grade, estimate)


def graded(
  low: float, high: float, mean: float, smallest: float, largest: float
) -> Grade:
  """Returns the grade of "above zero".

  Args:
    low: end of the 95 % interval of the mean.
    high: the other end.
    mean: of the effect.
    smallest: of a base network, or of a pair of them.
    largest: the same.
  """
  if mean >= MINIMUM_EFFECT and low > 0:
    return Grade.CLEAR
  if mean >= MINIMUM_EFFECT and smallest > 0:
    return Grade.CONSISTENT
  if mean <= -MINIMUM_EFFECT and (high < 0 or largest < 0):
    return Grade.OPPOSITE
  return Grade.UNCLEAR
