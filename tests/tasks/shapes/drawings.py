"""Pictures drawn by hand as text, each with what an eye sees in it.

    python -m tests.tasks.shapes.drawings SHEET.png

draws all of them with their readings, to be looked at.
"""

import dataclasses
import pathlib
import sys
import textwrap

import cv2
import numpy as np

from structcomp_jax.tasks.shapes.pixel_readings import (
  AMBIGUOUS,
  NO,
  YES,
  Readings,
)

FOLDER = pathlib.Path(__file__).parent / "pictures"
_WORDS = {NO: "no", AMBIGUOUS: "ambiguous", YES: "yes"}
_COLOURS = {
  ".": (255, 255, 255),
  "a": (200, 30, 30),
  "b": (30, 90, 200),
  "c": (20, 140, 40),
  "d": (200, 120, 0),
  "e": (130, 40, 160),
  "f": (0, 130, 140),
  "k": (0, 0, 0),
  "x": (10, 10, 10),
  "y": (10, 10, 11),
}


@dataclasses.dataclass(frozen=True)
class Drawing:
  """A picture uint8 [height, width, 3] and its reading in words."""

  name: str
  reading: str
  image: np.ndarray


def load() -> list[Drawing]:
  """Reads all drawings: a line "name: reading", the rows, an empty line."""
  blocks = [
    block
    for path in sorted(FOLDER.glob("*.txt"))
    for block in path.read_text(encoding="utf-8").strip().split("\n\n")
  ]
  drawings = []
  for block in blocks:
    title, *rows = block.split("\n")
    name, reading = title.split(": ")
    image = np.array([[_COLOURS[letter] for letter in row] for row in rows])
    drawings.append(Drawing(name, reading, image.astype(np.uint8)))
  return drawings


def in_words(readings: Readings, index: int = 0) -> str:
  """Says what was read in one picture, as the drawings' titles do."""
  count = readings.count[index]
  parts = [
    f"{count} object{'' if count == 1 else 's'}",
    f"inside {_WORDS[int(readings.inside[index])]}",
    f"contact {_WORDS[int(readings.contact[index])]}",
  ]
  parts += ["clipped"] * bool(readings.clipped[index])
  parts += ["open"] * (not readings.visible[index])
  parts += ["one colour in two places"] * (not readings.separable[index])
  return ", ".join(parts)


def on_paper(image: np.ndarray, height: int, width: int) -> np.ndarray:
  """Puts a picture in the corner of a larger white one."""
  margin = ((0, height - image.shape[0]), (0, width - image.shape[1]), (0, 0))
  return np.pad(image, margin, constant_values=255)


def contact_sheet(
  drawings: list[Drawing], columns: int = 11, scale: int = 3
) -> np.ndarray:
  """Draws all pictures with names and readings, uint8 [height, width, 3]."""
  cells = [_cell(drawing, scale) for drawing in drawings]
  cells += [np.full_like(cells[0], 255)] * (-len(cells) % columns)
  rows = [
    np.hstack(cells[start : start + columns])
    for start in range(0, len(cells), columns)
  ]
  return np.vstack(rows)


def _cell(drawing: Drawing, scale: int) -> np.ndarray:
  picture = cv2.copyMakeBorder(
    np.kron(drawing.image, np.ones((scale, scale, 1), np.uint8)),
    *(1, 1, 1, 1),
    cv2.BORDER_CONSTANT,
    value=(190, 190, 190),
  )
  cell = on_paper(picture, 142, 170)
  lines = textwrap.wrap(drawing.name, 30)
  lines += textwrap.wrap(drawing.reading, 30)
  for number, line in enumerate(lines):
    cv2.putText(
      cell,
      line,
      (2, 102 + 10 * number),
      cv2.FONT_HERSHEY_SIMPLEX,
      0.3,
      (90, 90, 90) if number < len(textwrap.wrap(drawing.name, 30)) else 0,
    )
  return cell


if __name__ == "__main__":
  cv2.imwrite(sys.argv[1], contact_sheet(load())[:, :, ::-1])
