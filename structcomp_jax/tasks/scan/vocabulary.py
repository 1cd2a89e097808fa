"""Words of SCAN as numbers.

An id is the place of a word in `COMMAND_WORDS` or `ACTION_WORDS`, and their
number is the id of EOS, the end of a text: 13 of commands, 6 of actions. The
published system numbers by frequency in the files of all four divisions,
training and test, copies included. Of equally frequent words the one that the
rules of `grammar` name first comes first, which gives the published ids of
actions; those of commands are not published.
"""

from collections.abc import Iterable

import numpy as np

from structcomp_jax.types import UserError

COMMAND_WORDS = (
  "left",
  "right",
  "twice",
  "thrice",
  "opposite",
  "around",
  "and",
  "after",
  "jump",
  "walk",
  "run",
  "look",
  "turn",
)
ACTION_WORDS = (
  "I_TURN_LEFT",
  "I_TURN_RIGHT",
  "I_JUMP",
  "I_WALK",
  "I_RUN",
  "I_LOOK",
)
COMMAND_EOS = len(COMMAND_WORDS)
ACTION_EOS = len(ACTION_WORDS)
PADDING = -1
# Of the longest texts, with EOS: 9 words and 48 actions.
COMMAND_LENGTH = 10
ACTION_LENGTH = 49


def encode_commands(
  commands: Iterable[str], length: int = COMMAND_LENGTH
) -> np.ndarray:
  """Writes commands as numbers.

  >>> encode_commands(["jump twice"], length=4).tolist()
  [[8, 2, 13, -1]]

  Args:
    commands: words with spaces between them.
    length: of every row; longer than the longest command.

  Returns:
    int32[commands, length]: ids, then EOS (13), then padding (-1).

  Raises:
    UserError: a command is too long, or has an unknown word.
  """
  return _encode(commands, COMMAND_WORDS, length)


def encode_actions(
  actions: Iterable[str], length: int = ACTION_LENGTH
) -> np.ndarray:
  """Writes sequences of actions as numbers.

  >>> encode_actions(["I_TURN_LEFT I_JUMP"], length=4).tolist()
  [[0, 2, 6, -1]]

  Args:
    actions: names with spaces between them.
    length: of every row; longer than the longest sequence.

  Returns:
    int32[sequences, length]: ids, then EOS (6), then padding (-1).

  Raises:
    UserError: a sequence is too long, or has an unknown action.
  """
  return _encode(actions, ACTION_WORDS, length)


def _encode(
  texts: Iterable[str], vocabulary: tuple[str, ...], length: int
) -> np.ndarray:
  ids = {word: index for index, word in enumerate(vocabulary)}
  rows = []
  for text in texts:
    words = text.split()
    unknown = [word for word in words if word not in ids]
    if unknown:
      raise UserError(
        f"SCAN has no word {unknown[0]!r}; use {', '.join(vocabulary)}"
      )
    if len(words) >= length:
      raise UserError(
        f"{text!r} has {len(words)} words, and one more marks its end; use a"
        f" length of at least {len(words) + 1}, not {length}"
      )
    row = [ids[word] for word in words] + [len(vocabulary)]
    rows.append(row + [PADDING] * (length - len(row)))
  return np.array(rows, np.int32).reshape(-1, length)
