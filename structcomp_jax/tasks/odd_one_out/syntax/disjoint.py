"""Problems whose evaluation sentences are new to every trained network.

The data sets of an experiment of Lepori et al. 2023 share sentences
(docs/differences/break_it_down.md). Here

1. every sentence is in its pool once;
2. the validation and test splits of all five data sets have sentences of
   their own, which no other split contains. They have the sizes of the paper
   if these take at most half of every pool; otherwise all of them shrink by
   one factor;
3. the training splits have the sizes of the paper, or the largest that the
   rest of the pools allows. They are dealt from that rest one after the other,
   and from its beginning again once it is used up, so two training splits
   share sentences only where they must.

Every split mixes its sentences in exactly the proportions of the paper.
"""

import dataclasses
import functools

import numpy as np

from structcomp_jax.tasks.odd_one_out.syntax import pools as pools_lib
from structcomp_jax.tasks.odd_one_out.syntax import published
from structcomp_jax.tasks.odd_one_out.syntax import recipes as recipes_lib

# The largest part of a pool that validation and test splits together may take.
_LARGEST_HELD_OUT = 0.5

_HELD_OUT = ("validation", "test")


@functools.cache
def make(name: str) -> dict[str, dict[str, np.ndarray]]:
  """Returns the problems of one experiment.

  Args:
    name: a key of `pools.EXPERIMENTS`.

  Returns:
    {role: {split: object[problems, 4]}}, the odd sentence last. Treat it as
    read-only: it is cached.
  """
  experiment = pools_lib.EXPERIMENTS[name]
  generator = pools_lib.generator_of(name)
  pools = pools_lib.make_pools(name).distinct()
  decks = {key: _Deck(generator.permutation(pools[key])) for key in pools}
  sizes = fit_sizes(name)
  problems: dict[str, dict[str, np.ndarray]] = {
    role: {} for role in experiment.roles
  }
  recipes = recipes_lib.by_role(experiment)

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
  """Returns the sizes of the data sets that the pools of an experiment allow.

  Args:
    name: a key of `pools.EXPERIMENTS`.

  Returns:
    {role: sizes}, even numbers, none greater than those of the paper.
  """
  experiment = pools_lib.EXPERIMENTS[name]
  pools = pools_lib.make_pools(name).distinct()
  available = {key: len(pool) for key, pool in pools.items()}
  recipes = recipes_lib.by_role(experiment)
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
  recipes: dict[str, recipes_lib.Recipe], sizes: dict[str, pools_lib.Sizes]
) -> dict[str, float]:
  """Counts the sentences per pool in all validation and test splits."""
  return {
    key: sum(
      recipe.per_problem.get(key, 0)
      * (sizes[role].validation + sizes[role].test)
      for role, recipe in recipes.items()
    )
    for key in pools_lib.POOLS
  }


def _even(number: float) -> int:
  """Rounds down to an even number, so that a split has exact halves."""
  return 2 * int(number // 2)


class _Deck:
  """A shuffled pool, dealt from its beginning and, when used up, again."""

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
  recipe: recipes_lib.Recipe,
  count: int,
  generator: np.random.Generator,
) -> np.ndarray:
  """Deals the problems of one split, object[count, 4]."""

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
