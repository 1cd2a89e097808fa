"""Which label follows from the probabilities.

A label is given where its opposite is improbable, and labels that contradict
each other never touch: on the way from one to the other a probability passes
all values between, where the answer is `undecided`.
"""

import dataclasses
import enum
from collections.abc import Mapping, Sequence

from structcomp_jax.report.estimate import Estimate, probability_above
from structcomp_jax.studies.break_it_down.findings.effects import (
  SMALL_LOSS,
  Effect,
  worth_a_claim,
)

MODULAR, BY_ABLATION = "modular", "modular by ablation"
NOT_MODULAR = "not modular"
REDUNDANT, OPPOSITE = "redundant", "opposite effect"
UNDECIDED, CONTROL = "undecided", "control"
# A claim is made where it is wrong with no more than this probability.
RISK = 0.05


class Cost(enum.Enum):
  """What the removal of a subnetwork costs."""

  PARTICULAR = "its own subroutine more than the other"
  UNSPECIFIC = "its own subroutine not more than the other"
  OPPOSITE = "the other subroutine more"
  REDUNDANT = "almost nothing"
  OPEN = "not decided"


@dataclasses.dataclass(frozen=True)
class Numbers:
  """All that the label follows from.

  Attributes:
    effects: the four.
    losses: {subroutine: what its removal costs of it}; see `effects.loss`.
    informative: probability that the masks of the networks can say something,
      the lowest of `measurement.checks`.
    control: the same of the untrained networks; None without them.
  """

  effects: Sequence[Effect]
  losses: Mapping[str, Estimate | None]
  informative: float
  control: float | None

  def of_test(self, test: str) -> list[Effect]:
    """Returns the effects of both subroutines in D_sub or D_abl."""
    return [one for one in self.effects if one.test == test]

  @property
  def probability(self) -> float | None:
    """That all four effects are worth a claim: the lowest of the four."""
    found = [one.probability for one in self.effects]
    known = [one for one in found if one is not None]
    return min(known) if len(known) == len(found) else None

  @property
  def costs(self) -> dict[str, Cost]:
    """{subroutine: what its removal costs}."""
    return {
      one.subroutine: _cost(one, self.losses[one.subroutine])
      for one in self.of_test("D_abl")
    }


def is_sure(probability: float | None) -> bool:
  """Returns whether a claim may be made; one without a number may not."""
  return probability is not None and probability > 1 - RISK


def is_improbable(probability: float | None) -> bool:
  """Returns whether the opposite may be claimed; not without a number."""
  return probability is not None and probability < RISK


def label(numbers: Numbers) -> str:
  """Returns the label.

  An effect that is not there needs no control: a control can only lower it.
  """
  if not is_sure(numbers.informative):
    return UNDECIDED
  if is_sure(numbers.probability):
    if not is_sure(numbers.control):
      return UNDECIDED
    beyond = [worth_a_claim(one.untrained) for one in numbers.of_test("D_sub")]
    return MODULAR if all(map(is_sure, beyond)) else BY_ABLATION
  costs = set(numbers.costs.values())
  if costs == {Cost.OPPOSITE}:
    return OPPOSITE
  if costs & {Cost.OPPOSITE, Cost.UNSPECIFIC}:
    return NOT_MODULAR
  # One subroutine may have a spare part, and the other a part of its own.
  if Cost.REDUNDANT in costs and Cost.OPEN not in costs:
    return REDUNDANT
  return UNDECIDED


def loses(estimate: Estimate | None) -> float | None:
  """Returns the probability of a loss that is not small."""
  return None if estimate is None else probability_above(estimate, SMALL_LOSS)


def _cost(ablation: Effect, loss: Estimate | None) -> Cost:
  in_particular = worth_a_claim(ablation.plain)
  opposite = worth_a_claim(ablation.opposite)
  if is_sure(in_particular):
    return Cost.PARTICULAR
  if is_sure(opposite):
    return Cost.OPPOSITE
  if is_improbable(in_particular):
    if is_sure(loses(loss)):
      return Cost.UNSPECIFIC
    if is_improbable(loses(loss)) and is_improbable(opposite):
      return Cost.REDUNDANT
  return Cost.OPEN
