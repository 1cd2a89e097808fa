"""The policy that evaluates on sentences that no network was trained on."""

import itertools

import numpy as np
import pytest

from structcomp_jax.tasks.odd_one_out.syntax import (
  disjoint,
  pools,
  published,
)

_EXPERIMENTS = tuple(pools.EXPERIMENTS)


@pytest.mark.parametrize("name", _EXPERIMENTS)
def test_evaluation_sentences_are_in_no_other_split(name):
  sentences = {
    (role, split): set(problems.ravel())
    for role, splits in disjoint.make(name).items()
    for split, problems in splits.items()
  }
  for first, second in itertools.combinations(sentences, 2):
    if first[1] != "train" or second[1] != "train":
      assert sentences[first].isdisjoint(sentences[second]), (first, second)


@pytest.mark.parametrize("name", _EXPERIMENTS)
def test_no_sentence_is_twice_in_a_data_set(name):
  for splits in disjoint.make(name).values():
    sentences = np.concatenate(list(splits.values())).ravel()
    assert len(set(sentences)) == len(sentences)


@pytest.mark.parametrize("name", _EXPERIMENTS)
def test_sizes_are_even_positive_and_at_most_published(name):
  made = disjoint.make(name)
  for role, sizes in disjoint.fit_sizes(name).items():
    published_sizes = {s: len(p) for s, p in published.make(name)[role].items()}
    ours = {s: len(p) for s, p in made[role].items()}
    assert ours == {s: getattr(sizes, s) for s in published_sizes}
    assert all(0 < ours[s] <= n for s, n in published_sizes.items())
    assert all(n % 2 == 0 for n in ours.values())


def test_only_the_base_training_split_of_agreement_shrinks():
  sizes = disjoint.fit_sizes("sv_singular")
  assert sizes["base"] == pools.Sizes(8422, 500, 1000)
  assert sizes["subject"] == sizes["verb"] == pools.Sizes(9500, 500, 1000)
  assert sizes["odd_verb"] == pools.Sizes(0, 300, 300)


def test_small_pools_shrink_every_evaluation_split_alike():
  sizes = disjoint.fit_sizes("anaphora_plural")
  assert {(s.validation, s.test) for s in sizes.values()} == {(118, 118)}
  assert [s.train for s in sizes.values()] == [946, 1892, 1892, 0, 0]


def test_training_splits_share_only_what_the_pools_force():
  made = disjoint.make("sv_singular")
  a_flip = frozenset(pools.make_pools("sv_singular").a_flip)
  used = [
    {s for s in made[role]["train"].ravel() if s in a_flip}
    for role in ("base", "subject", "verb")
  ]
  # This pool is large enough for all three.
  for first, second in itertools.combinations(used, 2):
    assert first.isdisjoint(second)


def test_remaking_gives_the_same_problems():
  made = disjoint.make("anaphora_singular")
  disjoint.make.cache_clear()
  again = disjoint.make("anaphora_singular")
  assert again is not made
  for role, splits in made.items():
    for split, problems in splits.items():
      assert problems.tolist() == again[role][split].tolist()
