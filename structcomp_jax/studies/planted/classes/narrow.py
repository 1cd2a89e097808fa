"""Networks too narrow for two blocks."""

import numpy as np

from structcomp_jax import trees
from structcomp_jax.studies.planted import network as networks
from structcomp_jax.studies.planted.classes import making, trained
from structcomp_jax.studies.planted.classes.by_hand_mlp import SHARED
from structcomp_jax.studies.planted.classes.kinds import Kind
from structcomp_jax.studies.planted.classes.planted import (
  ODD_TASKS,
  Effort,
  Planted,
  that_work,
  those,
)

_RECIPE = trained.Recipe(learning_rate=1e-2, weight_decay=0.0)


def entangled(kind: Kind, effort: Effort, seed: int) -> Planted:
  """Returns networks all of whose units both subroutines need.

  Both are of `SHARED`: they have bits in common, so that more networks qualify.

  Args:
    kind: an architecture with narrow networks.
    effort: how many, and their training.
    seed: of everything.
  """
  network = kind.narrow
  assert network is not None, f"{kind.title} have no narrow networks"
  start = network.init(int(effort.num_networks * effort.narrow_pool), seed)
  sets = effort.sets(SHARED, seed)
  params = trained.train(
    network,
    start,
    making.both_subroutines(sets["train"]),
    _RECIPE,
    num_steps=effort.num_steps,
    seed=seed,
  )
  needed = np.ones(trees.num_rows(params), bool)
  for task in ODD_TASKS:
    costs = networks.unit_costs(network, params, sets["test"][task])
    needed &= (costs > making.NEEDED).all(axis=0)
  planted = Planted(network, params, SHARED, start=start)
  return that_work(effort, seed, those(planted, needed, len(needed)))
