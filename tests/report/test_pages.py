"""A page is one file, with its verdicts beside it."""

import json

import pytest

from structcomp_jax.report import pages, verdicts

VERDICT = dict.fromkeys(verdicts.KEYS, "any")


def test_a_page_needs_no_other_file():
  page = pages.framed("Parts & wholes", "<p>$5</p>")
  assert page.startswith("<!DOCTYPE html>")
  assert page.rstrip().endswith("</html>")
  assert "<title>Parts &amp; wholes</title>" in page
  assert "<body>\n<p>$5</p></body>" in page
  assert "src=" not in page
  assert "href=" not in page


@pytest.mark.parametrize(
  ("out", "page", "beside"),
  [
    ("report", "report/index.html", "report/verdicts.json"),
    ("report/index.html", "report/index.html", "report/verdicts.json"),
    ("all.html", "all.html", "all.verdicts.json"),
  ],
)
def test_verdicts_lie_beside_the_page(tmp_path, out, page, beside):
  assert pages.save(tmp_path / out, "text", [VERDICT]) == tmp_path / page
  assert (tmp_path / page).read_text() == "text"
  assert json.loads((tmp_path / beside).read_text()) == [VERDICT]


@pytest.mark.parametrize(
  ("out", "beside"), [("report", "report/units.csv"), ("a.html", "a.units.csv")]
)
def test_tables_lie_there_too(tmp_path, out, beside):
  pages.save(tmp_path / out, "text", [VERDICT], {"units": "a\n1\n"})
  assert (tmp_path / beside).read_text() == "a\n1\n"
