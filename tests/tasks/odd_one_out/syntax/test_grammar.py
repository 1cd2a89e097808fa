"""Sentences and minimal pairs."""

import pytest

from structcomp_jax.tasks.odd_one_out.syntax import grammar

_PAIRS = {
  "obj_rel_across_anim": (2, 5600),
  "obj_rel_across_inanim": (2, 5040),
  "obj_rel_no_comp_across_anim": (2, 5600),
  "obj_rel_no_comp_across_inanim": (2, 5040),
  "prep_anim": (2, 8400),
  "prep_inanim": (2, 2520),
  "simple_agrmt": (1, 70),
  "subj_rel": (2, 5600),
  "reflexives_across": (2, 11200),
  "simple_reflexives": (1, 140),
}
# Distinct strings among (grammatical, ungrammatical) members.
_DISTINCT = {
  ("reflexives_across", grammar.SINGULAR): (11200, 5600),
  ("reflexives_across", grammar.PLURAL): (5600, 11200),
  ("simple_reflexives", grammar.SINGULAR): (140, 70),
  ("simple_reflexives", grammar.PLURAL): (70, 140),
}
_CONSTRUCTIONS = {c.name: c for c in grammar.AGREEMENT + grammar.ANAPHORA}
_NUMBERS = (grammar.SINGULAR, grammar.PLURAL)


def _pairs(name, number):
  groups = grammar.pair_groups(_CONSTRUCTIONS[name], number)
  return [pair for group in groups for pair in group]


@pytest.mark.parametrize("number", _NUMBERS)
@pytest.mark.parametrize("name", _PAIRS)
def test_number_of_groups_pairs_and_distinct_sentences(name, number):
  groups = grammar.pair_groups(_CONSTRUCTIONS[name], number)
  num_groups, num_pairs = _PAIRS[name]
  assert [len(group) for group in groups] == (
    [num_pairs // num_groups] * num_groups
  )
  distinct = tuple(len(set(m)) for m in zip(*_pairs(name, number), strict=True))
  assert distinct == _DISTINCT.get((name, number), (num_pairs, num_pairs))


@pytest.mark.parametrize("number", _NUMBERS)
@pytest.mark.parametrize("name", _PAIRS)
def test_members_of_a_pair_differ_in_the_number_of_the_target_only(
  name, number
):
  target = _CONSTRUCTIONS[name].slots[-1].words
  for good, bad in _pairs(name, number):
    assert any(
      good.removesuffix(forms[number]) == bad.removesuffix(forms[1 - number])
      and good.endswith(" " + forms[number])
      and bad.endswith(" " + forms[1 - number])
      for forms in target
    )


@pytest.mark.parametrize("number", _NUMBERS)
@pytest.mark.parametrize("name", _PAIRS)
def test_first_noun_has_the_number_of_the_set(name, number):
  heads = {
    forms[number] for forms in grammar.ANIMATE_HEADS + grammar.INANIMATE_HEADS
  }
  assert {pair[0].split()[1] for pair in _pairs(name, number)} <= heads


def test_embedded_verb_agrees_with_its_own_subject():
  like = {forms[grammar.PLURAL] for forms in grammar.EMBEDDED_VERBS}
  for attractor, group in enumerate(
    grammar.pair_groups(_CONSTRUCTIONS["reflexives_across"], grammar.SINGULAR)
  ):
    # the HEAD that the ATTRACTOR EMBEDDED_VERB ...
    words = {good.replace("taxi ", "").split()[5] for good, _ in group}
    assert (words == like) == (attractor == grammar.PLURAL)
  for good, bad in _pairs("subj_rel", grammar.PLURAL):
    # the HEAD that EMBEDDED_VERB the ATTRACTOR ...
    assert {good.split()[3], bad.split()[3]} <= like


def test_first_and_last_pair():
  assert _pairs("obj_rel_across_anim", grammar.SINGULAR)[0] == (
    "the author that the guard likes laughs",
    "the author that the guard likes laugh",
  )
  assert _pairs("reflexives_across", grammar.PLURAL)[-1] == (
    "the consultants that the parents love doubted themselves",
    "the consultants that the parents love doubted herself",
  )


def test_vocabulary_is_the_words_of_the_sentences():
  used = {
    word
    for name in _PAIRS
    for number in _NUMBERS
    for pair in _pairs(name, number)
    for sentence in pair
    for word in sentence.split()
  }
  words = grammar.vocabulary()
  assert len(words) == len(set(words)) == 113
  assert set(words) == used
  assert words[:4] == ("the", "that", "author", "authors")


@pytest.mark.parametrize(
  ("constructions", "lengths"),
  [(grammar.AGREEMENT, (3, 11)), (grammar.ANAPHORA, (4, 9))],
)
def test_length_in_words(constructions, lengths):
  found = {
    len(sentence.split())
    for construction in constructions
    for number in _NUMBERS
    for pair in _pairs(construction.name, number)
    for sentence in pair
  }
  assert (min(found), max(found)) == lengths
