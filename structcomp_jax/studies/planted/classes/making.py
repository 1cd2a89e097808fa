"""Classes that are made in the same way for every architecture."""

from collections.abc import Mapping, Sequence

import jax
import numpy as np

from structcomp_jax import search, trees, types
from structcomp_jax.studies.planted import network as networks
from structcomp_jax.studies.planted.classes import hiding, modular, trained
from structcomp_jax.studies.planted.classes.by_hand_mlp import SHARED
from structcomp_jax.studies.planted.classes.kinds import Kind
from structcomp_jax.studies.planted.classes.planted import (
  ODD_TASKS,
  Effort,
  Planted,
  that_work,
  those,
)
from structcomp_jax.studies.planted.classes.trained import Recipe
from structcomp_jax.studies.planted.network import Network, accuracy
from structcomp_jax.studies.planted.problems import SUBROUTINES, Pair

# A block counts if it does its subroutine this well.
GOOD_BLOCK = 0.99
# A unit is needed if its removal costs this much of the accuracy.
NEEDED = 0.05
# Of the weights of a block, what is left after each round of pruning. Fewer
# are too few for most multilayer perceptrons.
_SHARES = (0.5, 0.3, 0.2, 0.15)


def joined(kind: Kind, effort: Effort, seed: int) -> Planted:
  """Returns networks of two blocks, each trained on one subroutine alone."""
  return _joined(effort, seed, (kind.block, kind.joined), kind.block_recipe)


def with_cross(kind: Kind, effort: Effort, seed: int) -> Planted:
  """Returns the same with weights between blocks, and idle units."""
  both = (kind.block, kind.idle)
  return _joined(effort, seed, both, kind.block_recipe, cross=kind.cross)


def pruned(kind: Kind, effort: Effort, seed: int) -> Planted:
  """Returns two blocks of few weights, nearly all of which matter."""
  both = (kind.block, kind.joined)
  return _joined(effort, seed, both, kind.block_recipe, shares=_SHARES)


def mixed(kind: Kind, effort: Effort, seed: int) -> Planted:
  """Returns two blocks whose linear spaces are rotated together."""
  both = (kind.mixed_block, kind.mixed)
  planted = _joined(effort, seed, both, kind.block_recipe)
  random = np.random.default_rng(seed)
  rows = [
    hiding.mix(kind.mixed, trees.row(planted.params, row), random)
    for row in range(planted.num_networks)
  ]
  return Planted(kind.mixed, trees.stack(rows))


def shared(kind: Kind, effort: Effort, seed: int) -> Planted:
  """Returns networks with a trunk whose every unit both need."""
  hand = kind.by_hand
  random = np.random.default_rng(seed)
  size = int(effort.num_networks * effort.pool)
  made, trunks = zip(*(hand.shared(random) for _ in range(size)), strict=True)
  planted = Planted(kind.whole, trees.stack(made), SHARED)
  tests = effort.sets(SHARED, seed)["test"]
  needed = np.ones(size, bool)
  for task in ODD_TASKS:
    costs = networks.unit_costs(
      kind.whole, planted.params, tests[task], [hand.trunk_space]
    )
    of_trunk = np.take_along_axis(costs, np.array(trunks).T, axis=0)
    needed &= (of_trunk > NEEDED).all(axis=0)
  return that_work(effort, seed, those(planted, needed, size))


def template(kind: Kind, effort: Effort, seed: int) -> Planted:
  """Returns networks with a unit for each pattern that has A and B."""
  random = np.random.default_rng(seed)
  made = [kind.by_hand.template(random) for _ in range(effort.num_networks)]
  return that_work(effort, seed, Planted(kind.whole, trees.stack(made)))


def untrained(kind: Kind, effort: Effort, seed: int) -> Planted:
  """Returns networks with the weights that training begins with."""
  return Planted(kind.whole, kind.whole.init(effort.num_networks, seed))


def end_to_end(kind: Kind, effort: Effort, seed: int) -> Planted:
  """Returns networks that were trained on the whole task."""
  sets = effort.sets(Pair(), seed)["train"]
  return _whole(kind, effort, seed, sets["base"])


def both_tasks(kind: Kind, effort: Effort, seed: int) -> Planted:
  """Returns networks that were trained on both subroutines together."""
  sets = effort.sets(Pair(), seed)["train"]
  return _whole(kind, effort, seed, both_subroutines(sets))


def both_subroutines(sets: Mapping[str, types.Batch]) -> types.Batch:
  """Returns the problems of both, for `trained.train`."""
  return search.halves(*(sets[task] for task in SUBROUTINES))


def _whole(kind, effort, seed, data):
  network = kind.whole
  start = network.init(int(effort.num_networks * effort.pool), seed)
  params = _train(network, start, data, kind.whole_recipe, effort, seed)
  return that_work(effort, seed, Planted(network, params, start=start))


def _joined(
  effort: Effort,
  seed: int,
  both: tuple[Network, Network],
  recipe: Recipe,
  cross: float = 0.0,
  shares: Sequence[float] = (),
) -> Planted:
  """Returns networks of two blocks that work; `both` are block and whole."""
  block, whole = both
  firsts, seconds = _blocks(effort, seed, block, recipe, shares)
  random = np.random.default_rng(seed)
  of_block = networks.sizes(block, firsts)
  num_idle = {
    space: size - 2 * of_block[space]
    for space, size in networks.sizes(whole, whole.init(1, 0)).items()
  }
  made = [
    modular.join(
      trees.row(firsts, row),
      trees.row(seconds, row),
      block.axes,
      random,
      cross=cross,
      num_idle=num_idle,
    )
    for row in range(min(map(trees.num_rows, (firsts, seconds))))
  ]
  params, blocks = (trees.stack(rows) for rows in zip(*made, strict=True))
  masked = whole.spec(params).paths
  truth = {
    name: {path: leaves[path] for path in masked}
    for name, leaves in blocks.items()
  }
  return that_work(effort, seed, Planted(whole, params, truth=truth))


def _blocks(effort, seed, block, recipe, shares):
  """Returns good blocks of both subroutines as rows, pruned to the shares."""
  size = int(effort.num_networks * effort.pool)
  sets = effort.sets(Pair(), seed)
  found = []
  for place, task in enumerate(SUBROUTINES):
    start = block.init(size, 2 * seed + place)
    data = sets["train"][task]
    params = _train(block, start, data, recipe, effort, seed)
    params = trained.prune(
      block, params, data, recipe,
      shares=shares, num_steps=effort.num_steps // 2, seed=seed,
    )  # fmt: skip
    right = np.asarray(accuracy(block, params, sets["test"][task]))
    good = trained.choose(params, right >= GOOD_BLOCK, size)
    found.append(jax.device_get(modular.unit_outputs(block, good)))
  return found


def _train(
  network: Network,
  start: types.Params,
  data: types.Batch,
  recipe: Recipe,
  effort: Effort,
  seed: int,
) -> types.Params:
  """Trains networks for as many steps as the effort says."""
  return trained.train(
    network, start, data, recipe, num_steps=effort.num_steps, seed=seed
  )
