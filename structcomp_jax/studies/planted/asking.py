"""What a statistic of structure is asked, and how it searches masks."""

import dataclasses
from collections.abc import Mapping
from typing import Protocol

import jax
import numpy as np

from structcomp_jax import search, trees, types
from structcomp_jax.search.two_sided import HALVES
from structcomp_jax.studies.planted.network import Loss, Metrics, Network

# {"train", "test": {task: problems}} of one pair of properties.
Sets = Mapping[str, Mapping[str, types.Batch]]


class Statistic(Protocol):
  """What is compared; hashable by value.

  Attributes:
    names: of the numbers that claim to tell modular networks from others.
  """

  @property
  def names(self) -> tuple[str, ...]:
    """See above."""

  def scores(
    self, network: Network, params: types.Params, sets: Sets, seed: int
  ) -> dict[str, np.ndarray]:
    """Returns {name: float[rows]}; names beside `names` are for the record.

    Args:
      network: the architecture.
      params: networks as rows.
      sets: problems of the two properties.
      seed: of all draws; row n gets its own.
    """


@dataclasses.dataclass(frozen=True)
class Search:
  """How long, and how, masks are searched; see `search.SearchConfig`.

  The penalty is for one weight; 1e-4 on a thousand weights weighs as much as
  1e-8, which is published, on ten millions.
  """

  relaxation: str = "gumbel_sigmoid"
  learning_rate: float = 0.1
  num_samples: int = 4
  penalty: float = 0.0
  num_steps: int = 320
  num_looks: int = 4
  batch_size: int = 64

  def run(
    self,
    network: Network,
    params: types.Params,
    data: types.Batch,
    seed: int,
    validation: types.Batch | None = None,
  ) -> search.SearchResult:
    """Searches one mask for every network.

    Args:
      network: the architecture.
      params: networks as rows.
      data: problems of one task, or `search.halves` of two.
      seed: of all draws; row n gets its own.
      validation: like `data`, for the looks.
    """
    rows = range(trees.num_rows(params))
    config = search.SearchConfig(
      num_steps=self.num_steps,
      look_every=self.num_steps // self.num_looks,
      steps_per_call=self.num_steps,
      batch_size=self.batch_size,
      with_replacement=True,
      relaxation=self.relaxation,
      num_mask_samples=self.num_samples,
      learning_rates=(self.learning_rate,),
      penalties=(self.penalty,),
      two_sided=set(data) == set(HALVES),
      seeds=tuple(rows),
    )
    return search.run(
      Loss(network),
      params,
      network.spec(params),
      data,
      config,
      key=jax.random.key(seed),
      validation=validation,
      metrics_fn=None if validation is None else Metrics(network),
      params_have_rows=True,
    )
