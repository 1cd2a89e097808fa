"""One row of a search: seed and hyperparameters as data."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from structcomp_jax import settings, types

# What can be given for each axis, slowest first.
_EXAMPLES = {
  "learning_rates": "(1e-4,)",
  "init_logits": "(0.0,)",
  "penalties": "(1e-8,)",
  "seeds": "(0, 1)",
}


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
  axes = check_axes(
    {
      "learning_rates": learning_rates,
      "init_logits": init_logits,
      "penalties": penalties,
      "seeds": seeds,
    }
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


def check_axes(axes: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
  """Returns the axes of a grid as tuples of numbers.

  >>> check_axes({"seeds": [3, 4]})
  {'seeds': (3, 4)}

  Args:
    axes: {name of an argument of `grid`: values}.

  Raises:
    UserError: an axis is empty, no sequence, or holds a value twice or one that
      no search can run with.
  """
  checked = {
    name: settings.sequence(name, values, _EXAMPLES[name])
    for name, values in axes.items()
  }
  for name, values in checked.items():
    if not values:
      raise types.UserError(f"{name} is empty; give at least one value")
    for value in values:
      _check_value(name, value)
    if len(set(values)) < len(values):
      raise types.UserError(
        f"{name} {values} holds a value twice; give each value once"
      )
  return checked


def _check_value(name: str, value: Any) -> None:
  if name == "seeds":
    settings.whole(name, value)
  elif name == "learning_rates":
    settings.real(name, value, above=0)
  else:
    settings.real(name, value, least=0 if name == "penalties" else -math.inf)
