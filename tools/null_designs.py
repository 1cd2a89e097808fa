"""Experiments with nothing to find, for `tools.null_simulations`."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from structcomp_jax.report import clustered, inference
from structcomp_jax.report.estimate import Estimate
from structcomp_jax.report.inference import Tested

# Standard deviation of masks of one network; networks have 1, if not said.
MASK_NOISE = 1.0
# Of a trained and an untrained network of one base seed.
CORRELATION = 0.5
# Base seeds are below this, so that (data set, seed) is one whole number.
_SEEDS = 1_000


@dataclasses.dataclass(frozen=True)
class Group:
  """Networks of one kind.

  Attributes:
    seeds: their base seeds.
    masks: how many masks each has.
    spread: standard deviation of the true number of each network.
  """

  seeds: tuple[int, ...]
  masks: tuple[int, ...]
  spread: tuple[float, ...]

  @property
  def networks(self) -> np.ndarray:
    """int[masks], the base seed of every mask."""
    return np.repeat(self.seeds, self.masks)

  def values(
    self, networks: np.ndarray, draws: np.random.Generator
  ) -> np.ndarray:
    """Returns float[..., masks] of networks, float[..., G], of spread 1."""
    true = np.repeat(networks * self.spread, self.masks, axis=-1)
    return true + MASK_NOISE * draws.normal(size=true.shape)

  def network_means(self, values: np.ndarray) -> pd.Series:
    """Returns the means of the networks of many data sets, all in one.

    Args:
      values: float[data sets, masks].
    """
    names = self.networks + _SEEDS * np.arange(len(values))[:, None]
    return inference.network_means(values.ravel(), names.ravel())


def group(
  seeds: Sequence[int],
  masks: Sequence[int] = (3,),
  spread: Sequence[float] = (1.0,),
) -> Group:
  """Returns networks; `masks` and `spread` are repeated as often as needed."""
  count = len(seeds)
  return Group(
    tuple(seeds),
    tuple(np.resize(masks, count).tolist()),
    tuple(np.resize(spread, count).tolist()),
  )


@dataclasses.dataclass(frozen=True)
class Design:
  """An experiment in which nothing is to be found.

  Attributes:
    words: what it is, for readers.
    first: networks.
    second: networks that the first are compared with; None: with zero.
    correlation: of two networks of one base seed.
  """

  words: str
  first: Group
  second: Group | None = None
  correlation: float = CORRELATION

  def draw(self, count: int, draws: np.random.Generator) -> list[np.ndarray]:
    """Returns the values of each group, float[count, masks]."""
    seeds = self.first.seeds
    networks = draws.normal(size=(count, len(seeds)))
    values = [self.first.values(networks, draws)]
    if self.second is not None:
      others = draws.normal(size=(count, len(self.second.seeds)))
      for place, seed in enumerate(self.second.seeds):
        if seed in seeds:
          own = np.sqrt(1 - self.correlation**2) * others[:, place]
          shared = self.correlation * networks[:, seeds.index(seed)]
          others[:, place] = own + shared
      values.append(self.second.values(others, draws))
    return values

  def network_means(self, values: Sequence[np.ndarray]) -> list[pd.Series]:
    """Returns `Group.network_means` of each group."""
    groups = (self.first, self.second)
    return [
      one.network_means(of_one)
      for one, of_one in zip(groups, values, strict=False)
      if one is not None
    ]

  def estimate(self, values: Sequence[np.ndarray]) -> Estimate:
    """Returns what a report says of one data set."""
    means = self.network_means([one[None] for one in values])
    rule = inference.mean if self.second is None else inference.difference
    found = rule(*means)
    assert found is not None
    return found

  def published(self, values: Sequence[np.ndarray]) -> Estimate:
    """Returns the published statistics of one data set."""
    if self.second is None:
      found = clustered.clustered_mean(values[0], self.first.networks)
    else:
      found = clustered.clustered_difference(
        values[0], self.first.networks, values[1], self.second.networks
      )
    assert found is not None
    return found

  def test(self, values: Sequence[np.ndarray]) -> tuple[Tested, np.ndarray]:
    """Asks the functions that `estimate` asks about many data sets at once.

    Returns:
      The tests, and float[data sets, G], the numbers that they are of: empty
      where two groups have no pairs.
    """
    count = len(values[0])
    means = self.network_means(values)
    method = self.estimate([one[0] for one in values]).method
    if method == "welch":
      first, second = (one.to_numpy().reshape(count, -1) for one in means)
      return inference.welch(first, second), np.empty((count, 0))
    numbers = (
      means[0] if len(means) == 1 else inference.pair_differences(*means)
    )
    numbers = numbers.to_numpy().reshape(count, -1)
    return inference.student(numbers), numbers


def designs() -> list[Design]:
  """Returns what is simulated, in the order of the table."""
  sizes = (2, 3, 5, 10)
  return [
    *(one for count in sizes for one in _alone(count)),
    *(one for count in sizes for one in _compared(count)),
    *_odd(),
  ]


def _alone(count: int) -> list[Design]:
  """Returns designs of so many networks that are compared with zero."""
  seeds, name = range(count), f"{count} networks"
  return [
    Design(f"{name}, 3 masks each", group(seeds)),
    Design(f"{name}, 1, 3, 9, ... masks", group(seeds, masks=(1, 3, 9))),
    Design(f"{name}, spread 1, 3, 1, ...", group(seeds, spread=(1.0, 3.0))),
  ]


def _compared(count: int) -> list[Design]:
  """Returns designs of two groups of so many networks."""
  seeds, others = range(count), range(100, 100 + count)
  one, paired, unpaired = (
    group(seeds), f"{count} + {count}, pairs", f"{count} + {count}, no pairs",
  )  # fmt: skip
  return [
    Design(paired, one, one),
    Design(f"{paired}, correlation -0.5", one, one, -CORRELATION),
    Design(
      f"{paired}, 1, 3, 9, ... masks",
      group(seeds, masks=(1, 3, 9)),
      group(seeds, masks=(9, 1, 3)),
    ),
    Design(f"{paired}, spread 1 and 3", one, group(seeds, spread=(3.0,))),
    Design(unpaired, one, group(others)),
    Design(f"{unpaired}, spread 1 and 3", one, group(others, spread=(3.0,))),
  ]


def _odd() -> list[Design]:
  """Returns designs that are paired in part, and groups of two sizes."""
  two, three, five = (group(range(count)) for count in (2, 3, 5))
  far = range(100, 105)
  return [
    Design("5 + 5, three pairs", five, group((0, 1, 2, 100, 101))),
    Design("2 + 3, two pairs", two, three),
    Design("3 + 3, one pair", three, group((0, 100, 101))),
    Design("2 + 3, no pairs", two, group(far[:3])),
    Design(
      "2 + 3, no pairs, spread 3 and 1",
      group(range(2), spread=(3.0,)),
      group(far[:3]),
    ),
    Design(
      "3 + 5, no pairs, spread 3 and 1",
      group(range(3), spread=(3.0,)),
      group(far),
    ),
  ]
