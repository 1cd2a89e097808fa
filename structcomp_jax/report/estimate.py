"""One number with its uncertainty: how probable it is, what it could find."""

import bisect
import dataclasses
import math
from collections.abc import Iterable
from typing import Any, Literal

from scipy import optimize, stats

# networks: t on the means of networks.
# pairs: t on the differences of pairs of networks.
# welch: t on the means of two groups of networks without pairs.
# published: least squares over masks, see `report.clustered`.
Method = Literal["networks", "pairs", "welch", "published"]

# Two-sided, of every test; how often a design should find an effect.
LEVEL, POWER = 0.05, 0.8
# Where more networks than these would be needed, the number says no more.
MOST_NETWORKS = 100


@dataclasses.dataclass(frozen=True)
class Estimate:
  """One number with its uncertainty.

  Attributes:
    value: the estimate, in the units of the data.
    standard_error: of the value, from the spread between networks. 0 where
      all of them agree exactly; then the interval is the value itself, and p
      is 0, or 1 for a value of 0.
    p_normal: of value = 0, two-sided, normal distribution: what publications
      state, far too small with few networks.
    p_t: the same, t distribution with `freedom` degrees of freedom.
    interval: 95 % interval of that t distribution, (low, high).
    num_clusters: how many independent units there are: networks, or pairs of
      them where `method` is `pairs`.
    freedom: degrees of freedom.
    method: how it was computed.
    p_sign_flip: of value = 0, two-sided, of `inference.sign_flip`; None where
      there are no signs to flip, or too many.
    num_left_out: networks without a partner, which take no part.
  """

  value: float
  standard_error: float
  p_normal: float
  p_t: float
  interval: tuple[float, float]
  num_clusters: int
  freedom: float
  method: Method
  p_sign_flip: float | None = None
  num_left_out: int = 0

  @property
  def num_networks(self) -> int:
    """How many networks took part, both networks of every pair."""
    return self.num_clusters * (2 if self.method == "pairs" else 1)

  @property
  def smallest_p(self) -> float | None:
    """The smallest `p_sign_flip` that so many networks allow."""
    return None if self.p_sign_flip is None else smallest_p(self.num_clusters)

  @property
  def detectable(self) -> float:
    """The effect that this design finds with 80 %, in the units of the data.

    "Finds" means that the 95 % interval lies above 0. The spread between
    networks is taken as it was seen; with few networks it is a rough guess.
    """
    return detectable_errors(self.freedom) * self.standard_error


def ratio(value: float, error: float) -> float:
  """Returns value / error; infinite without error, but 0 for a value of 0."""
  if error > 0:
    return value / error
  return 0.0 if value == 0 else math.copysign(math.inf, value)


def normal_p(value: float, error: float) -> float:
  """Returns the two-sided p-value of value = 0, normal distribution."""
  return float(2 * stats.norm.sf(abs(ratio(value, error))))


def smallest_p(num_clusters: int) -> float:
  """Returns the smallest two-sided p-value of a sign-flip test.

  Of the 2^G ways to flip signs, the data and its mirror image are the most
  extreme.

  >>> smallest_p(3), smallest_p(6)
  (0.25, 0.03125)
  """
  return 2.0 ** (1 - num_clusters)


def detectable_errors(freedom: float) -> float:
  """Returns the effect, in standard errors, that a t-test finds with 80 %.

  >>> round(detectable_errors(2), 2), round(detectable_errors(9), 2)
  (5.65, 3.15)

  Args:
    freedom: degrees of freedom, at least 1.
  """
  limit = float(stats.t.isf(LEVEL / 2, freedom))

  def lacks(effect: float) -> float:
    return POWER - float(stats.nct.sf(limit, freedom, effect))

  return float(optimize.brentq(lacks, 0.0, 3 * limit))


def probability_above(estimate: Estimate, limit: float) -> float:
  """Returns how probable it is that the true value is above a limit.

  The distribution is the t distribution of the estimate: with a flat prior it
  is that of the true value, and 1 minus it is the one-sided p-value.

  Args:
    estimate: the estimate. Without any error it is certain, on either side.
    limit: in the units of the data.
  """
  distance = estimate.value - limit
  if estimate.standard_error == 0:
    return 0.5 if distance == 0 else float(distance > 0)
  ratio = distance / estimate.standard_error
  return float(stats.t.cdf(ratio, estimate.freedom))


def probability_words(probability: float) -> str:
  """Returns two digits; the model of normal means is not to be trusted more.

  They are rounded towards 0.5, so that what is written is not beyond a limit
  that the probability itself is not beyond.

  >>> probability_words(0.9499), probability_words(0.9999)
  ('0.94', 'above 0.99')
  """
  if probability > 0.99:
    return "above 0.99"
  if probability < 0.01:
    return "below 0.01"
  inwards = math.floor if probability > 0.5 else math.ceil
  # What is two digits already must not fall by a rounding error.
  return f"{inwards(round(100 * probability, 9)) / 100:.2f}"


def with_least_error(estimate: Estimate, least: float) -> Estimate:
  """Returns the estimate with a standard error that is not below `least`.

  Networks that agree by chance, or exactly, say less than their spread seems to
  say, because every number was measured on a finite number of problems.

  Args:
    estimate: the estimate. `p_sign_flip` has no error and stays.
    least: in the units of the data.
  """
  error = max(estimate.standard_error, least)
  half_width = float(stats.t.isf(LEVEL / 2, estimate.freedom)) * error
  return dataclasses.replace(
    estimate,
    standard_error=error,
    p_normal=normal_p(estimate.value, error),
    p_t=float(
      2 * stats.t.sf(abs(ratio(estimate.value, error)), estimate.freedom)
    ),
    interval=(estimate.value - half_width, estimate.value + half_width),
  )


def networks_to_decide(estimate: Estimate, limit: float) -> int | None:
  """Returns how many networks, or pairs, would tell the value from a limit.

  With so many, spread as these are, a t-test finds this distance from the
  limit with 80 %. Where few networks were seen it is a rough guess.

  Args:
    estimate: the estimate.
    limit: in the units of the data.

  Returns:
    The number, at least as many as there were, or None where it is above
    `MOST_NETWORKS`.
  """
  distance = abs(estimate.value - limit)
  deviation = estimate.standard_error * math.sqrt(estimate.num_clusters)

  def tells(count: int) -> bool:
    least = detectable_errors(count - 1) * deviation / math.sqrt(count)
    return least <= distance

  counts = range(max(2, estimate.num_clusters), MOST_NETWORKS + 1)
  place = bisect.bisect_left(counts, True, key=tells)
  return counts[place] if place < len(counts) else None


def deciding_words(estimate: Estimate, limit: float) -> str:
  """Returns how many networks would tell, see `networks_to_decide`."""
  count = networks_to_decide(estimate, limit)
  if count is None:
    return f"even {MOST_NETWORKS} such networks might not tell"
  return f"about {count} such networks would tell"


def power_words(estimate: Estimate) -> str:
  """Returns what an effect must be so that the design finds it, in words."""
  unit = "pairs of networks" if estimate.method == "pairs" else "networks"
  return (
    f"with {estimate.num_clusters} {unit} this design finds an effect of"
    f" {estimate.detectable:.2f} with {100 * POWER:.0f} %"
  )


def pairing_notes(
  compared: Iterable[Estimate | None], others: str
) -> tuple[str, ...]:
  """Returns what limits comparisons of two groups of networks, in words.

  Args:
    compared: of `inference.difference`; None where nothing was compared.
    others: what the second group is called.
  """
  found = [one for one in compared if one]
  notes: list[str] = []
  left_out = max((one.num_left_out for one in found), default=0)
  if left_out:
    verb = "are" if left_out > 1 else "is"
    notes.append(
      f"networks are compared with {others} in pairs of one base seed;"
      f" {left_out} without a partner {verb} left out"
    )
  if any(one.method == "welch" for one in found):
    notes.append(
      f"these networks and {others} have fewer than two base seeds in common,"
      " so they are compared as independent groups"
    )
  return tuple(notes)


def estimate_record(estimate: Estimate, *, sign: int = 1) -> dict[str, Any]:
  """Returns an estimate for `report.verdicts.to_json`.

  Args:
    estimate: the estimate.
    sign: -1 turns an oriented estimate back into the units of the data.
  """
  return {
    "estimate": sign * estimate.value,
    "standard_error": estimate.standard_error,
    "interval": sorted(sign * bound for bound in estimate.interval),
    "method": estimate.method,
    "degrees_of_freedom": estimate.freedom,
    "p_t": estimate.p_t,
    "p_normal": estimate.p_normal,
    "p_sign_flip": estimate.p_sign_flip,
    "smallest_p_sign_flip": estimate.smallest_p,
    "detectable_effect": estimate.detectable,
    "num_networks": estimate.num_networks,
    "num_pairs": estimate.num_clusters if estimate.method == "pairs" else None,
    "num_left_out": estimate.num_left_out,
  }
