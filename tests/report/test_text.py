"""Every line of a table has a cell for every column."""

import itertools

import pytest

from structcomp_jax.report import text
from structcomp_jax.types import UserError

LINES = [("name", "number"), ("a", "1"), ("bcd", "22")]


def test_aligned():
  found = text.text_table(LINES).splitlines()
  assert found == ["name  number", "a          1", "bcd       22"]
  assert all(a == b for a, b in itertools.pairwise(map(len, found)))
  left = text.text_table(LINES, num_left=2, gap=" | ").splitlines()
  assert left == ["name | number", "a    | 1", "bcd  | 22"]


def test_markdown():
  found = text.markdown_table(LINES).splitlines()
  assert len(found) == 4
  assert len({line.count("|") for line in found}) == 1


def test_content_is_replaced_between_its_markers_alone():
  before = "a\n<!-- x -->old<!-- /x -->\n<!-- y -->kept<!-- /y -->"
  after = text.replace_between_markers(before, "x", "new\n")
  assert text.between_markers(after, "x") == "new"
  assert text.between_markers(after, "y") == "kept"
  assert after.startswith("a\n<!-- x -->\n\nnew\n\n<!-- /x -->\n")
  assert text.replace_between_markers(after, "x", "new") == after


@pytest.mark.parametrize(
  "content", ["", "<!-- x -->", "<!-- /x --> <!-- x -->"]
)
def test_missing_markers_are_named(content):
  for call in (
    lambda: text.between_markers(content, "x"),
    lambda: text.replace_between_markers(content, "x", ""),
  ):
    with pytest.raises(UserError, match="add <!-- x --> and <!-- /x -->"):
      call()
