"""Names of the data sets of mathematics, and what they hold."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from structcomp_jax.tasks.mathematics import generated
from structcomp_jax.tasks.mathematics.levels import LEVELS, MODULES
from structcomp_jax.types import UserError

ALL = "all"


@dataclasses.dataclass(frozen=True)
class _Source:
  """A data set.

  Attributes:
    module: a name in `MODULES`.
    levels: which questions it has.
  """

  module: str
  levels: tuple[str, ...]

  def __str__(self) -> str:
    return f"Module {self.module}, {', '.join(self.levels)} questions."


def _named() -> dict[str, _Source]:
  names = {}
  for module in MODULES:
    names[module] = _Source(module, LEVELS)
    for level in LEVELS:
      names[f"{module}.{level}"] = _Source(module, (level,))
  return names


# {name of a TFDS config: what it holds}
NAMES = _named()


def sizes(name: str) -> dict[str, int]:
  """Returns {split: number of problems} of a data set.

  >>> sizes("add_or_sub.easy")["test"]
  10000

  Raises:
    UserError: there is no such data set.
  """
  return generated.sizes(_source(name).levels)


def make_problems(name: str, split: str, count: int) -> Iterator[np.ndarray]:
  """Yields the first problems of a split: question, answer, level.

  Raises:
    UserError: there is no such data set.
  """
  source = _source(name)
  return generated.problems(source.module, source.levels, split, count)


def separation(name: str) -> list[str]:
  """Returns lines that say what tests share with training."""
  return [
    f"{name}: no question of a split is in another one, and none occurs twice"
  ]


def _source(name: str) -> _Source:
  if name not in NAMES:
    raise UserError(
      f"no data set mathematics/{name}; use one of {', '.join(NAMES)}"
    )
  return NAMES[name]
