"""Names of the data sets of mathematics, and what they hold."""

import dataclasses
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from structcomp_jax.tasks.mathematics import archive, generated
from structcomp_jax.tasks.mathematics.levels import LEVELS, MODULES
from structcomp_jax.types import UserError

# Where questions come from: drawn here; the public archive, divided cleanly, or
# as in the published system.
GENERATED = "generated"
_ARCHIVES = {
  "archive": archive.CLEAN,
  "archive_published": archive.PUBLISHED,
}
POLICIES = (GENERATED, *_ARCHIVES)


@dataclasses.dataclass(frozen=True)
class _Source:
  """What a data set holds.

  Attributes:
    module: a name in `MODULES`.
    levels: which questions.
    policy: where they come from.
  """

  module: str
  levels: tuple[str, ...]
  policy: str

  def __str__(self) -> str:
    return f"Module {self.module}, {', '.join(self.levels)}, {self.policy}."


def name_of(module: str, levels: tuple[str, ...], policy: str) -> str:
  """Returns the name of the data set with some levels of a module.

  It has all levels, or only one: of several, all are stored.

  >>> name_of("sort", ("easy",), "archive")
  'sort.easy.archive'
  """
  level = f".{levels[0]}" if len(levels) == 1 else ""
  suffix = "" if policy == GENERATED else f".{policy}"
  return f"{module}{level}{suffix}"


# {name of a TFDS config: what it holds}
NAMES = {
  name_of(module, levels, policy): _Source(module, levels, policy)
  for policy in POLICIES
  for module in MODULES
  for levels in (LEVELS, *((level,) for level in LEVELS))
}


def sizes(name: str, data_dir: str | os.PathLike[str] = "") -> dict[str, int]:
  """Returns {split: number of problems} of a data set.

  >>> sizes("add_or_sub.easy")["test"]
  10000

  Args:
    name: one of `NAMES`.
    data_dir: below which an archive lies, see `archive`.

  Raises:
    UserError: there is no such data set, or no such archive.
  """
  source = _source(name)
  if source.policy == GENERATED:
    return generated.sizes(source.levels)
  rows = _of_archive(source, data_dir)
  return {split: len(problems) for split, problems in rows.items()}


def make_problems(
  name: str, split: str, count: int, data_dir: str | os.PathLike[str] = ""
) -> Iterator[np.ndarray]:
  """Yields the first problems of a split: object[3], all of them str.

  They are question, answer and level; levels come by turns.

  Raises:
    UserError: there is no such data set, or no such archive.
  """
  source = _source(name)
  if source.policy == GENERATED:
    yield from generated.problems(source.module, source.levels, split, count)
    return
  for row in _of_archive(source, data_dir)[split][:count]:
    yield np.array(row, dtype=object)


def separation(name: str) -> list[str]:
  """Returns lines that say what tests share with training.

  Raises:
    UserError: there is no such data set.
  """
  source = _source(name)
  line = f"{name}: no question of a split is in another one"
  if source.policy != GENERATED and (
    _ARCHIVES[source.policy].validates_on_test
  ):
    line = f"{name}: no test question is in training; validation is a part of"
    line += " test"
  return [line]


def _of_archive(
  source: _Source, data_dir: str | os.PathLike[str]
) -> Mapping[str, Sequence[archive.Row]]:
  root = pathlib.Path(data_dir) / archive.MANUAL / archive.FOLDER
  return archive.splits(
    root, source.module, source.levels, _ARCHIVES[source.policy]
  )


def _source(name: str) -> _Source:
  if name not in NAMES:
    raise UserError(
      f"no data set mathematics/{name}; use one of {', '.join(NAMES)}"
    )
  return NAMES[name]
