"""A page of masks says what they keep, alone and together."""

import re

import numpy as np
import pytest

from structcomp_jax.report import mask_images
from structcomp_jax.structure.anatomy import Heads
from structcomp_jax.structure.view import View
from structcomp_jax.types import UserError

FIRST = {
  "attention/query": np.array([[1, 1, 0, 0], [1, 1, 0, 1]], bool),
  "head": np.array([1, 0, 0], bool),
}
SECOND = {"attention/query": np.array([[1, 0, 0, 0], [0, 0, 1, 1]], bool)}


def cells(page, start):
  """Returns the text of the cells of the table line that starts so."""
  (line,) = re.findall(
    rf"<tr><td>{re.escape(start)}</td>(.*?)</tr>", page, re.S
  )
  return [re.sub("<.*?>", "", cell) for cell in line.split("</td>")[:-1]]


def test_every_matrix_has_its_shares():
  page = View({"one": FIRST, "two": SECOND}).html()
  assert cells(page, "attention/query")[:4] == [
    "2 x 4", "62.5%", "37.5%", "25.0%",
  ]  # fmt: skip
  # What a mask lacks it keeps as a whole.
  assert cells(page, "head")[:4] == ["3", "33.3%", "\u2013", "33.3%"]
  assert "one alone" in page and "several" in page
  assert "backdrop" not in page and "Attention heads" not in page
  # Intersection 2, union 6; by chance 5 * 3 / 8.
  assert cells(page, "one, two")[:2] == ["0.33", "0.31"]


def test_colours_are_those_of_the_masks_in_their_order(monkeypatch):
  drawn = []
  monkeypatch.setattr(
    mask_images,
    "colours",
    lambda masks, backdrop: (
      drawn.append((masks, backdrop)) or np.zeros((2, 4, 3), np.uint8)
    ),
  )
  backdrop = {"attention/query": ~FIRST["attention/query"]}
  View({"two": SECOND, "one": FIRST}, backdrop=backdrop).body()
  (masks, behind), (of_head, none) = drawn
  np.testing.assert_array_equal(masks[0], SECOND["attention/query"])
  np.testing.assert_array_equal(behind, ~FIRST["attention/query"])
  assert of_head[0].all() and of_head[1].tolist() == [[True, False, False]]
  assert none is None


def test_heads_have_their_parts_of_an_axis():
  heads = [
    Heads("attention", 2, {"attention/query": 1, "attention/absent": 0}),
    Heads("elsewhere", 2, {"not/masked": 1}),
  ]
  page = View({"one": FIRST, "two": SECOND}, heads=heads).html()
  assert cells(page, "one") == ["100.0%", "25.0%"]
  assert cells(page, "two") == ["25.0%", "50.0%"]
  assert page.count("Attention heads") == 1 and "elsewhere" not in page


def test_large_matrices_are_shrunk_and_say_so():
  wide = {"wide": np.ones((3, 5000), bool)}
  page = View({"one": wide, "<two>": wide}).html()
  assert "3 x 2048 pixels" in page and "<two>" not in page
  assert "every weight" in View({"one": SECOND}).html()


@pytest.mark.parametrize(
  ("masks", "why"),
  [
    ({}, "0 masks cannot"),
    ({str(n): SECOND for n in range(9)}, "9 masks cannot"),
    (
      {"one": SECOND, "two": {"attention/query": np.ones((2, 3), bool)}},
      "'attention/query' have different shapes",
    ),
  ],
)
def test_what_cannot_be_drawn_is_refused(masks, why):
  with pytest.raises(UserError, match=why):
    View(masks)


def test_a_notebook_shows_the_page_without_its_frame():
  view = View({"one": SECOND}, title="A & B")
  assert view._repr_html_() in view.html()
  assert "<h1>A &amp; B</h1>" in view._repr_html_()
