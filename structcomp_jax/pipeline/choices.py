"""Choices that depend on the machine, kept so that they are made once.

A resumed run goes on with the choice it began with, and so with the same bits,
even if the machine has less memory or other work by now.
"""

import pathlib
from collections.abc import Callable
from typing import Any

from structcomp_jax.io import files, hosts


def recall(path: pathlib.Path, name: str, choose: Callable[[], Any]) -> Any:
  """Returns the choice of that name in a JSON file, making it if it is new.

  Args:
    path: {name: choice}.
    name: what the choice depends on.
    choose: returns JSON values. Of several processes the first one's count.

  Raises:
    UserError: the file is torn.
  """
  choices = read(path)
  if name not in choices:
    choices[name] = hosts.agree(choose())
    files.write_json(path, choices)
  return choices[name]


def read(path: pathlib.Path) -> dict[str, Any]:
  """Returns all choices of a file, none if there is no such file.

  Raises:
    UserError: the file is torn.
  """
  found: dict[str, Any] = files.read_json(path, {})
  return found
