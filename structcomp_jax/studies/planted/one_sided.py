"""The published statistics: a mask for each subroutine, and what it leaves."""

import dataclasses
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from structcomp_jax import masks, trees, types
from structcomp_jax.engine import parallel
from structcomp_jax.studies.planted.asking import Search, Sets
from structcomp_jax.studies.planted.network import Network, accuracy
from structcomp_jax.studies.planted.problems import SUBROUTINES

_D = ("D_sub", "-D_abl")
# What follows the name of a statistic for random masks of equal sizes.
RANDOM_MASKS = ", random masks"
PUBLISHED = Search("continuous_sparsification", num_samples=1, penalty=1e-4)


@dataclasses.dataclass(frozen=True)
class OneSided:
  """The published way: a mask for each subroutine, and what it leaves.

  D_sub is the accuracy of the subnetwork on its subroutine less that on the
  other one, D_abl the same of the network without it. The score of a network is
  the worse one of its two subroutines, D_abl with its sign turned.

  Attributes:
    search: how the masks are searched.
  """

  search: Search = PUBLISHED

  @property
  def names(self) -> tuple[str, ...]:
    """With the penalty, on which the numbers depend."""
    return tuple(f"{name}, penalty {self.search.penalty:g}" for name in _D)

  def scores(
    self, network: Network, params: types.Params, sets: Sets, seed: int
  ) -> dict[str, np.ndarray]:
    """See `Statistic`; the same of random masks of equal sizes beside it."""
    learned = one_mask_each(self.search, network, params, sets, seed)
    drawn = []
    for place, mask in enumerate(learned):
      keys = jax.random.split(
        jax.random.key(2 * seed + place), trees.num_rows(params)
      )
      drawn.append(jax.vmap(masks.random_like)(mask, keys))
    scores, random = (
      worse(differences(network, params, mask, sets["test"]))
      for mask in (learned, drawn)
    )
    return dict(zip(self.names, scores, strict=True)) | {
      f"{name}{RANDOM_MASKS}": value
      for name, value in zip(self.names, random, strict=True)
    }


def one_mask_each(
  search: Search,
  network: Network,
  params: types.Params,
  sets: Sets,
  seed: int,
) -> list[types.Mask]:
  """Returns a mask of A and one of B for every network, searched by itself."""
  return [
    parallel.fetch(
      search.run(network, params, sets["train"][task], 2 * seed + place).masks
    )
    for place, task in enumerate(SUBROUTINES)
  ]


def differences(
  network: Network,
  params: types.Params,
  both: Sequence[types.Mask],
  tests: Mapping[str, types.Batch],
) -> np.ndarray:
  """Returns D_sub and -D_abl of the masks of A and B, f[2, subroutines, rows].

  Args:
    network: the architecture.
    params: networks as rows.
    both: the masks of A and of B, of every network.
    tests: {task: problems}.
  """
  rest = [masks.complement(mask) for mask in both]
  return np.array(
    [
      task_difference(network, params, both, tests),
      -task_difference(network, params, rest, tests),
    ]
  )


def task_difference(
  network: Network,
  params: types.Params,
  both: Sequence[types.Mask],
  tests: Mapping[str, types.Batch],
) -> np.ndarray:
  """Returns the accuracy on the own `odd` problems less that on the others.

  Args:
    network: the architecture.
    params: networks as rows.
    both: what is kept, of every network, where A and where B is the own one.
    tests: {task: problems}.

  Returns:
    f[subroutines, rows].
  """
  found = []
  for own, other, kept in zip(
    SUBROUTINES, reversed(SUBROUTINES), both, strict=True
  ):
    made = jax.vmap(masks.merge)(params, kept)
    accuracies = [
      np.asarray(accuracy(network, made, tests[f"odd_{task}"]))
      for task in (own, other)
    ]
    found.append(accuracies[0] - accuracies[1])
  return np.array(found)


def worse(of_subroutines: np.ndarray) -> np.ndarray:
  """Returns the number of the worse subroutine, f[..., rows].

  Args:
    of_subroutines: f[..., subroutines, rows].
  """
  return of_subroutines.min(axis=-2)
