"""Statistics that claim to see whether two subroutines have their own parts.

Each takes networks and the problems of a pair of properties, and returns one
number per network and name; the higher, the more separate.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from structcomp_jax import masks, search, trees, types
from structcomp_jax.engine import parallel
from structcomp_jax.search.two_sided import HALVES
from structcomp_jax.structure import separability
from structcomp_jax.studies.planted.network import (
  Loss,
  Metrics,
  Network,
  accuracy,
)
from structcomp_jax.studies.planted.problems import CHANCE, SUBROUTINES

_D = ("D_sub", "-D_abl")
_CUT = ("S of the cut", "worse half, last look")
# The name of an accuracy at a look, and what finds it.
LOOK = "{half} at {step} of search {search}"
_LOOK_PATTERN = (
  r"^(?P<half>kept|rest) at (?P<step>\d+) of search (?P<search>\d+)"
)
# Between the seeds of the searches of one network.
_SEEDS = 1_000_003
# What follows the name of a statistic for random masks of equal sizes.
RANDOM_MASKS = ", random masks"
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


@dataclasses.dataclass(frozen=True)
class Cut:
  """One mask, both of whose halves have a subroutine: how soon, how well.

  Attributes:
    search: how it is searched.
    num_seeds: searches of one network; numbers are their means.
    after: what follows the names.
  """

  search: Search = Search()
  num_seeds: int = 2
  after: str = ""

  @property
  def names(self) -> tuple[str, ...]:
    """See `Statistic`."""
    return tuple(f"{name}{self.after}" for name in _CUT)

  def scores(
    self, network: Network, params: types.Params, sets: Sets, seed: int
  ) -> dict[str, np.ndarray]:
    """See `Statistic`; beside them the accuracies of all looks, see `LOOK`."""
    train, test = (
      search.halves(*(sets[split][task] for task in SUBROUTINES))
      for split in ("train", "test")
    )
    numbers = []
    by_look: dict[str, np.ndarray] = {}
    for number in range(self.num_seeds):
      found = self.search.run(
        network, params, train, _SEEDS * number + seed, validation=test
      )
      looks = _looks(found.history)
      speed = separability.separability(looks, CHANCE)["separability"]
      last = looks[looks["step"] == looks["step"].max()]
      worse = separability.worse_half(last)
      numbers.append((speed.to_numpy(), worse.to_numpy()))
      by_look |= {
        LOOK.format(half=half, step=step, search=number) + self.after: rows[
          f"{half}_accuracy"
        ].to_numpy()
        for step, rows in looks.groupby("step")
        for half in HALVES
      }
    return dict(zip(self.names, np.mean(numbers, 0), strict=True)) | by_look


def looks_of(scores: pd.DataFrame, after: str) -> pd.DataFrame:
  """Returns the looks of cuts as `structure.separability` takes them.

  Args:
    scores: columns regime, base_seed, pair, statistic, score.
    after: what follows the names of the cut's numbers, see `Cut`.
  """
  scores = scores.reset_index(drop=True)
  named = scores["statistic"].str.extract(f"{_LOOK_PATTERN}{re.escape(after)}$")
  table = scores.join(named).dropna(subset=list(named))
  looks = table.pivot(
    index=["regime", "base_seed", "pair", "search", "step"],
    columns="half",
    values="score",
  ).reset_index()
  return looks.rename(
    columns={half: f"{half}_accuracy" for half in HALVES}
  ).assign(
    mask_seed=looks["search"].astype(int),
    step=looks["step"].astype(int),
    finite=True,
  )


def _looks(history: list[dict[str, Any]]) -> pd.DataFrame:
  """Returns the history of a cut, one network after the other at each look."""
  table = pd.DataFrame(history).sort_values(["step", "mask_seed"])
  return pd.DataFrame(
    {
      "regime": "",
      "base_seed": table["mask_seed"].astype(int),
      "pair": separability.SUBROUTINES,
      "mask_seed": 0,
      "step": table["step"].astype(int),
      **{
        f"{half}_accuracy": table[f"validation/hard/{half}/accuracy"].astype(
          float
        )
        for half in HALVES
      },
      "finite": table["finite"],
    }
  )


_PUBLISHED = Search("continuous_sparsification", num_samples=1, penalty=1e-4)


@dataclasses.dataclass(frozen=True)
class OneSided:
  """The published way: a mask for each subroutine, and what it leaves.

  D_sub is the accuracy of the subnetwork on its subroutine less that on the
  other one, D_abl the same of the network without it. The score of a network is
  the worse one of its two subroutines, D_abl with its sign turned.

  Attributes:
    search: how the masks are searched.
  """

  search: Search = _PUBLISHED

  @property
  def names(self) -> tuple[str, ...]:
    """With the penalty, on which the numbers depend."""
    return tuple(f"{name}, penalty {self.search.penalty:g}" for name in _D)

  def scores(
    self, network: Network, params: types.Params, sets: Sets, seed: int
  ) -> dict[str, np.ndarray]:
    """See `Statistic`; the same of random masks of equal sizes beside it."""
    learned, drawn = [], []
    for place, task in enumerate(SUBROUTINES):
      found = self.search.run(
        network, params, sets["train"][task], 2 * seed + place
      )
      keys = jax.random.split(
        jax.random.key(2 * seed + place), trees.num_rows(params)
      )
      mask = parallel.fetch(found.masks)
      learned.append(mask)
      drawn.append(jax.vmap(masks.random_like)(mask, keys))
    scores = _differences(network, params, learned, sets["test"])
    random = _differences(network, params, drawn, sets["test"])
    return dict(zip(self.names, scores, strict=True)) | {
      f"{name}{RANDOM_MASKS}": value
      for name, value in zip(self.names, random, strict=True)
    }


def _differences(network, params, both, tests):
  """Returns both scores of the masks of A and B."""
  sub: list[np.ndarray] = []
  ablated: list[np.ndarray] = []
  for own, other, mask in zip(
    SUBROUTINES, reversed(SUBROUTINES), both, strict=True
  ):
    for found, kept in ((sub, mask), (ablated, masks.complement(mask))):
      made = jax.vmap(masks.merge)(params, kept)
      accuracies = [
        np.asarray(accuracy(network, made, tests[f"odd_{task}"]))
        for task in (own, other)
      ]
      found.append(accuracies[0] - accuracies[1])
  return np.min(sub, axis=0), np.min(-np.array(ablated), axis=0)


@dataclasses.dataclass(frozen=True)
class Fisher:
  """How different the weights are that the losses of A and B depend on.

  1 less the cosine of two vectors: the mean squared gradient of the loss of
  each problem, by weight.

  Attributes:
    num_problems: of each subroutine.
  """

  num_problems: int = 256
  names: ClassVar[tuple[str, ...]] = ("1 - Fisher overlap",)

  def scores(
    self, network: Network, params: types.Params, sets: Sets, seed: int
  ) -> dict[str, np.ndarray]:
    """See `Statistic`; nothing is drawn."""
    del seed
    paths = network.spec(params).paths
    batches = [
      jax.tree.map(
        lambda leaf: jnp.asarray(leaf[: self.num_problems, None]),
        dict(sets["train"][task]),
      )
      for task in SUBROUTINES
    ]

    def importance(row, batch):
      gradients = jax.vmap(jax.grad(Loss(network)), in_axes=(None, 0))(
        row, batch
      )
      leaves = trees.leaves_by_path(gradients)
      return jnp.concatenate(
        [(leaves[path] ** 2).mean(axis=0).ravel() for path in paths]
      )

    def score(row):
      first, second = (importance(row, batch) for batch in batches)
      norms = jnp.linalg.norm(first) * jnp.linalg.norm(second)
      return 1 - (first @ second) / jnp.maximum(norms, 1e-30)

    found = jax.jit(lambda rows: jax.lax.map(score, rows))(params)
    return {self.names[0]: np.asarray(found)}


# The cut whose looks are judged as those of an experiment are.
JUDGED = Cut(Search("hard_concrete"), after=", hard concrete")
STATISTICS: tuple[Statistic, ...] = (
  Cut(),
  JUDGED,
  OneSided(),
  OneSided(dataclasses.replace(_PUBLISHED, penalty=0.0)),
  Fisher(),
)
