"""The policy that tests on words that no network was trained on."""

import collections
import itertools

import numpy as np
import pytest

from structcomp_jax.tasks.odd_one_out.syntax import (
  held_out_words,
  pools,
  published,
  separation,
  unseen_words,
)
from tests.tasks.odd_one_out.syntax.closed_words import CLOSED

_EXPERIMENTS = tuple(pools.EXPERIMENTS)
_ENTRIES = [f for t in held_out_words.held_out().values() for f in t]
# "is old" is held out, "is" is not.
_HELD_OUT = {form.split()[-1] for forms in _ENTRIES for form in forms}


def _words(sentences):
  return {word for sentence in sentences for word in sentence.split()}


def _splits(name, split):
  return {
    role: splits[split]
    for role, splits in unseen_words.make(name).items()
    if split in splits
  }


@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize("name", _EXPERIMENTS)
def test_no_other_split_has_a_held_out_word(name, split):
  for problems in _splits(name, split).values():
    assert _words(problems.ravel()).isdisjoint(_HELD_OUT)


@pytest.mark.parametrize("name", _EXPERIMENTS)
def test_test_sentences_have_held_out_words_alone(name):
  for role, problems in _splits(name, "test").items():
    words = _words(problems.ravel())
    assert words - CLOSED <= _HELD_OUT, role
    assert min(len(set(s.split()) & _HELD_OUT) for s in problems.ravel()) >= 2


@pytest.mark.parametrize("name", _EXPERIMENTS)
def test_all_held_out_words_are_tested_in_both_numbers(name):
  used = {
    forms
    for construction in pools.EXPERIMENTS[name].constructions
    for slot in construction.slots
    for forms in slot.words
  }
  forms = {form for entry in set(_ENTRIES) & used for form in entry}
  # Of anaphora 3 heads, 3 attractors, "loves" and 2 verbs without number.
  assert len(forms) == (2 * 7 + 2 if "anaphora" in name else 2 * 14)
  for role, problems in _splits(name, "test").items():
    text = " ".join(f"{sentence} ." for sentence in problems.ravel())
    if not role.startswith("odd_"):
      assert all(f" {form} " in text for form in forms), role


@pytest.mark.parametrize("name", _EXPERIMENTS)
def test_no_test_sentence_is_a_neighbour_of_training(name):
  train = np.concatenate(list(_splits(name, "train").values())).ravel()
  validation = np.concatenate(
    list(_splits(name, "validation").values())
  ).ravel()
  test = np.concatenate(list(_splits(name, "test").values())).ravel()
  assert separation.count_neighbours(test, train) == 0
  assert separation.count_neighbours(test, validation) == 0


@pytest.mark.parametrize("name", _EXPERIMENTS)
def test_no_validation_sentence_is_in_a_training_split(name):
  train = {s for p in _splits(name, "train").values() for s in p.ravel()}
  for problems in _splits(name, "validation").values():
    assert train.isdisjoint(problems.ravel())


@pytest.mark.parametrize("name", _EXPERIMENTS)
def test_sizes_are_those_of_the_paper(name):
  made = unseen_words.make(name)
  for role, splits in published.make(name).items():
    expected = {split: problems.shape for split, problems in splits.items()}
    assert {s: p.shape for s, p in made[role].items()} == expected


@pytest.mark.parametrize("name", _EXPERIMENTS)
def test_no_problem_has_a_sentence_twice_and_none_is_twice(name):
  for splits in unseen_words.make(name).values():
    for problems in splits.values():
      assert all(len(set(problem)) == 4 for problem in problems)
      different = {(frozenset(p[:3]), p[3]) for p in problems}
      assert len(different) == len(problems)


@pytest.mark.parametrize("name", _EXPERIMENTS)
def test_sentences_of_a_pool_are_used_equally_often(name):
  made = pools.make_pools(name)
  for splits in unseen_words.make(name).values():
    for split, problems in splits.items():
      for part in (problems[:, :3], problems[:, 3:]):
        times = collections.Counter(part.ravel())
        for pool in (made.ab, made.a_flip, made.b_flip):
          used = {times[s] for s in pool if s in times}
          assert not used or max(used) - min(used) <= 1, split


@pytest.mark.parametrize(
  ("name", "counts"),
  [
    ("sv_singular", (9671, 1074, 474)),
    ("sv_plural", (9671, 1074, 474)),
    ("anaphora_singular", (2709, 301, 84)),
    ("anaphora_plural", (1355, 150, 42)),
  ],
)
def test_number_of_different_sentences_with_nothing_flipped(name, counts):
  ab = set(pools.make_pools(name).ab)
  made = unseen_words.make(name)
  found = tuple(
    len({s for s in made["base"][split].ravel() if s in ab})
    for split in ("train", "validation", "test")
  )
  # The base task has too few places for all of them where nothing repeats.
  assert found == tuple(
    min(count, 3 * len(made["base"][split]))
    for count, split in zip(
      counts, ("train", "validation", "test"), strict=True
    )
  )


def test_remaking_gives_the_same_problems():
  made = unseen_words.make("anaphora_singular")
  unseen_words.make.cache_clear()
  again = unseen_words.make("anaphora_singular")
  assert again is not made
  for role, splits in made.items():
    for split, problems in splits.items():
      assert problems.tolist() == again[role][split].tolist()


def test_experiments_have_draws_of_their_own():
  singular, plural = (
    unseen_words.make(name)["base"]["train"][:, :3]
    for name in ("sv_singular", "sv_plural")
  )
  heads = [
    [sentence.split()[1].removesuffix("s") for sentence in rules.ravel()]
    for rules in (singular, plural)
  ]
  assert heads[0] != heads[1]


def test_data_sets_have_draws_of_their_own():
  for split in ("train", "validation", "test"):
    rules = [p[:100, :3].tolist() for p in _splits("sv_plural", split).values()]
    for first, second in itertools.combinations(rules, 2):
      assert first != second
