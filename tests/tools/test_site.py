"""What the site changes of pages and docstrings; skipped without the site."""

import importlib.util
import pathlib

import pytest

pytest.importorskip("mkdocs")
pytest.importorskip("griffe")

ROOT = pathlib.Path(__file__).parents[2]


def module(name):
  """Returns a module of tools/site, which is no package."""
  spec = importlib.util.spec_from_file_location(
    name, ROOT / "tools" / "site" / f"{name}.py"
  )
  found = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(found)
  return found


DOCSTRINGS, LINKS = module("docstrings"), module("links")


def test_an_example_gets_fences_up_to_an_empty_line():
  text = "One.\n\n>>> f(\n...   1\n... )\n2\n\nArgs:\n  x: a"
  assert DOCSTRINGS.fit(text) == (
    "One.\n\n```pycon\n>>> f(\n...   1\n... )\n2\n```\n\nArgs:\n  x: a"
  )
  assert DOCSTRINGS.fit("  >>> 1\n  1\n") == (
    "  ```pycon\n  >>> 1\n  1\n  ```\n"
  )


def test_a_docstring_without_examples_is_left_alone():
  text = "One.\n\nArgs:\n  x: >> 1, not >>> at the start\n"
  assert DOCSTRINGS.fit(text) == text


def test_a_remark_in_a_title_stands_before_the_section():
  text = "A.\n\nAttributes (besides those of `B`):\n  x: y\n"
  assert DOCSTRINGS.fit(text) == (
    "A.\n\nAttributes, besides those of `B`:\n\nAttributes:\n  x: y\n"
  )


@pytest.mark.parametrize(
  ("source", "text", "expected"),
  [
    ("a.md", "[x](../examples)", "[x](examples.md)"),
    ("design/a.md", "[x](../../examples)", "[x](../examples.md)"),
    (
      "a.md",
      "[x](../examples/flax_nnx.py)",
      "[x](examples.md#flax_nnxpy)",
    ),
    # Pages of the site, and folders that have none, stay.
    ("design/a.md", "[x](../examples)", "[x](../examples)"),
    ("a.md", "[x](other.md#y)", "[x](other.md#y)"),
    ("a.md", "[x](../tools/readme.py)", "[x](../tools/readme.py)"),
    ("design/a.md", "[x](../results/a.md)", "[x](../results/a.md)"),
  ],
)
def test_links_out_of_docs_lead_to_pages_of_the_site(source, text, expected):
  assert LINKS.within_site(text, source) == expected


def test_every_example_is_on_the_page():
  text = LINKS.as_page(ROOT / "examples")
  for file in (ROOT / "examples").glob("*.py"):
    assert f"## {file.name}\n" in text
    assert file.read_text(encoding="utf-8").rstrip() in text


def test_links_of_a_notebook_lead_to_pages(caplog):
  pages = {"a.md": "../a.html", "notebooks/b.py": "b.html"}
  html = '<a href="../a.md#x">a</a> <a href="b.py">b</a> <a href="c.html">c</a>'
  assert LINKS.of_notebook(html, "notebooks/n.py", pages.get) == (
    '<a href="../a.html#x">a</a> <a href="b.html">b</a> <a href="c.html">c</a>'
  )
  assert not caplog.records
  web = '<a href="https://example.org/a.md">'
  assert LINKS.of_notebook(web, "notebooks/n.py", pages.get) == web
  # A notebook that links to itself means its file.
  own = '<a href="n.py">'
  assert LINKS.of_notebook(own, "notebooks/n.py", pages.get) == own
  LINKS.of_notebook('<a href="../gone.md">', "notebooks/n.py", pages.get)
  assert "../gone.md" in caplog.text
