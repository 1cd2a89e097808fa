"""One task difference of one subroutine, and all it must exceed.

Every number is one per base network: the mean of its masks. An effect is
oriented so that modularity predicts plus,

    e = D_sub   or   e = -D_abl

and a network counts by its excess over its controls,

    E = e - max(0, e of its random masks, e of the untrained network)

where untrained networks take part in D_abl alone. The mean of E over networks
has a t distribution. Its standard error is at least the error of accuracies
that were measured on so many problems, so that networks that agree exactly do
not make a rounding error decide.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from structcomp_jax.report import inference
from structcomp_jax.report.estimate import (
  Estimate,
  pairing_notes,
  probability_above,
  with_least_error,
)
from structcomp_jax.studies.break_it_down.findings.measurement import (
  measurement_error,
)
from structcomp_jax.studies.break_it_down.findings.statistics import DIFFERENCES

# A mean difference below this is not worth a claim.
MINIMUM_EFFECT = 0.05
# Who loses less than this of an accuracy has lost almost nothing.
SMALL_LOSS = 0.1
# The side on which a modular network's difference lies.
_SIGNS = {"D_sub": 1, "D_abl": -1}
# Name of a difference -> the masked networks that it is of.
_CONDITIONS = {"D_sub": "subnetwork", "D_abl": "ablated"}


@dataclasses.dataclass(frozen=True)
class Effect:
  """One task difference, oriented so that modularity predicts plus.

  Each estimate is of a mean over base networks; None where fewer than two have
  the numbers.

  Attributes:
    subroutine: of the mask.
    test: `D_sub` or `D_abl`.
    mean: of e.
    control: mean of the highest control, at least 0; NaN where a network
      lacks one.
    num_searches: of the networks that count.
    num_networks: how many networks count.
    plain: of e.
    excess: of E. Where networks have no pairs, the less probable of the excess
      over their random masks and of the difference from untrained networks.
    opposite: of -e over the other side of 0 and of the random masks.
    untrained: of e minus that of untrained networks, in pairs if there are.
  """

  subroutine: str
  test: str
  mean: float
  control: float
  num_searches: int
  num_networks: int
  plain: Estimate | None
  excess: Estimate | None
  opposite: Estimate | None
  untrained: Estimate | None

  @property
  def sign(self) -> int:
    """What turns oriented numbers into D_sub or D_abl, and back."""
    return _SIGNS[self.test]

  @property
  def probability(self) -> float | None:
    """That the mean of E is worth a claim."""
    return worth_a_claim(self.excess)


def worth_a_claim(estimate: Estimate | None) -> float | None:
  """Returns the probability of more than `MINIMUM_EFFECT`; None without it."""
  if estimate is None:
    return None
  return probability_above(estimate, MINIMUM_EFFECT)


def measure(test: str, rows: pd.DataFrame, untrained: pd.DataFrame) -> Effect:
  """Compares one difference of one subroutine with all it must exceed.

  Args:
    test: `D_sub` or `D_abl`.
    rows: of `join_controls`, of working trained networks.
    untrained: the same of untrained networks.
  """
  ours = _means(test, rows)
  theirs = _means(test, untrained)
  damage = _means(test, rows, "_matched")
  # Without random masks in any network the other controls are left, which a
  # note says; a network that alone lacks them has no excess.
  damage = damage.reindex(ours.index) if len(damage) else 0 * ours
  accuracies = _accuracies(test)
  error = measurement_error(rows, *accuracies)
  untrained_error = measurement_error(untrained, *accuracies)
  difference = _floored(
    inference.difference(ours, theirs), math.hypot(error, untrained_error)
  )
  control, pairs = _control(test, ours, damage, theirs)
  excess = _floored(_mean(ours - (control if pairs else _side(damage))), error)
  return Effect(
    subroutine=str(rows["subroutine"].iloc[0]),
    test=test,
    mean=float(ours.mean()),
    control=float(control.mean(skipna=False)),
    num_searches=len(rows),
    num_networks=len(ours),
    plain=_floored(_mean(ours), error),
    excess=excess if pairs else _weaker(excess, difference),
    opposite=_floored(_mean(-ours - _side(-damage)), error),
    untrained=difference,
  )


def loss(rows: pd.DataFrame) -> Estimate | None:
  """Estimates what the removal costs of a subnetwork's own subroutine.

  Args:
    rows: of `task_differences`, of the working networks and one subroutine.

  Returns:
    The accuracy of the subnetwork minus that of the network without it, mean
    over networks; None with fewer than two.
  """
  columns = "subnetwork_own", "ablated_own"
  lost = rows[columns[0]] - rows[columns[1]]
  means = inference.network_means(lost, rows["base_seed"])
  return _floored(inference.mean(means), measurement_error(rows, *columns))


def notes(effects: Sequence[Effect]) -> tuple[str, ...]:
  """Returns what limits the comparisons, in words."""
  return pairing_notes((one.untrained for one in effects), "untrained ones")


def _control(
  test: str, ours: pd.Series, damage: pd.Series, theirs: pd.Series
) -> tuple[pd.Series, bool]:
  """Returns the highest control of every network, and whether it is its own.

  It is not where untrained networks are no pairs: then it is their mean.
  """
  own = _side(damage)
  if test == "D_sub":
    return own, True
  if len(inference.pair_differences(ours, theirs)):
    return np.maximum(own, theirs.reindex(ours.index)), True
  return np.maximum(own, theirs.mean()), False


def _side(values: pd.Series) -> pd.Series:
  """Returns values that are at least 0; NaN stays."""
  return values.clip(lower=0)


def _means(test: str, rows: pd.DataFrame, suffix: str = "") -> pd.Series:
  """Returns the oriented mean of every network."""
  values = _SIGNS[test] * rows[DIFFERENCES[test] + suffix]
  return inference.network_means(values, rows["base_seed"])


def _accuracies(test: str) -> tuple[str, str]:
  """Returns the columns whose difference it is."""
  condition = _CONDITIONS[test]
  return f"{condition}_target", f"{condition}_other"


def _mean(means: pd.Series) -> Estimate | None:
  return inference.mean(means.dropna())


def _floored(estimate: Estimate | None, least: float) -> Estimate | None:
  return estimate and with_least_error(estimate, least)


def _weaker(first: Estimate | None, second: Estimate | None) -> Estimate | None:
  """Returns the estimate that is less probably worth a claim."""
  if first is None or second is None:
    return None
  return min(
    first, second, key=lambda one: probability_above(one, MINIMUM_EFFECT)
  )
