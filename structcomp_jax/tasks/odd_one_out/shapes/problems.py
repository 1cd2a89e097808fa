"""Makes problems: three pictures that follow a rule, and the odd one."""

import zlib
from collections.abc import Sequence

import numpy as np

from structcomp_jax.tasks.odd_one_out import names
from structcomp_jax.tasks.odd_one_out.names import DatasetName
from structcomp_jax.tasks.odd_one_out.shapes import drawing, draws
from structcomp_jax.tasks.odd_one_out.shapes.pictures import POLICIES
from structcomp_jax.tasks.odd_one_out.shapes.pixels import judge
from structcomp_jax.tasks.odd_one_out.shapes.scenes import (
  Objects,
  Scenes,
)
from structcomp_jax.types import UserError

# Number of pictures in a problem; the last is the odd one.
PICTURES = 4
# Problems per split that are stored.
_SPLIT_SIZES = {"train": 10_000, "validation": 500, "test": 1000}
# How often a problem is drawn at most if its pixels are wrong or doubtful.
_ATTEMPTS = 100
# Number of problems that are made at a time.
_BLOCK = 512

# A type of pictures: which of the two properties of its experiment it has.
Holds = tuple[bool, bool]
_TYPES = ((True, True), (True, False), (False, True), (False, False))


def make_problems(
  name: str | DatasetName, split: str, indices: Sequence[int] | np.ndarray
) -> np.ndarray:
  """Makes problems of a data set.

  A problem depends on name, split and index alone.

  Args:
    name: a key or a value of `names.SHAPES.dataset_names`.
    split: "train", "validation" or "test".
    indices: which problems of the split, from 0 on. A data set stores the
      first ones, but there is a problem for every index.

  Returns:
    uint8[problems, 4, 128, 128, 3], the odd picture last.

  Raises:
    UserError: there is no such data set or split, or the generator does not
      find a problem whose pixels are right.
  """
  name = _find(str(name), split)
  key = np.full(1, zlib.crc32(str(name).encode()), np.uint64)
  key = draws.fold_in(draws.fold_in(key, "problems"), split)
  keys = draws.fold_in(key, np.asarray(indices, np.int64).ravel())
  images = np.empty((len(keys), PICTURES, drawing.SIDE, drawing.SIDE, 3), "u1")
  pending = np.arange(len(keys))
  for attempt in range(_ATTEMPTS):
    if not pending.size:
      return images
    attempt_keys = draws.fold_in(keys, attempt)
    pending = np.concatenate(
      [
        rows[~_fill(images, rows, attempt_keys, name)]
        for rows in np.split(pending, range(_BLOCK, len(pending), _BLOCK))
      ]
    )
  raise UserError(
    f"the generator failed to make problem {np.ravel(indices)[pending[0]]} of"
    f" {name}, {split}: its pixels were wrong or doubtful in {_ATTEMPTS} tries;"
    " leave this problem out"
  )


def split_sizes(role: str) -> dict[str, int]:
  """Returns how many problems the data sets of a role store in each split.

  >>> split_sizes("odd_both")
  {'validation': 500, 'test': 1000}
  """
  return {
    split: size
    for split, size in _SPLIT_SIZES.items()
    if split != "train" or names.has_training_split(role)
  }


def picture_types(
  experiment: str, role: str
) -> tuple[tuple[Holds, ...], tuple[Holds, ...]]:
  """Returns the types of rule pictures and the types of the odd picture.

  A type says which of the two properties of the experiment a picture has. All
  types that are returned are equally likely. In `base`, rule pictures have both
  properties, and the odd picture lacks at least one. In the data set of one
  property, rule pictures have it, and the odd picture lacks it. In `odd_*`,
  rule pictures have both, and the odd picture lacks the one in the name, or
  both.

  >>> picture_types("inside_contact", "odd_inside")
  (((True, True),), ((False, True),))
  """
  both = ((True, True),)
  if role == "base":
    return both, tuple(t for t in _TYPES if t not in both)
  if role == "odd_both":
    return both, ((False, False),)
  subroutines = names.SHAPES.experiments[experiment].subroutines
  position = subroutines.index(role.removeprefix("odd_"))
  if role.startswith("odd_"):
    return both, ((position != 0, position != 1),)
  return (
    tuple(t for t in _TYPES if t[position]),
    tuple(t for t in _TYPES if not t[position]),
  )


def _find(name: str, split: str) -> DatasetName:
  known = names.SHAPES.dataset_names
  if name not in known:
    raise UserError(
      f"no shape data set {name!r}; use EXPERIMENT.ROLE such as"
      f" {next(iter(known))}"
    )
  splits = split_sizes(known[name].role)
  if split not in splits:
    raise UserError(f"{name} has no split {split!r}; use {', '.join(splits)}")
  return known[name]


def _fill(
  images: np.ndarray, rows: np.ndarray, keys: np.ndarray, name: DatasetName
) -> np.ndarray:
  """Draws some problems; returns which ones show what they should, bool[n]."""
  in_a_row = rows[-1] - rows[0] == len(rows) - 1
  problems = images[rows[0] : rows[-1] + 1] if in_a_row else images[rows]
  problems.fill(255)
  _draw(problems.reshape(-1, *images.shape[2:]), keys[rows], name)
  if not in_a_row:
    images[rows] = problems
  return judge.judge(problems, name.experiment, name.role).sound


def sample_objects(keys: np.ndarray, name: DatasetName) -> Objects:
  """Draws the objects of one try of every problem.

  Args:
    keys: uint64[problems].
    name: the data set.

  Returns:
    The objects. Picture 4 i + j is the j-th of problem i, and 4 i + 3 its odd
    picture.
  """
  rule, odd = map(np.array, picture_types(name.experiment, name.role))
  picture_keys = _picture_keys(keys)
  type_keys = draws.fold_in(picture_keys, "type")
  holds = rule[draws.choice(type_keys, len(rule))]
  holds[:, -1] = odd[draws.choice(type_keys[:, -1], len(odd))]
  scenes = Scenes(
    keys=picture_keys.ravel(),
    problem_keys=np.repeat(keys, PICTURES),
    number=np.repeat(2 + draws.coin(draws.fold_in(keys, "number")), PICTURES),
    holds=holds.reshape(-1, 2),
  )
  return POLICIES[name.policy].samplers[name.experiment](scenes)


def _picture_keys(keys: np.ndarray) -> np.ndarray:
  return draws.fold_in(keys[:, None], np.arange(PICTURES))


def _draw(pictures: np.ndarray, keys: np.ndarray, name: DatasetName) -> None:
  """Draws one try of every problem on white uint8[pictures, 128, 128, 3]."""
  picture_keys = _picture_keys(keys).ravel()
  objects = sample_objects(keys, name)
  colours = POLICIES[name.policy].colours(objects, picture_keys)
  drawing.draw(pictures, objects, colours)
