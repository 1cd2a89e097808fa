"""The problems of Lepori et al. 2023, sentence for sentence.

One legacy NumPy stream with seed 0 runs through the four experiments, so the
order of the random operations below is part of the definition. Sentences are
drawn by position without replacement, so a sentence that is in a pool twice
can be drawn twice.
"""

import functools

import numpy as np

from structcomp_jax.tasks.odd_one_out.syntax import pools as pools_lib

_SEED = 0


def make(name: str) -> dict[str, dict[str, np.ndarray]]:
  """Returns the problems of one experiment.

  Args:
    name: a key of `pools.EXPERIMENTS`.

  Returns:
    {role: {split: object[problems, 4]}}: three rule sentences, then the odd
    one. Empty splits are left out. Treat it as read-only: it is cached.
  """
  return _make_all()[name]


@functools.cache
def _make_all() -> dict[str, dict[str, dict[str, np.ndarray]]]:
  """Draws all experiments, one after the other, from one stream."""
  stream = np.random.RandomState(_SEED)
  return {
    name: _make_experiment(stream, experiment, pools_lib.make_pools(name))
    for name, experiment in pools_lib.EXPERIMENTS.items()
  }


def split_problems(
  rules: np.ndarray, odds: np.ndarray, sizes: pools_lib.Sizes
) -> dict[str, np.ndarray]:
  """Cuts ordered sentences into splits of problems.

  Args:
    rules: object[3 n], in order; problem i has the rules 3 i to 3 i + 2.
    odds: object[n], the odd sentences.
    sizes: number of problems per split, n in total.

  Returns:
    {split: object[problems, 4]} of the splits that are not empty.
  """
  problems = np.concatenate([rules.reshape(-1, 3), odds[:, None]], axis=1)
  validation_end = sizes.train + sizes.validation
  splits = {
    "train": problems[: sizes.train],
    "validation": problems[sizes.train : validation_end],
    "test": problems[validation_end:],
  }
  return {name: split for name, split in splits.items() if len(split)}


def _make_experiment(
  stream: np.random.RandomState,
  experiment: pools_lib.Experiment,
  pools: pools_lib.Pools,
) -> dict[str, dict[str, np.ndarray]]:
  base, a, b, odd_a, odd_b = experiment.roles
  n, m = experiment.sizes.total, experiment.odd_sizes.total
  half = n // 2
  draw = functools.partial(_draw, stream)

  def split(rules, odds, sizes):
    # The rules must be shuffled first: that is the order of the paper's code.
    return split_problems(draw(rules), draw(odds), sizes)

  rules = draw(pools.ab, 3 * n + 6 * m)
  odds_a = draw(pools.a_flip, half + m)
  odds_b = draw(pools.b_flip, half + m)
  problems = {}
  problems[base] = split(
    rules[: 3 * n],
    np.concatenate([odds_a[:half], odds_b[:half]]),
    experiment.sizes,
  )
  for role, irrelevant, odd in (
    (a, pools.b_flip, pools.a_flip),
    (b, pools.a_flip, pools.b_flip),
  ):
    mixed = [draw(pools.ab, 3 * half), draw(irrelevant, 3 * half)]
    problems[role] = split(
      np.concatenate(mixed), draw(odd, n), experiment.sizes
    )
  rules_a, rules_b = np.split(rules[3 * n :], 2)
  problems[odd_a] = split(rules_a, odds_a[half:], experiment.odd_sizes)
  problems[odd_b] = split(rules_b, odds_b[half:], experiment.odd_sizes)
  return problems


def _draw(
  stream: np.random.RandomState, sentences: np.ndarray, count: int | None = None
) -> np.ndarray:
  """Shuffles all positions, then takes the first `count` (all for None)."""
  return sentences[stream.permutation(len(sentences))[:count]]
