"""The phrase-structure grammar of SCAN (Lake & Baroni 2018), and its meaning.

    C -> S and S | S after S | S
    S -> V twice | V thrice | V
    V -> U | U d | U opposite d | U around d | turn d | turn opposite d
       | turn around d
    U -> walk | run | look | jump          d -> left | right

Every phrase means a sequence of actions. `turn` stands where a verb stands and
adds no action of its own to the turns.
"""

import functools
from collections.abc import Mapping

Actions = tuple[str, ...]

PRIMITIVES = {
  "walk": "I_WALK",
  "run": "I_RUN",
  "look": "I_LOOK",
  "jump": "I_JUMP",
}
TURNS = {"left": "I_TURN_LEFT", "right": "I_TURN_RIGHT"}
_TIMES = {"twice": 2, "thrice": 3}


@functools.cache
def meanings() -> Mapping[str, Actions]:
  """Returns {command: its actions} of all 20,910 commands, in a fixed order.

  Treat it as read-only: it is cached.

  >>> meanings()["jump around left after walk twice"][:4]
  ('I_WALK', 'I_WALK', 'I_TURN_LEFT', 'I_JUMP')
  """
  sentences = _sentences()
  commands = dict(sentences)
  for first, first_actions in sentences.items():
    for second, second_actions in sentences.items():
      commands[f"{first} and {second}"] = first_actions + second_actions
      commands[f"{first} after {second}"] = second_actions + first_actions
  return commands


def _sentences() -> dict[str, Actions]:
  """Returns what S stands for: verb phrases, once, twice and thrice."""
  verb_phrases = _verb_phrases()
  repeated = {
    f"{phrase} {word}": actions * times
    for phrase, actions in verb_phrases.items()
    for word, times in _TIMES.items()
  }
  return verb_phrases | repeated


def _verb_phrases() -> dict[str, Actions]:
  """Returns what V stands for."""
  verbs = {word: (action,) for word, action in PRIMITIVES.items()}
  phrases: dict[str, Actions] = dict(verbs)
  for verb, actions in (verbs | {"turn": ()}).items():
    for direction, turn in TURNS.items():
      phrases[f"{verb} {direction}"] = (turn, *actions)
      phrases[f"{verb} opposite {direction}"] = (turn, turn, *actions)
      phrases[f"{verb} around {direction}"] = (turn, *actions) * 4
  return phrases
