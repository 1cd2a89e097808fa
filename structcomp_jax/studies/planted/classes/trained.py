"""Networks that are trained: on one property, on both, or on the whole task."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax

from structcomp_jax import training, trees, types
from structcomp_jax.engine import parallel
from structcomp_jax.search import two_sided
from structcomp_jax.studies.planted import importance
from structcomp_jax.studies.planted.network import Loss, Metrics, Network

# Networks that are trained at once; a pool of many hundreds would take several
# gigabytes.
_AT_ONCE = 128


@dataclasses.dataclass(frozen=True)
class Recipe:
  """How networks are trained: AdamW.

  Attributes:
    learning_rate: of AdamW.
    weight_decay: of AdamW.
    batch_size: problems a step, of every task that is trained.
  """

  learning_rate: float = 5e-3
  weight_decay: float = 1e-3
  batch_size: int = 64


@dataclasses.dataclass(frozen=True)
class _Sum:
  """The losses of two tasks together: metrics, or their mean."""

  network: Network
  is_mean: bool

  def __call__(self, params, batch):
    first, second = (
      Metrics(self.network)(params, batch[half])["loss"]
      for half in two_sided.HALVES
    )
    loss = first + second
    return loss.mean() if self.is_mean else {"loss": loss}


def train(
  network: Network,
  params: types.Params,
  problems: types.Batch,
  recipe: Recipe,
  *,
  num_steps: int,
  seed: int,
  keeps_zeros: bool = False,
) -> types.Params:
  """Trains networks on one task, each on batches of its own.

  Args:
    network: the architecture.
    params: networks to start from, as rows; not changed.
    problems: of one task, or `search.halves` of two: the sum of their losses.
    recipe: how.
    num_steps: optimiser steps.
    seed: of the batches.
    keeps_zeros: whether masked weights that are 0 stay 0.

  Returns:
    Like `params`, of the look with the lowest loss.
  """
  loss_fn: types.LossFn
  metrics_fn: types.MetricsFn
  if set(problems) == set(two_sided.HALVES):
    loss_fn, metrics_fn = _Sum(network, True), _Sum(network, False)
  else:
    loss_fn, metrics_fn = Loss(network), Metrics(network)
  config = training.TrainConfig(
    num_steps=num_steps,
    look_every=max(num_steps // 8, 1),
    steps_per_call=num_steps,
    batch_size=recipe.batch_size,
    with_replacement=True,
    patience=num_steps,
    vmap_width=_AT_ONCE,
  )
  optimizer = optax.adamw(
    recipe.learning_rate, weight_decay=recipe.weight_decay
  )
  if keeps_zeros:
    optimizer = optax.chain(optimizer, _keep_zeros(network.spec(params).paths))
  state = jax.vmap(
    lambda row, start: training.init_state(
      row, start, config, optimizer=optimizer
    )
  )(jnp.arange(trees.num_rows(params)), jax.tree.map(jnp.array, params))
  final = training.run(
    loss_fn,
    metrics_fn,
    state,
    problems,
    # As many problems as a look needs to tell better from worse.
    jax.tree.map(lambda leaf: leaf[:512], dict(problems)),
    config,
    key=jax.random.key(seed),
    optimizer=optimizer,
  )
  return training.fetch_best(final)["params"]


def prune(
  network: Network,
  params: types.Params,
  problems: types.Batch,
  recipe: Recipe,
  *,
  shares: Sequence[float],
  num_steps: int,
  seed: int,
) -> types.Params:
  """Sets the weights to 0 that matter least, and trains on, several times.

  Args:
    network: the architecture.
    params: trained networks as rows; not changed.
    problems: of the task they were trained on.
    recipe: how they are trained.
    shares: of the masked weights that are left after each round.
    num_steps: of each round.
    seed: of the batches.
  """
  for share in shares:
    changes = importance.output_changes(network, params)
    every = jnp.concatenate(
      [leaf.reshape(len(leaf), -1) for leaf in changes.values()], axis=1
    )
    limits = jnp.quantile(every, 1 - share, axis=1)
    leaves = trees.leaves_by_path(params)
    kept = {
      path: jax.vmap(lambda leaf, change, limit: leaf * (change >= limit))(
        leaves[path], change, limits
      )
      for path, change in changes.items()
    }
    params = train(
      network,
      trees.replace_leaves(params, kept),
      problems,
      recipe,
      num_steps=num_steps,
      seed=seed,
      keeps_zeros=True,
    )
  return params


def _keep_zeros(paths: Sequence[str]) -> optax.GradientTransformation:
  """Stops updates of weights that are 0, of the leaves with these paths."""

  def update(updates, params):
    moved, leaves = (trees.leaves_by_path(tree) for tree in (updates, params))
    return trees.replace_leaves(
      updates,
      {path: jnp.where(leaves[path] == 0, 0, moved[path]) for path in paths},
    )

  return optax.stateless(update)


def choose(params: types.Params, good: np.ndarray, num: int) -> types.Params:
  """Returns the first rows that are good, at most so many."""
  return trees.row(parallel.fetch(params), np.flatnonzero(good)[:num])
