"""Networks that find the odd item of a problem.

Every class here is a frozen dataclass that is equal by value: two networks made
from equal configs are equal, and so are their functions, by which compiled
programs are kept. (A bound method is not: Python compares its object by
identity.)
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from structcomp_jax import types
from structcomp_jax.models.staged import Staged
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
class OddOneOutNetwork:
  """A model that embeds the items of problems one by one.

  Attributes:
    model: embeds items.
    inputs: what it reads of every item.
    stage: the first stage to compute; then batches hold what enters it. Empty:
      all stages.
  """

  model: Staged
  inputs: tuple[Input, ...]
  stage: str = ""

  @property
  def stages(self) -> tuple[str, ...]:
    """Names of the stages, first to last."""
    return self.model.stages

  @property
  def loss_fn(self) -> "Loss":
    """(params, batch) -> mean loss."""
    return Loss(self)

  @property
  def metrics_fn(self) -> "Metrics":
    """(params, batch) -> {"loss", "accuracy", "margin": f32[problems]}."""
    return Metrics(self)

  def init(self, key: jax.Array) -> types.Params:
    """Returns fresh weights."""
    inputs = {
      name: jnp.zeros((1, *shape), dtype) for name, shape, dtype in self.inputs
    }
    params: types.Params = self.model.init(key, inputs)["params"]
    return params

  def embed(self, params: types.Params, batch: types.Batch) -> jax.Array:
    """Returns float[problems, items, features]."""
    if not self.stage:
      return self._of_items(params, batch)
    # Features may be stored in a narrower dtype than the model computes in.
    features = jax.tree.map(self._in_dtype, dict(batch))
    return self._of_items(params, features, self.stage, method="from_stage")

  def features_before(
    self, params: types.Params, batch: types.Batch, stage: str
  ) -> types.Batch:
    """Returns what enters a stage, arrays [problems, items, ...]."""
    features: types.Batch = self._of_items(
      params, batch, stage, method="features_before"
    )
    return features

  def from_stage(self, stage: str) -> "OddOneOutNetwork":
    """Returns the network that reads what `features_before` returns."""
    return dataclasses.replace(self, stage=stage)

  def in_dtype(self, dtype: str) -> "OddOneOutNetwork":
    """Returns the network that computes in a dtype."""
    # One spelling: jnp.float32 equals this, but has another hash.
    model = self.model.clone(dtype=jnp.dtype(dtype))
    return dataclasses.replace(self, model=model)

  def _of_items(
    self, params: types.Params, batch: types.Batch, *args: Any, **options: Any
  ) -> Any:
    """Applies the model to the items of all problems at once."""
    num_problems, num_items = next(iter(batch.values())).shape[:2]
    items = {
      name: array.reshape(-1, *array.shape[2:]) for name, array in batch.items()
    }
    results = self.model.apply({"params": params}, items, *args, **options)
    return jax.tree.map(
      lambda array: array.reshape(num_problems, num_items, *array.shape[1:]),
      results,
    )

  def _in_dtype(self, array: jax.Array) -> jax.Array:
    is_float = jnp.issubdtype(array.dtype, jnp.floating)
    return array.astype(self.model.dtype) if is_float else array


@dataclasses.dataclass(frozen=True)
class Metrics:
  """The metrics of a network, a `types.MetricsFn`."""

  network: OddOneOutNetwork

  def __call__(
    self, params: types.Params, batch: types.Batch, /
  ) -> dict[str, jax.Array]:
    """Returns {"loss", "accuracy", "margin": f32[problems]}."""
    return odd_one_out.problem_metrics(self.network.embed(params, batch))


@dataclasses.dataclass(frozen=True)
class Loss:
  """The mean loss of a network, a `types.LossFn`."""

  network: OddOneOutNetwork

  def __call__(self, params: types.Params, batch: types.Batch, /) -> jax.Array:
    """Returns f32, the mean over the problems of `batch`."""
    return self.network.metrics_fn(params, batch)["loss"].mean()


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
