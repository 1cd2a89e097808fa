"""Inference for few networks: one number per network, then a t-test.

Masks of one network are repeats of one observation, so every network counts
once, by the mean of its masks, whatever their number. What is tested is

- one group: its networks, with G - 1 degrees of freedom;
- two groups that share base seeds: the differences of the pairs, with one
  degree of freedom less than there are pairs. Trained and untrained networks of
  one base seed start from the same weights, so they are not independent;
- two groups without pairs: Welch's test, whose degrees of freedom are
  Satterthwaite's.

Of groups that are paired in part the pairs alone count, if there are two: the
test of pairs keeps its level whatever the correlation, and a network whose
partner failed is no fair comparison. With fewer than two pairs all networks
take part in Welch's test, as if they were independent.

Different numbers of masks give network means of different variances. The
t-test of independent normal means rejects a true null no more than 5 % of the
time all the same (Bakirov and Szekely 2006; Ibragimov and Mueller 2010), so a
bootstrap is not needed. Nor would it add anything: the wild cluster bootstrap
of a mean of network means (null imposed, Rademacher weights) flips the same
signs and gives the same p-value as `sign_flip`. `tools/null_simulations.py`
measures how often each test is wrong.
"""

import dataclasses
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from structcomp_jax.report.estimate import LEVEL, Estimate, Method, normal_p

# Two networks, or pairs, are the fewest that have a spread.
FEWEST = 2
# 2^14 flips take a quarter of a second; with more networks the t-test, whose
# assumption of normal means then matters little, is enough.
MOST_FLIPPED = 14


@dataclasses.dataclass(frozen=True)
class Tested:
  """A t-test of many data sets at once.

  Attributes:
    value: float[...], the estimates.
    standard_error: float[...].
    freedom: float[...], degrees of freedom.
    p: float[...], of value = 0, two-sided.
    low: float[...], end of the 95 % interval.
    high: float[...], the other end.
  """

  value: np.ndarray
  standard_error: np.ndarray
  freedom: np.ndarray
  p: np.ndarray
  low: np.ndarray
  high: np.ndarray


def network_means(values: ArrayLike, networks: ArrayLike) -> pd.Series:
  """Returns the mean of every network, by network.

  >>> network_means([1.0, 2.0, 6.0], ["a", "a", "b"]).to_dict()
  {'a': 1.5, 'b': 6.0}

  Args:
    values: float[n], one per mask; NaN is left out, and so is a network that
      has nothing else.
    networks: [n], the network of every value.
  """
  table = pd.Series(np.asarray(values, float))
  return table.groupby(np.asarray(networks)).mean().dropna()


def pair_differences(first: pd.Series, second: pd.Series) -> pd.Series:
  """Returns first - second of the networks that both groups have.

  Args:
    first: of `network_means`, by base seed.
    second: the same of the other group.

  Returns:
    The differences by base seed; none with fewer than two of them.
  """
  found = (first - second).dropna()
  return found if len(found) >= FEWEST else found[:0]


def mean(means: pd.Series) -> Estimate | None:
  """Estimates the mean over networks, each of which counts once.

  >>> found = mean(network_means([1.0, 3.0, 4.0, 6.0], [0, 0, 1, 2]))
  >>> found.value, found.num_clusters, found.freedom, found.smallest_p
  (4.0, 3, 2.0, 0.25)

  Args:
    means: of `network_means`.

  Returns:
    The estimate, or None with fewer than two networks.
  """
  return _of_one_group(means, "networks")


def difference(first: pd.Series, second: pd.Series) -> Estimate | None:
  """Estimates by how much one group of networks exceeds another.

  >>> trained = network_means([3.0, 5.0, 4.0], [0, 1, 2])
  >>> found = difference(trained, network_means([1.0, 2.0], [0, 1]))
  >>> found.value, found.method, found.num_clusters, found.num_left_out
  (2.5, 'pairs', 2, 1)

  Args:
    first: of `network_means`, by base seed.
    second: the same of the other group. Networks of one base seed are pairs.

  Returns:
    The estimate: of pairs where there are at least two, otherwise Welch's.
    None where there are no pairs and a group has fewer than two networks.
  """
  pairs = pair_differences(first, second)
  if len(pairs):
    left_out = len(first) + len(second) - 2 * len(pairs)
    return _of_one_group(pairs, "pairs", num_left_out=left_out)
  if min(len(first), len(second)) < FEWEST:
    return None
  tested = welch(first.to_numpy(), second.to_numpy())
  return _estimate(tested, "welch", num_clusters=len(first) + len(second))


def student(means: np.ndarray) -> Tested:
  """Tests that networks, or pairs, are 0 on average.

  Args:
    means: float[..., G], one number per network, G at least 2.
  """
  with _equal_numbers_allowed():
    found = stats.ttest_1samp(means, 0.0, axis=-1)
    return _tested(means.mean(axis=-1), stats.sem(means, axis=-1), found)


def welch(first: np.ndarray, second: np.ndarray) -> Tested:
  """Tests that two groups of independent networks have one mean.

  Args:
    first: float[..., G], one number per network, G at least 2.
    second: float[..., H], the same of the other group.
  """
  with _equal_numbers_allowed():
    found = stats.ttest_ind(first, second, axis=-1, equal_var=False)
    errors = stats.sem(first, axis=-1), stats.sem(second, axis=-1)
    value = first.mean(axis=-1) - second.mean(axis=-1)
    return _tested(value, np.hypot(*errors), found)


def sign_flip(means: np.ndarray) -> np.ndarray:
  """Returns the p-values of exact sign-flip tests, two-sided.

  Were the null true, and the distribution of a network's number symmetric,
  each of the 2^G ways to flip signs would be as likely as the data. The
  statistic is the mean. With G networks no p-value is below 2 / 2^G, which is
  above 0.05 with five networks or fewer.

  Args:
    means: float[..., G], one number per network, or per pair of them.

  Returns:
    float[...].
  """
  found = stats.permutation_test(
    (means,),
    np.mean,
    permutation_type="samples",
    vectorized=True,
    n_resamples=np.inf,
    axis=-1,
  )
  return np.asarray(found.pvalue)


def _tested(value: np.ndarray, error: np.ndarray, found: Any) -> Tested:
  """Puts a result of SciPy together; 0 / 0 is no evidence."""
  interval = found.confidence_interval(1 - LEVEL)
  p = np.where((error == 0) & (value == 0), 1.0, found.pvalue)
  freedom = np.broadcast_to(found.df, np.shape(p))
  return Tested(value, error, freedom, p, interval.low, interval.high)


@contextmanager
def _equal_numbers_allowed() -> Iterator[None]:
  """Keeps SciPy from warning of networks that agree, which is an answer."""
  with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "Precision loss occurred", RuntimeWarning)
    yield


def _of_one_group(
  means: pd.Series, method: Method, *, num_left_out: int = 0
) -> Estimate | None:
  count = len(means)
  if count < FEWEST:
    return None
  numbers = means.to_numpy(float)
  return _estimate(
    student(numbers),
    method,
    num_clusters=count,
    p_sign_flip=float(sign_flip(numbers)) if count <= MOST_FLIPPED else None,
    num_left_out=num_left_out,
  )


def _estimate(
  one: Tested,
  method: Method,
  *,
  num_clusters: int,
  p_sign_flip: float | None = None,
  num_left_out: int = 0,
) -> Estimate:
  value, error = float(one.value), float(one.standard_error)
  return Estimate(
    value=value,
    standard_error=error,
    p_normal=normal_p(value, error),
    p_t=float(one.p),
    interval=(float(one.low), float(one.high)),
    num_clusters=num_clusters,
    freedom=float(one.freedom),
    method=method,
    p_sign_flip=p_sign_flip,
    num_left_out=num_left_out,
  )
