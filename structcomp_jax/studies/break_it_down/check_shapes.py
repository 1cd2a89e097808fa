"""Checks odd-one-out pictures by what can be seen in them.

One line per data set says how many problems are sound, ambiguous and wrong;
more lines show the first of those that are not sound.
"""

import dataclasses
import pathlib
import re
from collections.abc import Callable, Iterable

import cv2
import numpy as np

from structcomp_jax.io.progress import Progress
from structcomp_jax.tasks import datasets
from structcomp_jax.tasks.odd_one_out import shapes
from structcomp_jax.tasks.odd_one_out.shapes.pixels import (
  judge as pixel_check,
)
from structcomp_jax.types import UserError

_BUILDER = "shape_subroutines"
# Black pixels around each picture in a published file.
_FRAME = 4
_PROBLEMS_AT_ONCE = 256
_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class Problems:
  """Problems of one kind, wherever they come from.

  Attributes:
    label: of the line about them.
    experiment, role: what they ask.
    size: how many there are.
    read: (start, stop) -> uint8 [stop - start, 4, height, width, 3].
    name: index -> how to call a problem.
  """

  label: str
  experiment: str
  role: str
  size: int
  read: Callable[[int, int], np.ndarray]
  name: Callable[[int], str] = "problem {}".format


def run_prepared(
  tfds_dir: str | pathlib.Path,
  builder: str | None = None,
  split: str | None = None,
) -> None:
  """Checks data sets that `launch.prepare_data` has built.

  Args:
    tfds_dir: the TFDS directory.
    builder: one of them, e.g. "shape_subroutines/inside_contact.base"; by
      default all of `tfds_dir`.
    split: one split; by default all.

  Raises:
    UserError: there is nothing to check, or a problem is wrong.
  """
  configs = [builder] if builder else _prepared(pathlib.Path(tfds_dir))
  run(_splits(tfds_dir, configs, split))


def run_array(path: str | pathlib.Path, experiment: str, role: str) -> None:
  """Checks a NumPy file uint8 [problems, 4, height, width, 3], odd one last.

  Raises:
    UserError: the file cannot be used, or a problem is wrong.
  """
  try:
    images = np.load(path, mmap_mode="r", allow_pickle=False)
  except OSError as error:
    raise UserError(
      f"cannot read {path} ({error.strerror or error}); give a file that"
      " np.save wrote"
    ) from error
  except ValueError as error:
    raise UserError(
      f"{path} is no array of numbers; give a file that np.save wrote"
    ) from error
  if not isinstance(images, np.ndarray) or not images.size:
    raise UserError(
      f"{path} holds no array of problems; give uint8 [problems, 4, height, "
      "width, 3], as np.save writes it"
    )
  run(
    [
      Problems(
        str(path),
        experiment,
        role,
        len(images) if images.ndim else 1,
        lambda start, stop: np.asarray(images[start:stop]),
      )
    ]
  )


def run_files(
  directory: str | pathlib.Path, experiment: str, role: str
) -> None:
  """Checks PNG files in the published form, one problem each.

  Four pictures side by side, the odd one last, each in a black frame of four
  pixels.

  Raises:
    UserError: the files cannot be used, or a problem is wrong.
  """
  paths = sorted(pathlib.Path(directory).glob("*.png"), key=_by_number)
  if not paths:
    raise UserError(
      f"no PNG files in {directory}; give the directory of a split"
    )
  run(
    [
      Problems(
        str(directory),
        experiment,
        role,
        len(paths),
        lambda start, stop: np.stack(
          [_cut(path) for path in paths[start:stop]]
        ),
        lambda index: paths[index].name,
      )
    ]
  )


def run(sources: Iterable[Problems]) -> None:
  """Checks problems and prints what was found.

  Raises:
    UserError: a problem is wrong.
  """
  wrong = sum(_check(problems) for problems in sources)
  if wrong:
    raise UserError(
      f"{wrong} problem{'s are' if wrong > 1 else ' is'} wrong; see the lines"
      " above and make the data again"
    )


def _check(problems: Problems) -> int:
  """Prints the findings about a data set; returns how many are wrong."""
  counts = {"sound": 0, "ambiguous": 0, "wrong": 0}
  found = []
  with Progress(problems.size, problems.label) as progress:
    for start in range(0, problems.size, _PROBLEMS_AT_ONCE):
      images = problems.read(
        start, min(start + _PROBLEMS_AT_ONCE, problems.size)
      )
      judgement = pixel_check.judge(images, problems.experiment, problems.role)
      for verdict in counts:
        counts[verdict] += int(getattr(judgement, verdict).sum())
      found += [
        f"  {problems.name(start + index)} is"
        f" {'wrong' if judgement.wrong[index] else 'ambiguous'}:"
        f" {judgement.reason(index)}"
        for index in np.flatnonzero(~judgement.sound).tolist()
      ]
      progress.update(len(images), **counts)
  numbers = ", ".join(f"{count} {name}" for name, count in counts.items())
  lines = [f"{problems.label}: {problems.size} problems, {numbers}"]
  lines += sorted(found, key=lambda line: " is wrong: " not in line)[:_SHOWN]
  lines += [f"  and {len(found) - _SHOWN} more"] * (len(found) > _SHOWN)
  print("\n".join(lines), flush=True)
  return counts["wrong"]


def _prepared(tfds_dir: pathlib.Path) -> list[str]:
  """Returns the names of the shape data sets in a directory."""
  names = [
    f"{_BUILDER}/{name}"
    for name in shapes.DATASET_NAMES
    if (tfds_dir / _BUILDER / name).is_dir()
  ]
  if not names:
    raise UserError(
      f"no {_BUILDER} in {tfds_dir}; build one with python -m"
      f" launch.prepare_data --builder={_BUILDER}/inside_contact.base"
      f" --data_dir={tfds_dir}"
    )
  return names


def _splits(
  tfds_dir: str | pathlib.Path, builders: list[str], split: str | None
) -> Iterable[Problems]:
  """Yields the splits of data sets, each read when its turn comes."""
  for builder in builders:
    config = builder.removeprefix(f"{_BUILDER}/")
    if config not in shapes.DATASET_NAMES:
      raise UserError(
        f"no shape data set {builder!r}; use {_BUILDER}/CONFIG with CONFIG"
        f" such as {next(iter(shapes.DATASET_NAMES))}"
      )
    name = shapes.DATASET_NAMES[config]
    only_one = len(builders) == 1
    for each in (
      [split] if split and only_one else shapes.split_sizes(name.role)
    ):
      if split in (None, each):
        images = datasets.load(builder, tfds_dir, each)
        yield Problems(
          f"{config} {each}",
          name.experiment,
          name.role,
          len(images),
          _reader(images),
        )


def _reader(images: np.ndarray) -> Callable[[int, int], np.ndarray]:
  return lambda start, stop: images[start:stop]


def _by_number(path: pathlib.Path) -> tuple[int, str]:
  numbers = re.findall(r"\d+", path.stem)
  return int(numbers[-1]) if numbers else 0, path.name


def _cut(path: pathlib.Path) -> np.ndarray:
  """Returns the four pictures of a file, uint8 [4, height, width, 3]."""
  sheet = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
  if sheet is None:
    raise UserError(f"cannot read {path}; delete it or store it again")
  height, width = sheet.shape[0], sheet.shape[1] // 4
  inside = slice(_FRAME, height - _FRAME), slice(_FRAME, width - _FRAME)
  framed = sheet[:, : 4 * width].reshape(height, 4, width, 3).swapaxes(0, 1)
  pictures = framed[:, *inside]
  frames = framed.copy()
  frames[:, *inside] = 0
  if sheet.shape[1] % 4 or not pictures.size or frames.any():
    raise UserError(
      f"{path} is not four pictures in black frames of {_FRAME} pixels; give"
      " pictures without frames as --npy"
    )
  return pictures
