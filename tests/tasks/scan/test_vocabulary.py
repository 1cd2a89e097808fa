"""Words as numbers."""

import collections

import numpy as np
import pytest

from structcomp_jax.tasks import scan
from structcomp_jax.tasks.scan import grammar, vocabulary
from structcomp_jax.types import UserError

# The order in which the rules of the grammar name the words.
_RULES = (
  *("and", "after", "twice", "thrice", "opposite", "around", "turn"),
  *("walk", "run", "look", "jump", "left", "right"),
)


def _by_frequency(column, ties):
  """Returns words of one column of all eight files, the most frequent first."""
  counts = collections.Counter(
    word
    for name in scan.NAMES
    for split in ("train", "test")
    for text in scan.make_datasets(name)[split][:, column]
    for word in text.split()
  )
  return tuple(sorted(counts, key=lambda w: (-counts[w], ties.index(w))))


def test_words_are_in_the_order_of_their_frequency():
  assert _by_frequency(0, _RULES) == vocabulary.COMMAND_WORDS


def test_actions_have_the_published_ids():
  ties = [*grammar.PRIMITIVES.values(), *grammar.TURNS.values()]
  assert _by_frequency(1, ties) == vocabulary.ACTION_WORDS
  assert (
    *("I_TURN_LEFT", "I_TURN_RIGHT", "I_JUMP"),
    *("I_WALK", "I_RUN", "I_LOOK"),
  ) == vocabulary.ACTION_WORDS
  assert (vocabulary.ACTION_EOS, vocabulary.COMMAND_EOS) == (6, 13)


def test_texts_end_with_eos_and_padding():
  commands = scan.encode_commands(["walk", "turn left twice and look"])
  assert commands.dtype == np.int32
  assert commands.tolist() == [
    [9, 13] + [-1] * 8,
    [12, 0, 2, 6, 11, 13] + [-1] * 4,
  ]
  actions = scan.encode_actions(["I_LOOK I_TURN_RIGHT"], length=5)
  assert actions.dtype == np.int32
  assert actions.tolist() == [[5, 1, 6, -1, -1]]


def test_default_lengths_hold_the_longest_texts_and_no_more():
  commands = scan.encode_commands(grammar.meanings())
  actions = scan.encode_actions(map(" ".join, grammar.meanings().values()))
  assert commands.shape == (20_910, 10)
  assert actions.shape == (20_910, 49)
  for encoded, eos in ((commands, 13), (actions, 6)):
    assert (encoded == eos).sum(axis=1).tolist() == [1] * 20_910
    assert encoded[:, -1].max() == eos
    # Padding follows EOS and is nowhere else.
    is_over = np.cumsum(encoded == eos, axis=1) > 0
    assert ((encoded == scan.PADDING) == (is_over & (encoded != eos))).all()


def test_different_texts_have_different_numbers():
  commands = scan.encode_commands(grammar.meanings())
  assert len(np.unique(commands, axis=0)) == 20_910


def test_no_texts_are_no_rows():
  assert scan.encode_commands([]).shape == (0, 10)


@pytest.mark.parametrize(
  ("call", "message"),
  [
    (lambda: scan.encode_commands(["walk up"]), "SCAN has no word 'up'; use l"),
    (lambda: scan.encode_actions(["I_FLY"]), "no word 'I_FLY'; use I_TURN_L"),
    (
      lambda: scan.encode_commands(["walk left twice"], length=3),
      "has 3 words, .*; use a length of at least 4, not 3",
    ),
  ],
)
def test_what_cannot_be_encoded_is_refused(call, message):
  with pytest.raises(UserError, match=message):
    call()
