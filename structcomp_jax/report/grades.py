"""How well an effect is supported, with base networks as the unit.

An effect is oriented so that what a study asks about is plus. It is graded
from the 95 % t interval of its mean, and from the means of single networks.
"""

import dataclasses
import enum
from collections.abc import Iterable
from typing import Any

import pandas as pd

from structcomp_jax.report import inference
from structcomp_jax.report.estimate import (
  Estimate,
  estimate_record,
  power_words,
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
  means = inference.network_means(effects, networks[effects.index])
  estimate = inference.mean(means)
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
  """Grades first > second, in pairs of networks that have one base seed.

  "Consistent" means that the first network of every pair exceeds the second.
  Without two pairs, the weakest network of the first must exceed the strongest
  one of the second.

  Args:
    first: one effect per mask; NaN is left out.
    first_networks: the base seed of every mask.
    second: the same of the other group.
    second_networks: the same.
    minimum: a smaller mean difference is not worth a claim.

  Returns:
    The comparison, or None where there are neither two pairs nor two networks
    in both groups.
  """
  ours = inference.network_means(first, first_networks)
  theirs = inference.network_means(second, second_networks)
  estimate = inference.difference(ours, theirs)
  if estimate is None:
    return None
  pairs = inference.pair_differences(ours, theirs)
  if len(pairs):
    smallest, largest = pairs.min(), pairs.max()
  else:
    smallest = ours.min() - theirs.max()
    largest = ours.max() - theirs.min()
  grade = graded(
    *estimate.interval, estimate.value, smallest, largest, minimum=minimum
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


def power_note(compared: Iterable[Comparison | None]) -> str:
  """Returns which effect would be found, of the least sensitive comparison.

  Args:
    compared: of `above_zero`; None where nothing was compared.

  Returns:
    The words, or nothing where networks do not differ at all.
  """
  found = [one.estimate for one in compared if one and one.estimate]
  widest = max(found, key=lambda one: one.detectable, default=None)
  return power_words(widest) if widest and widest.standard_error > 0 else ""
