"""One row of a search: seed and hyperparameters as data."""

import itertools
import math
from collections.abc import Sequence

import flax.struct
import jax
import jax.numpy as jnp

from structcomp_jax import types


class Candidate(flax.struct.PyTreeNode):
  """Hyperparameters of one mask; stacked: a leading axis on every field.

  Attributes:
    seed: i32. Order of the data and mask noise.
    learning_rate: f32. Adam's step size.
    init_logit: f32. Initial value of every mask logit.
    penalty: f32. Loss per weight that the mask is expected to keep, summed
      over selected leaves and independent of the batch size.
  """

  seed: jax.Array
  learning_rate: jax.Array
  init_logit: jax.Array
  penalty: jax.Array

  def describe(self) -> str:
    """Returns one line that names an unstacked candidate."""
    return (
      f"seed {int(self.seed)}, learning_rate {float(self.learning_rate):g}, "
      f"mask_init {float(self.init_logit):g}, penalty {float(self.penalty):g}"
    )


def grid(
  *,
  seeds: Sequence[int] = (0,),
  learning_rates: Sequence[float] = (1e-4,),
  init_logits: Sequence[float] = (0.0,),
  penalties: Sequence[float] = (1e-8,),
) -> Candidate:
  """Returns the stacked product of the four axes, seeds varying fastest.

  >>> rows = grid(seeds=(0, 1), init_logits=(0.0, 0.5))
  >>> rows.seed.tolist(), rows.init_logit.tolist()
  ([0, 1, 0, 1], [0.0, 0.0, 0.5, 0.5])

  Raises:
    UserError: an axis is empty or holds a value no search can run with.
  """
  axes = {
    "learning_rates": learning_rates,
    "init_logits": init_logits,
    "penalties": penalties,
    "seeds": seeds,
  }
  for name, values in axes.items():
    if not values:
      raise types.UserError(f"{name} is empty; give at least one value")
    if not all(math.isfinite(value) for value in values):
      raise types.UserError(f"{name} {tuple(values)} must be finite numbers")
  if min(learning_rates) <= 0:
    raise types.UserError(
      f"learning_rates {tuple(learning_rates)} must be positive"
    )
  columns = list(zip(*itertools.product(*axes.values()), strict=True))
  learning_rate, init_logit, penalty = (
    jnp.asarray(column, jnp.float32) for column in columns[:3]
  )
  return Candidate(
    seed=jnp.asarray(columns[3], jnp.int32),
    learning_rate=learning_rate,
    init_logit=init_logit,
    penalty=penalty,
  )
