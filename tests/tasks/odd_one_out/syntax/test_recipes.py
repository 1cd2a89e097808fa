"""What the problems of each data set are made of, whatever the policy."""

import pytest

from structcomp_jax.tasks.odd_one_out.syntax import (
  disjoint,
  pools,
  unseen_words,
)


@pytest.mark.parametrize("make", [disjoint.make, unseen_words.make])
@pytest.mark.parametrize("name", pools.EXPERIMENTS)
def test_splits_mix_their_sentences_in_the_exact_proportions(name, make):
  made = pools.make_pools(name)
  ab, a_flip, b_flip = map(frozenset, (made.ab, made.a_flip, made.b_flip))
  expected = (
    ({"ab": 3}, {"a": 0.5, "b": 0.5}),
    ({"ab": 1.5, "b": 1.5}, {"a": 1}),
    ({"ab": 1.5, "a": 1.5}, {"b": 1}),
    ({"ab": 3}, {"a": 1}),
    ({"ab": 3}, {"b": 1}),
  )
  members = {"ab": ab, "a": a_flip, "b": b_flip}
  for splits, (rules, odds) in zip(make(name).values(), expected, strict=True):
    for problems in splits.values():
      for sentences, shares in (
        (problems[:, :3], rules),
        (problems[:, 3], odds),
      ):
        flat = sentences.ravel()
        counts = {
          key: sum(s in pool for s in flat) / len(problems)
          for key, pool in members.items()
        }
        assert {k: v for k, v in counts.items() if v} == shares
