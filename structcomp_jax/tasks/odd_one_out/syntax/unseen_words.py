"""Problems whose test sentences have words that no network was trained on.

Under `disjoint` nearly every test sentence differs from a training sentence by
one word. Here

1. all nouns, verbs and adjectives of a test sentence are held out
   (`held_out_words`), and no sentence of another split has one of them. So a
   test sentence differs from every training sentence by two words or more;
2. validation sentences have the words of the training splits, since they
   choose networks and mask settings, which must not see the words of the
   test. A tenth of every pool is kept for them and is in no training split;
3. all splits have the sizes of the paper. There are too few sentences for
   that, so a sentence is in several problems of a split: each as often as the
   others of its pool, but for one time, and never twice in a problem;
4. splits of one kind (test, say) of the five data sets share sentences.

Every split mixes its sentences in exactly the proportions of the paper.
"""

import dataclasses
import functools

import numpy as np

from structcomp_jax.tasks.odd_one_out.syntax import held_out_words
from structcomp_jax.tasks.odd_one_out.syntax import pools as pools_lib
from structcomp_jax.tasks.odd_one_out.syntax.recipes import Recipe, by_role

# Of the sentences without held-out words.
_VALIDATION_SHARE = 0.1

_NUM_RULES = 3

_Pools = dict[str, np.ndarray]


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
  pools = _pools_by_split(experiment, generator)
  return {
    role: {
      split: _make_problems(pools[split], recipe, count, generator)
      for split in pools
      if (count := getattr(experiment.role_sizes(role), split))
    }
    for role, recipe in by_role(experiment).items()
  }


def _pools_by_split(
  experiment: pools_lib.Experiment, generator: np.random.Generator
) -> dict[str, _Pools]:
  """Returns {split: {pool: distinct sentences}}; no sentence is in two."""
  test = _pools(experiment, to_held_out=True)
  known = {
    key: generator.permutation(pool)
    for key, pool in _pools(experiment, to_held_out=False).items()
  }
  kept = {key: round(_VALIDATION_SHARE * len(known[key])) for key in known}
  return {
    "train": {key: known[key][kept[key] :] for key in known},
    "validation": {key: known[key][: kept[key]] for key in known},
    "test": test,
  }


def _pools(experiment: pools_lib.Experiment, *, to_held_out: bool) -> _Pools:
  constructions = tuple(
    held_out_words.restrict(construction, to_held_out=to_held_out)
    for construction in experiment.constructions
  )
  return pools_lib.pools_of(
    dataclasses.replace(experiment, constructions=constructions)
  ).distinct()


def _make_problems(
  pools: _Pools,
  recipe: Recipe,
  count: int,
  generator: np.random.Generator,
) -> np.ndarray:
  """Makes the problems of one split, object[count, 4]."""

  def shuffled(per_problem):
    parts = [
      _deal(pools[key], int(number * count), generator)
      for key, number in per_problem.items()
    ]
    return generator.permutation(np.concatenate(parts))

  rules = shuffled(recipe.rules).reshape(-1, _NUM_RULES)
  return np.concatenate(
    [_without_repeats(rules, generator), shuffled(recipe.odds)[:, None]], axis=1
  )


def _deal(
  sentences: np.ndarray, count: int, generator: np.random.Generator
) -> np.ndarray:
  """Deals a pool in rounds, each in an order of its own."""
  num_rounds = -(-count // len(sentences))
  rounds = [generator.permutation(sentences) for _ in range(num_rounds)]
  return np.concatenate(rounds)[:count]


def _without_repeats(
  rules: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
  """Exchanges sentences until no problem has one twice.

  Args:
    rules: object[problems, 3].
    generator: draws what is exchanged.
  """
  rules = rules.copy()
  while len(repeats := np.flatnonzero(_has_repeat(rules))):
    # As many other problems give the repeated sentences a place to go.
    others = generator.choice(len(rules), len(repeats))
    rows = np.union1d(repeats, others)
    mixed = generator.permutation(rules[rows].ravel())
    rules[rows] = mixed.reshape(len(rows), -1)
  return rules


def _has_repeat(rules: np.ndarray) -> np.ndarray:
  """bool[problems]."""
  first, second, third = rules.T
  return (first == second) | (second == third) | (third == first)
