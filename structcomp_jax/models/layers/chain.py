"""Networks whose stages run one after the other on one array."""

import abc
from collections.abc import Sequence
from typing import ClassVar

import jax
from flax import linen as nn

from structcomp_jax.models import staged
from structcomp_jax.types import Batch


class Chain(nn.Module):
  """A `staged.Staged` network that hands on {"features": array}.

  Attributes:
    reads: the name of the array that it reads.
  """

  reads: ClassVar[str] = "features"

  @property
  @abc.abstractmethod
  def stages(self) -> tuple[str, ...]:
    """Names of the stages, first to last."""

  @abc.abstractmethod
  def _run(self, features: jax.Array, names: Sequence[str]) -> jax.Array:
    """Returns what stages that follow each other make of an array."""

  def __call__(self, inputs: Batch) -> jax.Array:
    """Returns the output for every item."""
    return self._run(inputs[self.reads], self.stages)

  def features_before(self, inputs: Batch, stage: str) -> Batch:
    """Returns {"features": what goes into `stage`}, one of `stages[1:]`."""
    names = self.stages[: staged.index(self, stage)]
    return {"features": self._run(inputs[self.reads], names)}

  def from_stage(self, features: Batch, stage: str) -> jax.Array:
    """Returns the output, given what enters `stage`."""
    names = self.stages[staged.index(self, stage) :]
    return self._run(features["features"], names)
