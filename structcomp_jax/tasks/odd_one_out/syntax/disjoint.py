"""Problems whose evaluation sentences are new to every trained network.

The published data sets of an experiment overlap (docs/differences.md). Here

1. a sentence is in its pool once;
2. the validation and test splits of all five data sets have sentences of
   their own, which no other split contains. They keep their published sizes
   if that takes at most half of every pool; else all shrink by one factor;
3. the training splits are as large as published, or as large as the rest of
   the pools allows. They are dealt one after the other from that rest,
   starting again at its beginning where it does not suffice, so two training
   splits share sentences only where they must.

Every split mixes its sentences in the exact published proportions.
"""

import dataclasses
import functools

import numpy as np

from structcomp_jax.tasks.odd_one_out.syntax import pools as pools_lib
from structcomp_jax.tasks.odd_one_out.syntax import published

_SEED = 2023
# The part of any pool that validation and test splits together may take.
_LARGEST_HELD_OUT = 0.5

_HELD_OUT = ("validation", "test")


@dataclasses.dataclass(frozen=True)
class _Recipe:
  """Sentences per problem that a data set takes from each pool."""

  rules: dict[str, float]
  odds: dict[str, float]

  @property
  def per_problem(self) -> dict[str, float]:
    return self.rules | self.odds


# In the order of Experiment.roles.
_RECIPES = (
  _Recipe({"ab": 3}, {"a_flip": 0.5, "b_flip": 0.5}),
  _Recipe({"ab": 1.5, "b_flip": 1.5}, {"a_flip": 1}),
  _Recipe({"ab": 1.5, "a_flip": 1.5}, {"b_flip": 1}),
  _Recipe({"ab": 3}, {"a_flip": 1}),
  _Recipe({"ab": 3}, {"b_flip": 1}),
)


@functools.cache
def make(name: str) -> dict[str, dict[str, np.ndarray]]:
  """Draws the problems of one experiment.

  Args:
    name: a key of pools.EXPERIMENTS.

  Returns:
    {role: {split: object[problems, 4]}}, the odd sentence last. Treat it as
    read-only.
  """
  experiment = pools_lib.EXPERIMENTS[name]
  index = list(pools_lib.EXPERIMENTS).index(name)
  generator = np.random.default_rng([_SEED, index])
  pools = _distinct_pools(name)
  decks = {key: _Deck(generator.permutation(pools[key])) for key in pools}
  sizes = fit_sizes(name)
  problems: dict[str, dict[str, np.ndarray]] = {
    role: {} for role in experiment.roles
  }
  recipes = dict(zip(experiment.roles, _RECIPES, strict=True))

  def deal(split):
    for role, recipe in recipes.items():
      count = getattr(sizes[role], split)
      if count:
        problems[role][split] = _deal(decks, recipe, count, generator)

  for split in _HELD_OUT:
    deal(split)
  decks = {key: deck.rest() for key, deck in decks.items()}
  deal("train")
  return problems


@functools.cache
def fit_sizes(name: str) -> dict[str, pools_lib.Sizes]:
  """The sizes, even numbers, that the pools of an experiment allow.

  Args:
    name: a key of pools.EXPERIMENTS.

  Returns:
    {role: sizes}, none greater than the published ones.
  """
  experiment = pools_lib.EXPERIMENTS[name]
  available = {key: len(pool) for key, pool in _distinct_pools(name).items()}
  recipes = dict(zip(experiment.roles, _RECIPES, strict=True))
  wanted = {role: experiment.role_sizes(role) for role in recipes}

  needed = _held_out_sentences(recipes, wanted)
  factor = min(
    1.0,
    *(_LARGEST_HELD_OUT * available[key] / needed[key] for key in available),
  )
  held_out = {
    role: dataclasses.replace(
      sizes,
      validation=_even(factor * sizes.validation),
      test=_even(factor * sizes.test),
    )
    for role, sizes in wanted.items()
  }
  taken = _held_out_sentences(recipes, held_out)
  return {
    role: dataclasses.replace(
      sizes,
      train=_even(
        min(
          sizes.train,
          *(
            (available[key] - taken[key]) / count
            for key, count in recipes[role].per_problem.items()
          ),
        )
      ),
    )
    for role, sizes in held_out.items()
  }


def _held_out_sentences(
  recipes: dict[str, _Recipe], sizes: dict[str, pools_lib.Sizes]
) -> dict[str, float]:
  """Sentences per pool in all validation and test splits together."""
  return {
    key: sum(
      recipe.per_problem.get(key, 0)
      * (sizes[role].validation + sizes[role].test)
      for role, recipe in recipes.items()
    )
    for key in ("ab", "a_flip", "b_flip")
  }


def _even(number: float) -> int:
  """The greatest even number not above; halves of a split are then exact."""
  return 2 * int(number // 2)


class _Deck:
  """A shuffled pool that is dealt from the front, then over again."""

  def __init__(self, sentences: np.ndarray):
    self._sentences = sentences
    self._dealt = 0

  def deal(self, count: int) -> np.ndarray:
    positions = np.arange(self._dealt, self._dealt + count)
    self._dealt += count
    return np.take(self._sentences, positions, mode="wrap")

  def rest(self) -> "_Deck":
    return _Deck(self._sentences[self._dealt :])


def _deal(
  decks: dict[str, _Deck],
  recipe: _Recipe,
  count: int,
  generator: np.random.Generator,
) -> np.ndarray:
  """Deals one split. Returns object[count, 4]."""

  def shuffled(per_problem):
    parts = [
      decks[key].deal(int(number * count))
      for key, number in per_problem.items()
    ]
    return generator.permutation(np.concatenate(parts))

  sizes = pools_lib.Sizes(0, 0, count)
  splits = published.split_problems(
    shuffled(recipe.rules), shuffled(recipe.odds), sizes
  )
  return splits["test"]


def _distinct_pools(name: str) -> dict[str, np.ndarray]:
  pools = pools_lib.make_pools(name)
  return {
    key: pools_lib.without_duplicates(getattr(pools, key))
    for key in ("ab", "a_flip", "b_flip")
  }
