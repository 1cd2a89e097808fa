"""All classes of networks, by name."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from structcomp_jax import search, trees, types
from structcomp_jax.studies.planted import network as networks
from structcomp_jax.studies.planted import problems
from structcomp_jax.studies.planted.classes import by_hand, modular, trained
from structcomp_jax.studies.planted.network import Network
from structcomp_jax.studies.planted.problems import SUBROUTINES, Pair

# A block counts if it does its subroutine this well, and a network if it finds
# the odd one this well where it lacks A alone, and where it lacks B alone.
_GOOD_BLOCK = 0.99
_WORKS = 0.9
# A unit is needed if its removal costs this much of the accuracy.
NEEDED = 0.05
_ODD_TASKS = ("odd_A", "odd_B")
_BLOCK = (problems.NUM_BITS, 16, 8, 4)
_LINEAR_BLOCK = (problems.NUM_BITS, 16, 4, 4)
_NARROW = (problems.NUM_BITS, 5, 4)
_IDLE = (4, 2)
_CROSS = 0.05


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


def _that_work(effort, seed, planted):
  """Returns the networks that work, no more than wanted."""
  tests = effort.sets(planted.pair, seed)["test"]
  good = np.ones(planted.num_networks, bool)
  for task in _ODD_TASKS:
    good &= _right(planted.network, planted.params, tests[task]) > _WORKS
  return dataclasses.replace(
    planted,
    **{
      name: trained.choose(rows, good, effort.num_networks)
      for name in ("params", "truth", "start")
      if (rows := getattr(planted, name)) is not None
    },
  )


def _right(network, params, tests):
  return np.asarray(networks.accuracy(network, params, tests))


def _blocks(effort, seed, network):
  """Returns good blocks of both subroutines as rows, as many of each."""
  size = int(effort.num_networks * effort.pool)
  sets = effort.sets(Pair(), seed)
  recipe = trained.Recipe(num_steps=effort.num_steps)
  found = []
  for place, task in enumerate(SUBROUTINES):
    start = network.init(size, 2 * seed + place)
    params = trained.train(network, start, sets["train"][task], recipe, seed)
    right = _right(network, params, sets["test"][task])
    good = trained.choose(params, right >= _GOOD_BLOCK, size)
    found.append(jax.device_get(modular.unit_outputs(network, good)))
  return found


def _joined(effort, seed, *, cross=0.0, num_idle=(0, 0), is_mixed=False):
  """Returns networks of two blocks."""
  block = Network(_LINEAR_BLOCK, (1,)) if is_mixed else Network(_BLOCK)
  firsts, seconds = _blocks(effort, seed, block)
  random = np.random.default_rng(seed)
  made, truths = [], []
  for row in range(min(map(trees.num_rows, (firsts, seconds)))):
    params, truth = modular.join(
      trees.row(firsts, row),
      trees.row(seconds, row),
      random,
      cross=cross,
      num_idle=num_idle,
    )
    made.append(modular.mix(params, 1, random) if is_mixed else params)
    truths.append(truth)
  sizes = tuple(
    2 * size + idle
    for size, idle in zip(block.sizes[1:], (*num_idle, 0), strict=True)
  )
  planted = Planted(
    Network((problems.NUM_BITS, *sizes), block.linear),
    trees.stack(made),
    truth=None if is_mixed else trees.stack(truths),
  )
  return _that_work(effort, seed, planted)


def _modular(effort, seed):
  return _joined(effort, seed)


def _modular_cross(effort, seed):
  return _joined(effort, seed, cross=_CROSS, num_idle=_IDLE)


def _mixed(effort, seed):
  return _joined(effort, seed, is_mixed=True)


def _shared(effort, seed):
  random = np.random.default_rng(seed)
  size = int(effort.num_networks * effort.pool)
  made = [by_hand.shared(random)[0] for _ in range(size)]
  planted = Planted(Network(), trees.stack(made), by_hand.SHARED)
  return _that_work(effort, seed, planted)


def _template(effort, seed):
  random = np.random.default_rng(seed)
  made = [by_hand.template(random) for _ in range(effort.num_networks)]
  return Planted(Network(), trees.stack(made))


def _entangled(effort, seed):
  """One layer of five units, every one of which both subroutines need."""
  network = Network(_NARROW)
  start = network.init(int(effort.num_networks * effort.narrow_pool), seed)
  sets = effort.sets(Pair(), seed)
  params = trained.train(
    network,
    start,
    search.halves(*(sets["train"][task] for task in SUBROUTINES)),
    trained.Recipe(effort.num_steps, learning_rate=1e-2, weight_decay=0.0),
    seed,
  )
  needed = np.ones(trees.num_rows(params), bool)
  for task in _ODD_TASKS:
    costs = networks.unit_costs(network, params, sets["test"][task])
    needed &= (costs > NEEDED).all(axis=0)
  params, start = (
    trained.choose(rows, needed, len(needed)) for rows in (params, start)
  )
  return _that_work(effort, seed, Planted(network, params, start=start))


def _untrained(effort, seed):
  network = Network()
  return Planted(network, network.init(effort.num_networks, seed))


def _both_tasks(effort, seed):
  sets = effort.sets(Pair(), seed)["train"]
  data = search.halves(*(sets[task] for task in SUBROUTINES))
  return _whole(effort, seed, data)


def _end_to_end(effort, seed):
  return _whole(effort, seed, effort.sets(Pair(), seed)["train"]["base"])


def _whole(effort, seed, data):
  """Returns networks of the default size, trained on some problems."""
  network = Network()
  start = network.init(effort.num_networks, seed)
  recipe = trained.Recipe(
    effort.num_steps, learning_rate=3e-3, weight_decay=1e-2
  )
  params = trained.train(network, start, data, recipe, seed)
  return Planted(network, jax.tree.map(np.asarray, params), start=start)


# Name -> (wanted networks and training, seed) -> networks.
CLASSES: dict[str, Callable[[Effort, int], Planted]] = {
  "modular": _modular,
  "modular_cross": _modular_cross,
  "mixed": _mixed,
  "shared": _shared,
  "template": _template,
  "entangled": _entangled,
  "untrained": _untrained,
  "end_to_end": _end_to_end,
  "both_tasks": _both_tasks,
}
