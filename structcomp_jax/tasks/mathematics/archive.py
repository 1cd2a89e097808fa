"""The public archive of questions, as files.

It is called mathematics_dataset-v1.0 and has a folder for every part, with a
file for every module: a line for a question, a line for its answer. It must be
downloaded by hand, from https://console.cloud.google.com/storage/browser/
mathematics-dataset, and unpacked; nothing here reads the network.

The published system drops questions that occurred before, in the order of
`PARTS`, and takes 10,000 test questions from each level. Three of its slips are
an option (`PUBLISHED`):

- It compares hashes of questions, not questions. Python draws the hash function
  anew in every process, so which different questions are taken for equal, if
  any are, depends on the process. Here questions are compared.
- Its extrapolation set is a copy of the interpolation set. Here it has the
  questions of the module's extrapolation files.
- It looks at the test questions during training. Here 1,000 others of each
  level are set aside for that.
"""

import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

import numpy as np

from structcomp_jax.tasks.mathematics.levels import LEVELS, MODULES
from structcomp_jax.types import UserError

FOLDER = "mathematics_dataset-v1.0"
# Where TFDS has files that are downloaded by hand, below the data directory.
MANUAL = pathlib.Path("downloads") / "manual"
_INTERPOLATE, _EXTRAPOLATE = "interpolate", "extrapolate"
PARTS = (*LEVELS, _INTERPOLATE, _EXTRAPOLATE)
_FOLDERS = {**{level: f"train-{level}" for level in LEVELS},
            _INTERPOLATE: _INTERPOLATE, _EXTRAPOLATE: _EXTRAPOLATE}  # fmt: skip

# Of every level, or a tenth and a hundredth of smaller ones.
_NUM_TEST, _NUM_VALIDATION = 10_000, 1000
# The published one, and ours for what the published system does not draw.
_TEST_SEED, _OWN_SEED = 1234, 2021

Question = tuple[str, str]
Row = tuple[str, str, str]


@dataclasses.dataclass(frozen=True)
class Processing:
  """How the archive becomes data sets.

  Attributes:
    identity: of a question; questions with equal ones are taken for one.
    copies_interpolation: the extrapolation set is the interpolation set.
    validates_on_test: validation is a part of the test split.
  """

  identity: Callable[[str], Hashable]
  copies_interpolation: bool = False
  validates_on_test: bool = False


CLEAN = Processing(identity=str)
PUBLISHED = Processing(
  identity=hash, copies_interpolation=True, validates_on_test=True
)


def read(
  root: pathlib.Path, module: str, processing: Processing = CLEAN
) -> dict[str, list[Question]]:
  """Reads the questions of a module, each one once.

  Args:
    root: the folder of the archive.
    module: a name in `levels.MODULES`.
    processing: what counts as one question, and what extrapolation is.

  Returns:
    {part: questions and answers}; a part that has no file is empty, unless it
    is one for training.

  Raises:
    UserError: a file is missing or is no such file.
  """
  seen: set[Hashable] = set()
  found: dict[str, list[Question]] = {}
  for part in PARTS:
    found[part] = []
    for question, answer in _stored(root, module, part):
      identity = processing.identity(question)
      if identity not in seen:
        seen.add(identity)
        found[part].append((question, answer))
  if processing.copies_interpolation:
    found[_EXTRAPOLATE] = list(found[_INTERPOLATE])
  return found


@functools.lru_cache(maxsize=1)
def splits(
  root: pathlib.Path,
  module: str,
  levels: tuple[str, ...],
  processing: Processing,
) -> Mapping[str, Sequence[Row]]:
  """Divides the training questions of some levels.

  Returns:
    {split: question, answer and level of every problem}, the levels by turns.
    Treat it as read-only: it is cached.

  Raises:
    UserError: as `read`.
  """
  questions = read(root, module, processing)
  parts = [
    _divided([(*one, level) for one in questions[level]], processing)
    for level in levels
  ]
  return {
    split: list(_by_turns([part[split] for part in parts]))
    for split in ("train", "validation", "test")
  }


def _divided(rows: list[Row], processing: Processing) -> dict[str, list[Row]]:
  """Divides the questions of one level."""
  num_test = min(_NUM_TEST, len(rows) // 10)
  num_validation = min(_NUM_VALIDATION, len(rows) // 100)
  test = np.random.RandomState(_TEST_SEED).choice(
    len(rows), num_test, replace=False
  )
  rest = np.setdiff1d(np.arange(len(rows)), test)
  rest = np.random.RandomState(_OWN_SEED).permutation(rest)
  if processing.validates_on_test:
    validation = test[:num_validation]
  else:
    validation, rest = rest[:num_validation], rest[num_validation:]
  places = {"train": rest, "validation": validation, "test": test}
  return {
    split: [rows[place] for place in chosen] for split, chosen in places.items()
  }


def _by_turns(parts: Sequence[Sequence[Row]]) -> Iterator[Row]:
  for rows in itertools.zip_longest(*parts):
    yield from (row for row in rows if row is not None)


def read_part(root: pathlib.Path, module: str, part: str) -> list[Question]:
  """Returns the questions of one part, as they are stored.

  Raises:
    UserError: a file is missing or is no such file.
  """
  return list(_stored(root, module, part))


def _stored(root: pathlib.Path, module: str, part: str) -> Iterator[Question]:
  name = MODULES[module].published
  folder = root / _FOLDERS[part]
  if part == _EXTRAPOLATE:
    # Those of a module have names such as arithmetic__add_or_sub_big.
    paths = sorted(folder.glob(f"{name}_*.txt"))
  else:
    paths = [folder / f"{name}.txt"]
  for path in paths:
    if path.exists() or part in LEVELS:
      yield from _lines(path)


def _lines(path: pathlib.Path) -> Iterator[Question]:
  try:
    lines = path.read_text(encoding="ascii").splitlines()
  except (OSError, UnicodeDecodeError) as error:
    raise UserError(
      f"{path} cannot be read ({error}); download {FOLDER} by hand and unpack"
      f" it there, see {__name__}"
    ) from error
  if len(lines) % 2:
    raise UserError(
      f"{path} has {len(lines)} lines, but a question and its answer are two;"
      " download it again"
    )
  return zip(lines[::2], lines[1::2], strict=True)
