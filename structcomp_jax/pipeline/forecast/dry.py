"""An experiment that reads, draws, computes and writes nothing: shapes alone.

Arrays of examples have the sizes of the config and no memory of their own.
"""

import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from structcomp_jax import trees, types
from structcomp_jax.pipeline import rounds
from structcomp_jax.pipeline.features import place
from structcomp_jax.pipeline.features.cache import FeatureCache
from structcomp_jax.pipeline.forecast.device import Machine
from structcomp_jax.pipeline.frozen import FrozenNetwork
from structcomp_jax.pipeline.study import Study, param_shapes
from structcomp_jax.pipeline.workplace import Workplace

# Enough for every class and level among them, few enough to be made at once.
_SAMPLE = 64


class DryWorkplace(Workplace):
  """A place of work whose directory is not touched.

  Attributes (besides those of `Workplace`):
    machine: what programs are made for.
  """

  def __init__(
    self, study: Study, workdir: str | pathlib.Path, machine: Machine
  ):
    super().__init__(study, workdir)
    self.machine = machine
    self._sample: types.Batch | None = None

  @property
  def base_seeds(self) -> tuple[int, ...]:
    """Those of the first round."""
    return rounds.planned(self.config)[0]

  def read(self, task: str, split: str) -> types.Batch:
    """Returns arrays of the right shapes.

    A task that is part of a data set is taken to have all of its problems.
    """
    if self._sample is None:
      first = next(iter(self.study.datasets.values()))
      self._sample = first.encode(self.study.sample(_SAMPLE))
    count = self.sizes(task)[split]
    return jax.tree.map(
      lambda leaf: without_memory((count, *leaf.shape[1:]), leaf.dtype),
      self._sample,
    )

  def load(self, task: str, split: str) -> types.Batch:
    """Returns what `read` does."""
    return self.read(task, split)

  def space(self, cache_gigabytes: float) -> place.Space:
    """Returns the space of the machine that is planned for."""
    return self.machine.space(cache_gigabytes, self.paths.workdir)

  def choose(self, file: str, name: str, make: Callable[[], Any]) -> Any:
    """Returns a choice that is made now, and kept nowhere."""
    return make()

  def say_once(self, text: str) -> None:
    """Says nothing: nothing is done."""


class DryNetwork(FrozenNetwork):
  """A network whose weights are shapes."""

  def __init__(self, work: DryWorkplace):
    self.work, self.params = work, param_shapes(work.study.network)
    self._features = _DryFeatures(work, self.params, "")

  def _first_stage(self, masked_from: Any) -> str:
    return self.work.study.masked_stages(masked_from)[0]

  def place(self, masked_from: Any) -> str:
    """Returns where features lie, "off" where none are kept."""
    return self._features.place(self._first_stage(masked_from))

  def feature_program(
    self, masked_from: Any
  ) -> Callable[[types.Params, types.Batch], types.Batch]:
    """Returns (params, examples) -> features."""
    return self._features.program(self._first_stage(masked_from))


class _DryFeatures(FeatureCache):
  """Features that are never computed."""

  def examples(self, stage: str, task: str, split: str) -> types.Batch:
    examples = self._work.load(task, split)
    if self.place(stage) == "off":
      return examples
    shapes = self._shapes(stage, trees.num_rows(examples))
    return jax.tree.map(
      lambda leaf: without_memory(leaf.shape, leaf.dtype), shapes
    )


def without_memory(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
  """Returns an array of zeros, all of which are the same few bytes.

  >>> without_memory((10**6, 10**6), "float32").shape
  (1000000, 1000000)
  """
  return np.broadcast_to(np.zeros((), dtype), shape)
