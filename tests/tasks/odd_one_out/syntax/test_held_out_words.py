"""Which words only tests contain."""

import itertools

import pytest

from structcomp_jax.tasks.odd_one_out.syntax import grammar, held_out_words
from tests.tasks.odd_one_out.syntax.closed_words import CLOSED

_CONSTRUCTIONS = grammar.AGREEMENT + grammar.ANAPHORA
_ROWS = [forms for table in held_out_words.CLASSES.values() for forms in table]


def _held_out():
  return [f for table in held_out_words.held_out().values() for f in table]


def _words(rows):
  words = {word for forms in rows for form in forms for word in form.split()}
  return words - CLOSED


def test_classes_and_closed_words_are_the_whole_vocabulary():
  assert _words(_ROWS) | CLOSED == set(grammar.vocabulary())
  assert len(_ROWS) == len(set(_ROWS)) == 10 + 9 + 10 + 4 + 7 + 7 + 7


def test_a_third_of_every_class_is_held_out():
  counts = {k: len(rows) for k, rows in held_out_words.held_out().items()}
  assert counts == {
    "animate heads": 3,
    "inanimate heads": 3,
    "attractors": 3,
    "embedded verbs": 1,
    "animate verbs": 1,
    "animate adjectives": 1,
    # Both have the noun "people", so neither can be held out.
    "inanimate verbs": 0,
    "inanimate adjectives": 2,
    "reflexive verbs": 2,
  }


def test_no_word_of_one_side_is_on_the_other():
  kept = [forms for forms in _ROWS if forms not in _held_out()]
  assert _words(_held_out()).isdisjoint(_words(kept))


def test_no_stem_of_one_side_is_on_the_other():
  kept = [forms for forms in _ROWS if forms not in _held_out()]

  def stems(rows):
    return {
      word.removesuffix("s").removesuffix("ed").removesuffix("e")
      for word in _words(rows)
    }

  assert stems([("hates", "hate"), ("hated", "hated")]) == {"hat"}
  assert stems(_held_out()).isdisjoint(stems(kept))


def test_words_that_wordpiece_splits_stay_in_training():
  split = {"admires", "swims", "congratulated"}
  assert split.isdisjoint(_words(_held_out()))


def test_draws_are_the_same_at_every_call():
  first = held_out_words.held_out()
  held_out_words.held_out.cache_clear()
  again = held_out_words.held_out()
  assert again is not first
  assert again == first
  # Work directories and published numbers depend on them.
  assert [forms[0] for forms in _held_out()] == [
    *("pilot", "officer", "teacher", "picture", "novel", "show"),
    *("architect", "assistant", "parent", "loves", "smiles", "is old"),
    *("is bad", "is new", "hurt", "injured"),
  ]


@pytest.mark.parametrize("construction", _CONSTRUCTIONS, ids=lambda c: c.name)
def test_both_sides_together_are_the_words_of_a_slot(construction):
  kept, tested = (
    held_out_words.restrict(construction, to_held_out=side)
    for side in (False, True)
  )
  assert kept.name == tested.name == construction.name
  for slot, ours, theirs in zip(
    construction.slots, kept.slots, tested.slots, strict=True
  ):
    assert ours.number_of == theirs.number_of == slot.number_of
    if set(slot.words) <= set(_ROWS):
      assert set(theirs.words) == set(slot.words) & set(_held_out())
      assert [f for f in slot.words if f not in theirs.words] == [*ours.words]
      assert 0 < len(theirs.words) < len(ours.words)
    else:
      assert ours.words == theirs.words == slot.words


def test_every_sentence_has_two_words_that_can_be_held_out():
  """Otherwise a test sentence could be a neighbour of training."""
  for construction, number in itertools.product(_CONSTRUCTIONS, (0, 1)):
    for sentence in grammar.sentences(construction, number, number, number):
      assert sum(word not in CLOSED for word in sentence.split()) >= 2
