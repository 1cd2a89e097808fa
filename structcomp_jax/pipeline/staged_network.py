"""What networks of named stages have in common, whatever they are asked.

Every class here is a frozen dataclass that is equal by value: two networks made
from equal configs are equal, and so are their functions, by which compiled
programs are kept. (A bound method is not: Python compares its object by
identity.)
"""

import abc
import dataclasses
from typing import Any, Self

import jax
import jax.numpy as jnp

from structcomp_jax import training, types
from structcomp_jax.models.staged import Staged


@dataclasses.dataclass(frozen=True)
class StagedNetwork(abc.ABC):
  """A model and how its output is judged; a `pipeline.study.Network`.

  Attributes:
    model: the model.
    stage: the first stage to compute; then batches hold what enters it. Empty:
      all stages.
  """

  model: Staged
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
    """(params, batch) -> metrics of every example."""
    return Metrics(self)

  @property
  def moving_loss_fn(self) -> training.MovingLossFn | None:
    """The loss of a network with running statistics, see `training.run`."""
    return None

  @abc.abstractmethod
  def init(self, key: jax.Array) -> types.Params:
    """Returns fresh weights."""

  @abc.abstractmethod
  def metrics(
    self, params: types.Params, batch: types.Batch
  ) -> dict[str, jax.Array]:
    """Returns {"loss", "accuracy", ...: f32[batch]}."""

  @abc.abstractmethod
  def features_before(
    self, params: types.Params, batch: types.Batch, stage: str
  ) -> types.Batch:
    """Returns what enters a stage, arrays [batch, ...]."""

  def loss(self, params: types.Params, batch: types.Batch) -> jax.Array:
    """Returns f32, the mean loss of a batch."""
    return self.metrics(params, batch)["loss"].mean()

  def from_stage(self, stage: str) -> Self:
    """Returns the network that reads what `features_before` returns."""
    return dataclasses.replace(self, stage=stage)

  def in_dtype(self, dtype: str) -> Self:
    """Returns the network that computes in a dtype."""
    # One spelling: jnp.float32 equals this, but has another hash.
    model = self.model.clone(dtype=jnp.dtype(dtype))
    return dataclasses.replace(self, model=model)

  def apply(
    self, params: types.Params, inputs: types.Batch, **options: Any
  ) -> jax.Array:
    """Returns what the model makes of its inputs, or of features."""
    variables = {"params": params}
    if not self.stage:
      return self.model.apply(variables, inputs, **options)
    # Features may be stored in a narrower dtype than the model computes in.
    features = jax.tree.map(self._in_dtype, dict(inputs))
    return self.model.apply(
      variables, features, self.stage, method="from_stage", **options
    )

  def _in_dtype(self, array: jax.Array) -> jax.Array:
    is_float = jnp.issubdtype(array.dtype, jnp.floating)
    return array.astype(self.model.dtype) if is_float else array


@dataclasses.dataclass(frozen=True)
class Metrics:
  """The metrics of a network, a `types.MetricsFn`."""

  network: StagedNetwork

  def __call__(
    self, params: types.Params, batch: types.Batch, /
  ) -> dict[str, jax.Array]:
    """Returns {"loss", "accuracy", ...: f32[batch]}."""
    return self.network.metrics(params, batch)


@dataclasses.dataclass(frozen=True)
class Loss:
  """The mean loss of a network, a `types.LossFn`."""

  network: StagedNetwork

  def __call__(self, params: types.Params, batch: types.Batch, /) -> jax.Array:
    """Returns f32, the mean over the examples of `batch`."""
    return self.network.loss(params, batch)
