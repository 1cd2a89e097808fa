"""Accuracies of a finite number of problems: their error, and what they allow.

The verdict rests on masks that learned their subroutine, and on ablated
networks that still do something. Both are facts about the masks at hand, not
about networks in general, so what makes them uncertain is not the spread
between networks but the number of problems that they were tested on.
"""

import dataclasses
import math

import pandas as pd
from scipy import stats

from structcomp_jax.report import inference
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  AFTER_ABLATION,
  OWN_THRESHOLD,
)

# Where a table does not say: as many as the single-cue tests of sv_singular.
ASSUMED_PROBLEMS = 300
# An ablated network still works above this accuracy: with less than this above
# chance, three times the smallest effect worth a claim, hardly any effect could
# show. More than `WORKS_WELL` counts no more, so that one network that works
# does not stand in for two that collapsed.
WORKS, WORKS_WELL = 0.4, 0.5


@dataclasses.dataclass(frozen=True)
class Check:
  """Whether the masks of one subroutine can say something.

  Attributes:
    subroutine: of the masks.
    kind: `learned` (accuracy of the subnetworks on their own subroutine) or
      `works` (the best accuracy of the ablated networks on any test, at most
      `WORKS_WELL`).
    accuracy: mean over networks; NaN where a number is missing.
    limit: what it must exceed.
    probability: that it does, from the error of measurement; 0 where a number
      is missing, which must not count as passed.
  """

  subroutine: str
  kind: str
  accuracy: float
  limit: float
  probability: float


def measurement_error(rows: pd.DataFrame, *columns: str) -> float:
  """Returns the standard error of a mean of accuracies over networks.

  Of an accuracy a of n problems the variance is a'(1 - a') / n, where
  a' = (n a + 1) / (n + 2) keeps accuracies of exactly 0 and 1 uncertain. All
  masks of a network see the same problems, so more masks do not help.

  Args:
    rows: of `task_differences`, with its `num_problems`.
    *columns: accuracies that are added or subtracted.

  Returns:
    The error of the mean over networks; 0 without any number.
  """
  count = rows["num_problems"].fillna(ASSUMED_PROBLEMS)
  variance = pd.Series(0.0, rows.index)
  for column in columns:
    smoothed = (count * rows[column] + 1) / (count + 2)
    variance += smoothed * (1 - smoothed) / count
  of_network = inference.network_means(variance, rows["base_seed"])
  if of_network.empty:
    return 0.0
  return math.sqrt(of_network.sum()) / len(of_network)


def checks(rows: pd.DataFrame) -> list[Check]:
  """Returns the checks of all subroutines of one kind of network.

  Args:
    rows: of `task_differences`, of one regime.
  """
  best = rows[AFTER_ABLATION].max(axis=1, skipna=False)
  rows = rows.assign(ablated_best=best.clip(upper=WORKS_WELL))
  return [
    _check(kind, str(name), part, column, limit)
    for name, part in rows.groupby("subroutine")
    for kind, column, limit in (
      ("learned", "subnetwork_own", OWN_THRESHOLD),
      ("works", "ablated_best", WORKS),
    )
  ]


def _check(
  kind: str, name: str, rows: pd.DataFrame, column: str, limit: float
) -> Check:
  missing = rows[column].isna().any()
  means = inference.network_means(rows[column], rows["base_seed"])
  accuracy = math.nan if missing else float(means.mean())
  error = measurement_error(rows, column)
  probability = (
    0.0 if missing else float(stats.norm.cdf((accuracy - limit) / error))
  )
  return Check(name, kind, accuracy, limit, probability)
