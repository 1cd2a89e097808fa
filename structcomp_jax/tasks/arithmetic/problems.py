"""Problems by name: two tasks, two policies; and what their splits share."""

import functools
import types

import numpy as np

from structcomp_jax.tasks.arithmetic import (
  add_mul,
  double_addition,
  two_digit,
)
from structcomp_jax.types import UserError

_TASKS = {"add_mul": add_mul, "double_addition": double_addition}
# {name: (task, policy)}; a name without a suffix is of the published policy.
NAMES = {
  task if policy == "published" else f"{task}.{policy}": (task, policy)
  for policy in two_digit.POLICIES
  for task in _TASKS
}


def task_module(name: str) -> types.ModuleType:
  """Returns the module of the task that a name belongs to.

  Raises:
    UserError: there is no such name.
  """
  return _TASKS[_task_and_policy(name)[0]]


def make_problems(name: str, split: str) -> np.ndarray:
  """Returns all problems of one split, the same at every call.

  Args:
    name: a key of `NAMES`, such as "add_mul" or "double_addition.disjoint".
    split: "train", "validation" or "test".

  Returns:
    uint8[problems, 3] (a, b, operation) of add_mul, uint8[problems, 4]
    (a, b, c, d) of double_addition.

  Raises:
    UserError: there is no such name.
  """
  task, policy = _task_and_policy(name)
  module = _TASKS[task]
  draw = module.disjoint if policy == "disjoint" else module.published
  return draw(split)


def separation(name: str) -> list[str]:
  """Returns lines that say how much of the test split is in training.

  Args:
    name: a key of `NAMES`.

  Returns:
    One line for each operation or pair. What it says is counted in the data.

  Raises:
    UserError: there is no such name.
  """
  return list(_separation(name))


@functools.cache
def _separation(name: str) -> tuple[str, ...]:
  task = task_module(name)
  problems = make_problems(name, "test")
  train = task.inputs_by_part(make_problems(name, "train"))
  test = task.inputs_by_part(problems)
  exchanged = task.inputs_by_part(problems[:, task.OTHER_ORDER])
  return tuple(
    f"{name}: {_num_shared(test[part], train[part])} of"
    f" {len(np.unique(test[part]))} distinct test inputs of {part} occur in"
    f" training, and {_num_shared(exchanged[part], train[part])} of them with"
    " the two numbers in the other order"
    for part in test
  )


def _num_shared(test: np.ndarray, train: np.ndarray) -> int:
  """Returns how many distinct values of `test` are in `train`."""
  return int(np.isin(np.unique(test), train).sum())


def _task_and_policy(name: str) -> tuple[str, str]:
  if name not in NAMES:
    raise UserError(
      f"no arithmetic data set {name!r}; use one of {', '.join(NAMES)}"
    )
  return NAMES[name]
