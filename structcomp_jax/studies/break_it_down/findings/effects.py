"""One task difference of one subroutine, and all it must exceed."""

import dataclasses
from collections.abc import Sequence

import pandas as pd

from structcomp_jax.report import grades
from structcomp_jax.report.grades import Comparison, Grade
from structcomp_jax.studies.break_it_down.findings.statistics import DIFFERENCES

# A mean difference below this is not worth a claim, however consistent.
MINIMUM_EFFECT = 0.05
# The side on which a modular network's difference lies.
_SIGNS = {"D_sub": 1, "D_abl": -1}


@dataclasses.dataclass(frozen=True)
class Effect:
  """One task difference, oriented so that modularity predicts plus.

  Attributes:
    subroutine: of the mask.
    test: `D_sub` or `D_abl`.
    mean: oriented mean over base networks, each by the mean of its searches.
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
  means = oriented.groupby(networks).mean()
  matched = oriented - sign * rows[f"{column}_matched"]
  # D_sub of masks that did not learn does not show what a search can build.
  is_fair = test == "D_abl" or has_learned(untrained)
  return Effect(
    subroutine=str(rows["subroutine"].iloc[0]),
    test=test,
    mean=float(means.mean()),
    largest=float(means.max()),
    num_searches=len(rows),
    num_networks=networks.nunique(),
    against_zero=_above_zero(oriented, networks),
    against_matched=(
      None if matched.isna().all() else _above_zero(matched.dropna(), networks)
    ),
    against_untrained=(
      grades.above_other(
        oriented,
        networks,
        sign * untrained[column],
        untrained["base_seed"],
        minimum=MINIMUM_EFFECT,
      )
      if is_fair
      else None
    ),
  )


def has_learned(untrained: pd.DataFrame) -> bool:
  """Returns whether the control is fair: most of its masks learned."""
  return bool(untrained["learned"].mean() >= 0.5)


def notes(effects: Sequence[Effect]) -> tuple[str, ...]:
  """Returns what limits the comparisons, in words.

  Which effect the design would find is said where one is not clear.
  """
  found = grades.pairing_notes(
    (one.against_untrained for one in effects), "untrained ones"
  )
  if min(one.support() for one in effects) < Grade.CLEAR:
    power = grades.power_note(one.against_zero for one in effects)
    return (*found, power) if power else found
  return found


def _above_zero(effects: pd.Series, networks: pd.Series) -> Comparison:
  return grades.above_zero(effects, networks, minimum=MINIMUM_EFFECT)
