"""A base network whose weights stay as they are, and what it makes of data.

Below the first masked stage every candidate computes the same features, step
after step: they are computed once and stand in for the data.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from absl import logging

from structcomp_jax import trees, types
from structcomp_jax.models import convolution
from structcomp_jax.recipes import experiment as experiments
from structcomp_jax.recipes.domain import Network

_GIGABYTE = 1e9


@functools.cache
def _say_once(text: str, *values: Any) -> None:
  logging.info(text, *values)


@dataclasses.dataclass(frozen=True, eq=False)
class FrozenNetwork:
  """One base network of an experiment.

  Attributes:
    experiment: the experiment.
    params: the weights.
  """

  experiment: experiments.Experiment
  params: types.Params

  @functools.cached_property
  def fingerprint(self) -> str:
    """Fingerprint of the weights."""
    return trees.fingerprint(self.params)

  def network(self, masked_from: Any) -> Network:
    """Returns the network to use with the problems of `problems`."""
    stage = self._cached_before(masked_from)
    network = self.experiment.network
    return network.from_stage(stage) if stage else network

  def problems(self, masked_from: Any, task: str, split: str) -> types.Batch:
    """Returns one split of a task, as far as nothing is masked."""
    stage = self._cached_before(masked_from)
    if not stage:
      return self.experiment.load(task, split)
    return self._features(stage, task, split)

  @functools.cached_property
  def _features(self) -> Callable[[str, str, str], types.Batch]:
    """`_compute_features`, whose last results are kept with the network."""
    # As many as there are test tasks, at least.
    return functools.lru_cache(maxsize=8)(self._compute_features)

  def _compute_features(self, stage: str, task: str, split: str) -> types.Batch:
    """Returns the features of a whole split, held in the host's memory."""
    problems = self.experiment.load(task, split)
    compute = jax.jit(self.experiment.network.features_before, static_argnums=2)
    num_problems = trees.num_rows(problems)
    chunk = self.experiment.config.evaluation.batch_size
    with convolution.outside_of_loops():
      parts = [
        jax.device_get(
          compute(
            self.params,
            trees.row(problems, slice(start, start + chunk)),
            stage,
          )
        )
        for start in range(0, num_problems, chunk)
      ]
    return jax.tree.map(lambda *rows: np.concatenate(rows), *parts)

  def _cached_before(self, masked_from: Any) -> str:
    """Returns the stage whose input is cached, or nothing.

    Nothing is cached before the very first stage, nor where the features of
    the largest split are larger than `search.cache_gigabytes`.
    """
    experiment = self.experiment
    stage = experiment.domain.masked_stages(masked_from)[0]
    budget = experiment.config.search.cache_gigabytes
    if stage == experiment.domain.stages[0] or not budget:
      return ""
    num_problems = max(
      count
      for task in experiment.test_tasks
      for count in experiment.num_problems(task).values()
    )
    batch = experiment.load("base", "validation")
    shapes = jax.eval_shape(
      lambda params, batch: experiment.network.features_before(
        params, batch, stage
      ),
      self.params,
      trees.row(batch, slice(1)),
    )
    size = num_problems * sum(
      leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(shapes)
    )
    fits = size <= budget * _GIGABYTE
    _say_once(
      "features that enter %s: %.2f GB, %s (search.cache_gigabytes %g)",
      stage,
      size / _GIGABYTE,
      "computed once" if fits else "too large, computed at every step",
      budget,
    )
    return stage if fits else ""
