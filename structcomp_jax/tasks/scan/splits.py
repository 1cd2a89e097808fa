"""Which commands are for training and which for testing: four divisions.

`simple` is random. The others hold back long sequences of actions, or a command
in all but its simplest use: of that one, "jump" or "turn left" alone, training
has copies, a tenth of it. In every division training and test together hold all
commands, and no command is in both.

Nothing is chosen by validation in the published system: a network is looked at
during training on its test problems. Here `validation` is a random part of the
test split, so it must not decide about anything that is tested afterwards.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from structcomp_jax.tasks.scan import grammar
from structcomp_jax.types import UserError

# The official division of `simple` has no published seed. Any random one has
# the same distribution; this is ours.
_SIMPLE_SEED = 2021
_NUM_SIMPLE_TRAIN = 16_728
_LONGEST_IN_TRAINING = 22
# There is one copy of the command that is shown alone for as many others.
_OTHERS_PER_COPY = 9
# Of the order in which problems are stored, and of validation.
_ORDER_SEED = 2018
_MAX_VALIDATION = 1000


@dataclasses.dataclass(frozen=True)
class _Division:
  """A way to divide all commands.

  Attributes:
    choose_test: returns the commands for testing, of {command: actions}.
    shown_alone: the command of which training has copies, if any.
  """

  choose_test: Callable[[Mapping[str, grammar.Actions]], Iterable[str]]
  shown_alone: str | None = None


def _random(meanings: Mapping[str, grammar.Actions]) -> Iterable[str]:
  # NumPy never changes what its legacy streams yield.
  order = np.random.RandomState(_SIMPLE_SEED).permutation(list(meanings))
  return order[_NUM_SIMPLE_TRAIN:].tolist()


def _long(meanings: Mapping[str, grammar.Actions]) -> Iterable[str]:
  return [
    command
    for command, actions in meanings.items()
    if len(actions) > _LONGEST_IN_TRAINING
  ]


def _with_jump(meanings: Mapping[str, grammar.Actions]) -> Iterable[str]:
  return [command for command in meanings if "jump" in command.split()]


def _with_turn_left(meanings: Mapping[str, grammar.Actions]) -> Iterable[str]:
  # "turn opposite left" and "turn around left" do not count.
  return [command for command in meanings if "turn left" in command]


_DIVISIONS = {
  "simple": _Division(_random),
  "length": _Division(_long),
  "jump": _Division(_with_jump, shown_alone="jump"),
  "turn_left": _Division(_with_turn_left, shown_alone="turn left"),
}
NAMES = tuple(_DIVISIONS)


@functools.cache
def make_datasets(name: str) -> dict[str, np.ndarray]:
  """Makes all problems of a division.

  Args:
    name: one of `NAMES`.

  Returns:
    {split: object[problems, 2]} of str, command and actions, in a fixed random
    order. The splits are train (with the copies of the command that is shown
    alone), validation (1,000 problems of test) and test. The same at every
    call; treat it as read-only.

  Raises:
    UserError: there is no such division.
  """
  if name not in _DIVISIONS:
    raise UserError(f"no SCAN data set {name!r}; use one of {', '.join(NAMES)}")
  train, test = _divide(_DIVISIONS[name])
  stream = np.random.RandomState([_ORDER_SEED, NAMES.index(name)])
  problems = {
    "train": _as_problems(stream.permutation(train)),
    "test": _as_problems(stream.permutation(test)),
  }
  validation = stream.permutation(len(test))[:_MAX_VALIDATION]
  return {
    "train": problems["train"],
    "validation": problems["test"][validation],
    "test": problems["test"],
  }


def separation(*names: str) -> list[str]:
  """Returns lines that say how much of the test splits is in training.

  Networks are trained on `simple` and masks on each division, so two training
  splits count.

  Args:
    *names: divisions, of `NAMES`; all of them by default.

  Returns:
    A line for each division. What it says is counted in the data.

  Raises:
    UserError: there is no such division.
  """
  trained = set(make_datasets("simple")["train"][:, 0])
  lines = []
  for name in names or NAMES:
    problems = make_datasets(name)
    test = set(problems["test"][:, 0])
    lines.append(
      f"{name}: {len(test & trained)} of {len(test)} test commands are in the"
      f" training split of simple, {len(test & {*problems['train'][:, 0]})} in"
      " its own; validation is a part of test"
    )
  return lines


def _divide(division: _Division) -> tuple[list[str], list[str]]:
  """Returns the commands for training, with copies, and those for testing."""
  meanings = grammar.meanings()
  alone = division.shown_alone
  test = {*division.choose_test(meanings)} - {alone}
  held_back = test | {alone}
  train = [command for command in meanings if command not in held_back]
  if alone is not None:
    train += [alone] * (len(train) // _OTHERS_PER_COPY)
  return train, [command for command in meanings if command in test]


def _as_problems(commands: Iterable[str]) -> np.ndarray:
  """Returns commands with their actions, object[commands, 2] of str."""
  meanings = grammar.meanings()
  # An array of str from NumPy holds strings of a type of its own.
  rows = [(str(command), " ".join(meanings[command])) for command in commands]
  return np.array(rows, dtype=object)
