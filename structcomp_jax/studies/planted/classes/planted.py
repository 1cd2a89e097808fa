"""What a class of networks is made of, and which of its networks count."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from structcomp_jax import trees, types
from structcomp_jax.studies.planted import problems
from structcomp_jax.studies.planted.classes import trained
from structcomp_jax.studies.planted.network import Network, accuracy
from structcomp_jax.studies.planted.problems import Pair

# A network works if it finds the odd one this well where it lacks A alone, and
# where it lacks B alone.
WORKS = 0.9
ODD_TASKS = ("odd_A", "odd_B")


@dataclasses.dataclass(frozen=True)
class Effort:
  """How many networks are made of a class, and with what training.

  Attributes:
    num_networks: wanted.
    pool: networks trained for each that is wanted, where some are left out.
    narrow_pool: the same for `entangled`, where few qualify.
    num_problems: of every training task.
    num_tests: of every test task.
    num_steps: of every training.
  """

  num_networks: int = 60
  pool: float = 1.6
  narrow_pool: float = 8.0
  num_problems: int = 4000
  num_tests: int = 512
  num_steps: int = 4000

  def sets(self, pair: Pair, seed: int) -> dict[str, Any]:
    """Returns {"train", "test": {task: problems}} of two properties."""
    counts = {"train": self.num_problems, "test": self.num_tests}
    return problems.sets(pair, counts, seed)


@dataclasses.dataclass(frozen=True, eq=False)
class Planted:
  """Networks of one class.

  Attributes:
    network: their architecture.
    params: the networks as rows.
    pair: the properties they work with.
    truth: {subroutine: stacked mask of its block}, where there are blocks.
    start: the networks before their training as rows, where it began there.
  """

  network: Network
  params: types.Params
  pair: Pair = dataclasses.field(default_factory=Pair)
  truth: Mapping[str, types.AnyMask] | None = None
  start: types.Params | None = None

  @property
  def num_networks(self) -> int:
    """How many there are."""
    return trees.num_rows(self.params)

  def untrained(self, seed: int) -> types.Params:
    """Returns a network before training for each, as rows."""
    if self.start is not None:
      return self.start
    return self.network.init(self.num_networks, seed)


def those(planted: Planted, good: np.ndarray, most: int) -> Planted:
  """Returns the first networks that are good, at most so many.

  Args:
    planted: networks.
    good: bool[rows].
    most: how many are wanted.
  """
  return dataclasses.replace(
    planted,
    **{
      name: trained.choose(rows, good, most)
      for name in ("params", "truth", "start")
      if (rows := getattr(planted, name)) is not None
    },
  )


def that_work(effort: Effort, seed: int, planted: Planted) -> Planted:
  """Returns the networks that work, no more than wanted.

  Args:
    effort: how many, and the number of problems they are tested with.
    seed: of these problems.
    planted: networks.
  """
  tests = effort.sets(planted.pair, seed)["test"]
  good = np.ones(planted.num_networks, bool)
  for task in ODD_TASKS:
    right = accuracy(planted.network, planted.params, tests[task])
    good &= np.asarray(right) > WORKS
  return those(planted, good, effort.num_networks)
