"""What commands mean."""

import collections

import pytest

from structcomp_jax.tasks.scan import grammar

# {letter: action}, to write sequences down shortly.
_LETTERS = {
  "<": "I_TURN_LEFT",
  ">": "I_TURN_RIGHT",
  "W": "I_WALK",
  "R": "I_RUN",
  "L": "I_LOOK",
  "J": "I_JUMP",
}


@pytest.mark.parametrize(
  ("command", "actions"),
  [
    ("walk", "W"),
    ("run", "R"),
    ("look", "L"),
    ("jump", "J"),
    ("turn left", "<"),
    ("turn right", ">"),
    ("look left", "<L"),
    ("jump right", ">J"),
    ("turn opposite left", "<<"),
    ("run opposite right", ">>R"),
    ("turn around right", ">>>>"),
    ("jump around left", "<J<J<J<J"),
    ("walk twice", "WW"),
    ("jump thrice", "JJJ"),
    ("turn left thrice", "<<<"),
    ("look right twice", ">L>L"),
    ("run opposite left twice", "<<R<<R"),
    ("turn around left twice", "<<<<<<<<"),
    ("walk around right twice", ">W>W>W>W>W>W>W>W"),
    ("walk and run", "WR"),
    ("walk after run", "RW"),
    ("jump left and look", "<JL"),
    ("jump left after look twice", "LL<J"),
    ("turn opposite right thrice and walk twice", ">>>>>>WW"),
    ("look around left after turn right", "><L<L<L<L"),
    ("jump and jump", "JJ"),
  ],
)
def test_meaning_of_every_kind_of_phrase(command, actions):
  assert grammar.meanings()[command] == tuple(_LETTERS[a] for a in actions)


def test_numbers_of_phrases_are_the_published_ones():
  lengths = collections.Counter(
    "and" in command.split() or "after" in command.split()
    for command in grammar.meanings()
  )
  assert lengths == {False: 102, True: 2 * 102**2}
  assert len(grammar.meanings()) == 20_910
  simple = [
    command
    for command in grammar.meanings()
    if not {"and", "after", "twice", "thrice"} & set(command.split())
  ]
  assert len(simple) == 34


def test_lengths_of_action_sequences_are_the_published_ones():
  lengths = {len(actions) for actions in grammar.meanings().values()}
  expected = {*range(1, 23), *range(24, 29), 30, 32, 33, 36, 40, 48}
  assert lengths == expected


@pytest.mark.parametrize(
  "command",
  [
    "turn",
    "walk twice thrice",
    "walk left opposite",
    "walk opposite",
    "walk and run and look",
    "walk and run twice twice",
    "opposite left",
    "",
  ],
)
def test_what_the_grammar_does_not_say_is_no_command(command):
  assert command not in grammar.meanings()
