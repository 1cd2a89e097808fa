"""How well an effect is supported, with base networks as the unit.

An effect is oriented so that what a study asks about is plus. It is graded
from the 95 % t interval of its mean, and from the means of single networks.
"""

import dataclasses
import enum
from typing import Any

import pandas as pd

from structcomp_jax.report.clustered import (
  Estimate,
  clustered_difference,
  clustered_mean,
)


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


def above_zero(
  effects: pd.Series, networks: pd.Series, *, minimum: float
) -> Comparison:
  """Grades effects > 0.

  Args:
    effects: one per mask; NaN is left out.
    networks: the base network of every mask; of others, too.
    minimum: a smaller mean is not worth a claim, however consistent.
  """
  networks = networks[effects.index]
  means = effects.groupby(networks).mean()
  estimate = clustered_mean(effects, networks)
  low, high = estimate.interval if estimate else (-1.0, 1.0)
  grade = graded(
    low, high, means.mean(), means.min(), means.max(), minimum=minimum
  )
  return Comparison(grade, estimate)


def above_other(
  first: pd.Series,
  first_networks: pd.Series,
  second: pd.Series,
  second_networks: pd.Series,
  *,
  minimum: float,
) -> Comparison | None:
  """Grades first > second, of which no two share a base network.

  "Consistent" means that the weakest network of the first exceeds the
  strongest one of the second.

  Returns:
    The comparison, or None where one of them has fewer than two networks.
  """
  estimate = clustered_difference(
    first, first_networks, second, second_networks
  )
  if estimate is None:
    return None
  ours = first.groupby(first_networks).mean()
  theirs = second.groupby(second_networks).mean()
  grade = graded(
    *estimate.interval,
    estimate.value,
    ours.min() - theirs.max(),
    ours.max() - theirs.min(),
    minimum=minimum,
  )
  return Comparison(grade, estimate)


def graded(
  low: float,
  high: float,
  mean: float,
  smallest: float,
  largest: float,
  *,
  minimum: float,
) -> Grade:
  """Returns the grade of "above zero".

  Args:
    low: end of the 95 % interval of the mean.
    high: the other end.
    mean: of the effect.
    smallest: of a base network, or of a pair of them.
    largest: the same.
    minimum: a mean closer to zero is unclear.
  """
  if mean >= minimum and low > 0:
    return Grade.CLEAR
  if mean >= minimum and smallest > 0:
    return Grade.CONSISTENT
  if mean <= -minimum and (high < 0 or largest < 0):
    return Grade.OPPOSITE
  return Grade.UNCLEAR


def comparison_record(one: Comparison, *, sign: int = 1) -> dict[str, Any]:
  """Returns a comparison for `report.verdicts.to_json`.

  Args:
    one: the comparison.
    sign: -1 turns an oriented estimate back into the units of the data.
  """
  record: dict[str, Any] = {"grade": one.grade.name.lower()}
  if one.estimate is not None:
    record |= estimate_record(one.estimate, sign=sign)
  return record


def estimate_record(estimate: Estimate, *, sign: int = 1) -> dict[str, Any]:
  """Returns an estimate for `report.verdicts.to_json`."""
  return {
    "estimate": sign * estimate.value,
    "standard_error": estimate.standard_error,
    "interval": sorted(sign * bound for bound in estimate.interval),
    "p_t": estimate.p_t,
    "p_normal": estimate.p_normal,
    "num_networks": estimate.num_clusters,
  }
