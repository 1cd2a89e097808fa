"""More of what removing weights can tell: other densities, half of a mask.

Both begin with one-sided masks, as published. A mask may be too large, so that
what is left can do nothing, or too small, so that what it does is done
elsewhere as well: `Curves` looks at many densities. And it may have removed
more than the subroutine: `Restored` gives half of it back.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import flatten_util

from structcomp_jax import masks, trees, types
from structcomp_jax.studies.planted.asking import Search, Sets, Statistic
from structcomp_jax.studies.planted.network import Loss, Network
from structcomp_jax.studies.planted.one_sided import (
  PUBLISHED,
  differences,
  one_mask_each,
  task_difference,
  worse,
)
from structcomp_jax.studies.planted.problems import SUBROUTINES

_DRAWS = 4


@dataclasses.dataclass(frozen=True)
class Curves:
  """Whether masks of some density are sufficient and necessary at once.

  Masks are searched at several penalties. D_sub says how sufficient a mask is,
  -D_abl how necessary; the lower one of both counts, and of all penalties the
  best. A network has the number of its worse subroutine.

  Attributes:
    search: how masks are searched, but for the penalty.
    penalties: of a weight.
  """

  search: Search = PUBLISHED
  penalties: tuple[float, ...] = (0.0, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3)
  names: ClassVar[tuple[str, ...]] = ("D_sub and -D_abl at the best density",)

  def scores(
    self, network: Network, params: types.Params, sets: Sets, seed: int
  ) -> dict[str, np.ndarray]:
    """See `Statistic`."""
    found = []
    for penalty in self.penalties:
      search = dataclasses.replace(self.search, penalty=penalty)
      both = one_mask_each(search, network, params, sets, seed)
      numbers = differences(network, params, both, sets["test"])
      found.append(numbers.min(axis=0))
    return {self.names[0]: worse(np.max(found, axis=0))}


@dataclasses.dataclass(frozen=True)
class Restored:
  """-D_abl where half of the removed weights are switched on again.

  The half is drawn at random (mean of some draws), or has those weights that
  matter most: the largest |weight x gradient| of the own loss in the ablated
  network. Where parts are separate, half of a part is not the part.

  Attributes:
    search: how masks are searched.
  """

  search: Search = PUBLISHED
  names: ClassVar[tuple[str, ...]] = (
    "-D_abl, a random half restored",
    "-D_abl, the half that matters restored",
  )

  def scores(
    self, network: Network, params: types.Params, sets: Sets, seed: int
  ) -> dict[str, np.ndarray]:
    """See `Statistic`."""
    both = one_mask_each(self.search, network, params, sets, seed)
    key = jax.random.key(seed)

    def score(halves: list[types.Mask]) -> np.ndarray:
      kept = [
        jax.tree.map(lambda whole, half: ~whole | half, mask, half)
        for mask, half in zip(both, halves, strict=True)
      ]
      return -task_difference(network, params, kept, sets["test"])

    drawn = [
      score([random_half(mask, jax.random.fold_in(key, draw)) for mask in both])
      for draw in range(_DRAWS)
    ]
    chosen = [
      half_that_matters(network, params, mask, sets["train"][task])
      for task, mask in zip(SUBROUTINES, both, strict=True)
    ]
    numbers = worse(np.mean(drawn, axis=0)), worse(score(chosen))
    return dict(zip(self.names, numbers, strict=True))


def random_half(mask: types.Mask, key: jax.Array) -> types.Mask:
  """Returns about half of the units that a mask keeps, drawn with a key."""
  keys = jax.random.split(key, len(mask))
  return {
    path: leaf & jax.random.bernoulli(one, 0.5, leaf.shape)
    for one, (path, leaf) in zip(keys, sorted(mask.items()), strict=True)
  }


def half_that_matters(
  network: Network, params: types.Params, mask: types.Mask, data: types.Batch
) -> types.Mask:
  """Returns the half of what masks keep that the ablated networks miss most.

  Args:
    network: the architecture.
    params: networks as rows.
    mask: {path: bool[rows, ...]}, weights that are removed.
    data: problems of the loss whose gradient tells what matters.
  """
  loss = Loss(network)

  def of_row(row, kept):
    ablated = masks.merge(row, masks.complement(kept))
    leaves = trees.leaves_by_path(jax.grad(loss)(ablated, data))
    weights = trees.leaves_by_path(row)
    # What is not in the mask is no candidate.
    effect = {
      path: jnp.where(leaf, jnp.abs(weights[path] * leaves[path]), -1.0)
      for path, leaf in kept.items()
    }
    every, unravel = flatten_util.ravel_pytree(effect)
    rank = jnp.argsort(jnp.argsort(-every, stable=True))
    half = ((every >= 0).sum() + 1) // 2
    chosen = unravel((rank < half).astype(every.dtype))
    return {path: leaf > 0 for path, leaf in chosen.items()}

  return jax.jit(jax.vmap(of_row))(params, mask)


REMOVAL: tuple[Statistic, ...] = (Curves(), Restored())
