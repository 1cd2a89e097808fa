"""Statistics that claim to see whether two subroutines have their own parts.

Each takes networks and the problems of a pair of properties, and returns one
number per network and name; the higher, the more separate.
"""

import dataclasses
import re
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from structcomp_jax import search, trees, types
from structcomp_jax.search.two_sided import HALVES
from structcomp_jax.structure import separability
from structcomp_jax.studies.planted.asking import Search, Sets, Statistic
from structcomp_jax.studies.planted.network import (
  Loss,
  Network,
)
from structcomp_jax.studies.planted.one_sided import PUBLISHED, OneSided
from structcomp_jax.studies.planted.problems import CHANCE, SUBROUTINES

_CUT = ("S of the cut", "worse half, last look")
# The name of an accuracy at a look, and what finds it.
LOOK = "{half} at {step} of search {search}"
_LOOK_PATTERN = (
  r"^(?P<half>kept|rest) at (?P<step>\d+) of search (?P<search>\d+)"
)
# Between the seeds of the searches of one network.
_SEEDS = 1_000_003


@dataclasses.dataclass(frozen=True)
class Cut:
  """One mask, both of whose halves have a subroutine: how soon, how well.

  Attributes:
    search: how it is searched.
    num_seeds: searches of one network; numbers are their means.
    after: what follows the names.
  """

  search: Search = dataclasses.field(default_factory=Search)
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
  OneSided(dataclasses.replace(PUBLISHED, penalty=0.0)),
  Fisher(),
)
