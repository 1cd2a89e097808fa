"""Draws sample sheets of the shape problems.

    python -m tools.shape_sheets --out=docs/shapes [NAME ...]

Writes one PNG per data set, by default of the policy "published": the first six
test problems, with the odd picture framed in red.
"""

import argparse
import pathlib

import cv2
import numpy as np

from structcomp_jax.tasks.odd_one_out import shapes

_ROWS, _COLUMNS = 3, 2
_GREY, _RED = (160, 160, 160), (208, 0, 0)
_GAP, _FRAME = 6, 4


def sheet(problems: np.ndarray) -> np.ndarray:
  """Arranges uint8[6, 4, 128, 128, 3] as one picture."""
  rows = [
    np.hstack([_problem(p) for p in problems[row * _COLUMNS :][:_COLUMNS]])
    for row in range(_ROWS)
  ]
  return np.vstack(rows)


def _problem(pictures: np.ndarray) -> np.ndarray:
  framed = [_framed(picture, _GREY) for picture in pictures[:-1]]
  framed.append(_framed(pictures[-1], _RED))
  return np.pad(
    np.hstack(framed), [(_GAP, _GAP), (_GAP, _GAP), (0, 0)], constant_values=255
  )


def _framed(picture: np.ndarray, colour: tuple[int, ...]) -> np.ndarray:
  return cv2.copyMakeBorder(
    picture, *[_FRAME] * 4, cv2.BORDER_CONSTANT, value=colour
  )


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("names", nargs="*", metavar="NAME")
  parser.add_argument("--out", required=True, type=pathlib.Path)
  args = parser.parse_args()
  args.out.mkdir(parents=True, exist_ok=True)
  published = [
    n for n, p in shapes.DATASET_NAMES.items() if p.policy == "published"
  ]
  for name in args.names or published:
    problems = shapes.make_problems(name, "test", range(_ROWS * _COLUMNS))
    path = args.out / f"{name}.png"
    bgr = cv2.cvtColor(sheet(problems), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(path), bgr, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(path)


if __name__ == "__main__":
  main()
