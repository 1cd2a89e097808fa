"""Pictures drawn by hand as text, each with what an eye sees in it.

    python -m tests.tasks.odd_one_out.shapes.pixels.drawings SHEET.png

draws all of them with their readings, to be looked at.
"""

import dataclasses
import pathlib
import sys
import textwrap

import cv2
import numpy as np

from structcomp_jax.tasks.odd_one_out.shapes.pixels.readings import (
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
# Of the contact sheet; few levels of brightness make a small file.
_COLUMNS, _SCALE, _LEVELS = 8, 3, 64


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


def by_name() -> dict[str, Drawing]:
  """Reads all drawings; returns {name: drawing}."""
  return {drawing.name: drawing for drawing in load()}


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


def contact_sheet(drawings: list[Drawing]) -> np.ndarray:
  """Draws all pictures with names and readings, uint8 [height, width, 3]."""
  rows = [
    drawings[start : start + _COLUMNS]
    for start in range(0, len(drawings), _COLUMNS)
  ]
  return np.vstack([_row(row) for row in rows])


def _row(drawings: list[Drawing]) -> np.ndarray:
  height = _SCALE * max(len(drawing.image) for drawing in drawings) + 8
  cells = [_cell(drawing, height) for drawing in drawings]
  cells += [np.full_like(cells[0], 255)] * (_COLUMNS - len(cells))
  return np.hstack(cells)


def _cell(drawing: Drawing, height: int) -> np.ndarray:
  """Draws one picture above its name (grey) and its reading (black)."""
  large = np.kron(drawing.image, np.ones((_SCALE, _SCALE, 1), np.uint8))
  large = np.pad(large, ((1, 1), (1, 1), (0, 0)), constant_values=150)
  cell = on_paper(large, height + 48, 176)
  name, reading = (
    textwrap.wrap(text, 34) for text in (drawing.name, drawing.reading)
  )
  for number, line in enumerate(name + reading):
    place = (1, height + 2 + 10 * number)
    grey = 100 if number < len(name) else 0
    cv2.putText(cell, line, place, cv2.FONT_HERSHEY_PLAIN, 0.6, (grey,) * 3)
  return cell // _LEVELS * _LEVELS + (_LEVELS - 1)


if __name__ == "__main__":
  cv2.imwrite(
    sys.argv[1],
    contact_sheet(load())[:, :, ::-1],
    [cv2.IMWRITE_PNG_COMPRESSION, 9],
  )
