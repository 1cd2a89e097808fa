"""A page as a file: the frame around what it says, its verdicts beside it."""

import importlib.resources
import pathlib
import string
from collections.abc import Iterable, Mapping
from typing import Any

from structcomp_jax.io import files
from structcomp_jax.report import downloads, origin
from structcomp_jax.report import verdicts as verdict_files
from structcomp_jax.report.markup import escape
from structcomp_jax.report.workdir import Workdir


def framed(title: str, body: str) -> str:
  """Returns a whole page as HTML, which needs no other file.

  Args:
    title: plain text.
    body: HTML; `frame.html` has the styles of its classes.
  """
  return _filled("frame.html", title=escape(title), body=body)


def back_matter(
  methods: str, tables: Mapping[str, bytes], workdirs: Iterable[Workdir]
) -> str:
  """Returns the end of every page: how it was made, and how to make it again.

  Args:
    methods: HTML, a paragraph to quote.
    tables: {name: content} of what a reader can save.
    workdirs: that the page is about.
  """
  return _filled(
    "back_matter.html",
    methods=methods,
    downloads=downloads.section(tables),
    reproduce="\n".join(map(origin.section, workdirs)),
  ).rstrip("\n")


def save(
  out: str | pathlib.Path,
  page: str,
  verdicts: Iterable[Mapping[str, Any]],
  tables: Mapping[str, str] | None = None,
) -> pathlib.Path:
  """Writes a page, and its verdicts and tables for programs.

  Args:
    out: the HTML file, or a directory that gets `index.html`. The verdicts
      lie beside it: `verdicts.json` of `index.html`, `NAME.verdicts.json` of
      `NAME.html`.
    page: HTML.
    verdicts: see `report.verdicts.to_json`.
    tables: {name: CSV} of further tables, which lie there, too: `NAME.csv`.

  Returns:
    The HTML file.

  Raises:
    UserError: a file cannot be written.
  """
  path = pathlib.Path(out)
  if path.suffix != ".html":
    path = path / "index.html"
  files.write_atomic(path, page)
  beside = {"verdicts.json": verdict_files.to_json(verdicts)}
  beside |= {f"{name}.csv": text for name, text in (tables or {}).items()}
  for name, text in beside.items():
    files.write_atomic(_beside(path, name), text)
  return path


def _beside(page_path: pathlib.Path, name: str) -> pathlib.Path:
  """Returns the file of a name that belongs to a page."""
  stem = page_path.stem
  prefix = "" if stem == "index" else f"{stem}."
  return page_path.with_name(f"{prefix}{name}")


def _filled(name: str, **parts: str) -> str:
  """Returns a template of this folder with its parts."""
  template = importlib.resources.files(__package__) / name
  return string.Template(template.read_text()).substitute(parts)
