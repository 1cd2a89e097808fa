"""One effect, and all it is compared with."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from structcomp_jax.report import grades
from structcomp_jax.report.estimate import pairing_notes
from structcomp_jax.report.grades import Comparison, Grade


@dataclasses.dataclass(frozen=True)
class Effect:
  """One number of a verdict, oriented so that what is asked about is plus.

  Attributes:
    name: in the tables for programs, e.g. `kept`.
    about: the subtask it is about, or what else it is about.
    words: the same for readers.
    mean: over base networks.
    by_network: {base seed: mean of its masks}.
    num_masks: of these networks.
    against: {what it is compared with: how far it exceeds that}; None where
      there is nothing to compare with.
    deciding: names in `against`, all of which a verdict needs.
  """

  name: str
  about: str
  words: str
  mean: float
  by_network: Mapping[Any, float]
  num_masks: int
  against: Mapping[str, Comparison | None]
  deciding: tuple[str, ...]

  def support(self) -> Grade:
    """Returns the grade of the weakest comparison that decides."""
    found = [self.against[name] for name in self.deciding]
    return min((one.grade for one in found if one), default=Grade.UNCLEAR)

  def is_below(self, name: str, limit: float) -> bool:
    """Returns whether the interval of a comparison lies below a limit."""
    compared = self.against[name]
    if compared is None or compared.estimate is None:
      return False
    return compared.estimate.interval[1] < limit

  @property
  def largest(self) -> float:
    """The largest mean of one network."""
    return max(self.by_network.values(), default=float("nan"))

  @property
  def spread(self) -> float:
    """Standard deviation between networks, unbiased."""
    return float(pd.Series(self.by_network, dtype=float).std())

  def record(self) -> dict[str, Any]:
    """Returns the effect for `report.verdicts.to_json`."""
    return {
      "effect": self.name,
      "about": self.about,
      "mean": self.mean,
      "sd_between_networks": self.spread,
      "by_network": {str(seed): one for seed, one in self.by_network.items()},
      "num_networks": len(self.by_network),
      "num_masks": self.num_masks,
      "support": self.support().name.lower(),
      "decided_by": list(self.deciding),
      "against": {
        name: one and grades.comparison_record(one)
        for name, one in self.against.items()
      },
    }


def notes(effects: Sequence[Effect]) -> tuple[str, ...]:
  """Returns what limits the comparisons, in words.

  Which effect the design would find is said where one is not clear.
  """
  compared = [one.against.get("untrained networks") for one in effects]
  found = pairing_notes(
    (one.estimate for one in compared if one), "untrained ones"
  )
  if min(one.support() for one in effects) < Grade.CLEAR:
    power = grades.power_note(one.against.get("zero") for one in effects)
    return (*found, power) if power else found
  return found


def by_network(values: pd.Series) -> dict[Any, float]:
  """Returns {base seed: mean of its masks}.

  Args:
    values: one per mask; the index has a level `base_seed`.
  """
  means = values.dropna().groupby(level="base_seed", sort=False).mean()
  return {seed: float(mean) for seed, mean in means.items()}


def above_zero(values: pd.Series, minimum: float) -> Comparison | None:
  """Grades values > 0; None where there are none."""
  values = values.dropna()
  if values.empty:
    return None
  flat, networks = _flat(values)
  return grades.above_zero(flat, networks, minimum=minimum)


def above_other(
  values: pd.Series, others: pd.Series, minimum: float
) -> Comparison | None:
  """Grades values > those of other networks, in pairs of one base seed.

  Returns:
    The comparison, or None with too few networks.
  """
  values, others = values.dropna(), others.dropna()
  if values.empty or others.empty:
    return None
  return grades.above_other(*_flat(values), *_flat(others), minimum=minimum)


def _flat(values: pd.Series) -> tuple[pd.Series, pd.Series]:
  """Returns the values, and the network of each."""
  networks = values.index.get_level_values("base_seed")
  return values.reset_index(drop=True), pd.Series(networks)
