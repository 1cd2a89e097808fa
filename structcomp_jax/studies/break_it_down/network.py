"""Networks that find the odd item of a problem."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from structcomp_jax import types
from structcomp_jax.models.staged import Staged
from structcomp_jax.pipeline.staged_network import StagedNetwork
from structcomp_jax.tasks.odd_one_out import metrics as odd_one_out


class Input(NamedTuple):
  """One array that a model reads of every item.

  Attributes:
    name: its key in a batch.
    shape: of one item.
    dtype: its name.
  """

  name: str
  shape: tuple[int, ...]
  dtype: str


@dataclasses.dataclass(frozen=True)
class OddOneOutNetwork(StagedNetwork):
  """A model that embeds the items of problems one by one.

  Attributes (besides those of `StagedNetwork`):
    inputs: what the model reads of every item.
  """

  inputs: tuple[Input, ...] = ()

  def init(self, key: jax.Array) -> types.Params:
    """Returns fresh weights."""
    inputs = {
      name: jnp.zeros((1, *shape), dtype) for name, shape, dtype in self.inputs
    }
    params: types.Params = self.model.init(key, inputs)["params"]
    return params

  def metrics(
    self, params: types.Params, batch: types.Batch
  ) -> dict[str, jax.Array]:
    """Returns {"loss", "accuracy", "margin": f32[problems]}."""
    return odd_one_out.problem_metrics(self.embed(params, batch))

  def embed(self, params: types.Params, batch: types.Batch) -> jax.Array:
    """Returns float[problems, items, features]."""
    items, of_problems = _items(batch)
    return of_problems(self.apply(params, items))

  def features_before(
    self, params: types.Params, batch: types.Batch, stage: str
  ) -> types.Batch:
    """Returns what enters a stage, arrays [problems, items, ...]."""
    items, of_problems = _items(batch)
    features = self.model.apply(
      {"params": params}, items, stage, method="features_before"
    )
    return jax.tree.map(of_problems, features)


def _items(
  batch: types.Batch,
) -> tuple[types.Batch, Callable[[jax.Array], jax.Array]]:
  """Returns the items of all problems, and what sorts them into problems."""
  num_problems, num_items = next(iter(batch.values())).shape[:2]
  items = {
    name: array.reshape(-1, *array.shape[2:]) for name, array in batch.items()
  }
  return items, lambda array: array.reshape(
    num_problems, num_items, *array.shape[1:]
  )


@dataclasses.dataclass(frozen=True)
class EmbedImages:
  """A vision model as contrastive pretraining calls it."""

  model: Staged

  def __call__(self, params: types.Params, images: jax.Array) -> jax.Array:
    """Returns float[N, features] of f32[N, height, width, 3] in 0..1."""
    embedding: jax.Array = self.model.apply(
      {"params": params}, {"images": images}
    )
    return embedding
