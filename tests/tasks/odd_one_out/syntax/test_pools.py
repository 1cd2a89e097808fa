"""Experiments and their pools."""

import itertools

import numpy as np
import pytest

from structcomp_jax.tasks.odd_one_out.syntax import pools

# Sizes and numbers of distinct sentences of ab, a_flip, b_flip.
_SIZES = {
  "sv_singular": [(37870, 37870)] * 3,
  "sv_plural": [(37870, 37870)] * 3,
  "anaphora_singular": [(11340, 11340), (11340, 11340), (11340, 5670)],
  "anaphora_plural": [(11340, 5670), (11340, 5670), (11340, 11340)],
}


def _lists(name):
  made = pools.make_pools(name)
  return made.ab, made.a_flip, made.b_flip


def test_experiments_are_in_the_order_of_the_random_stream():
  assert list(pools.EXPERIMENTS) == list(_SIZES)


@pytest.mark.parametrize("name", _SIZES)
def test_sizes(name):
  assert [(len(p), len(set(p))) for p in _lists(name)] == _SIZES[name]


@pytest.mark.parametrize("name", _SIZES)
def test_pools_of_an_experiment_are_disjoint(name):
  for first, second in itertools.combinations(_lists(name), 2):
    assert set(first).isdisjoint(second)


@pytest.mark.parametrize("family", ["sv", "anaphora"])
def test_flipped_subject_is_the_flipped_verb_of_the_other_number(family):
  singular = pools.make_pools(f"{family}_singular")
  plural = pools.make_pools(f"{family}_plural")
  assert set(singular.a_flip) == set(plural.b_flip)
  assert set(plural.a_flip) == set(singular.b_flip)


def test_one_sentence_of_each_pool():
  made = pools.make_pools("sv_singular")
  assert "the author laughs" in made.ab
  assert "the authors laughs" in made.a_flip
  assert "the author laugh" in made.b_flip


def test_without_duplicates_keeps_the_first():
  words = np.array(["b", "a", "b", "c", "a"], dtype=object)
  assert pools.without_duplicates(words).tolist() == ["b", "a", "c"]
