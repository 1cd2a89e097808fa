"""Links that MkDocs leaves as they are: a hook of the site.

On a code host a page links to `../../examples`. The site has a page instead,
made here, with the text of every example. And the links of notebooks, which
are no Markdown when MkDocs looks at them, lead from page to page here.
"""

import logging
import pathlib
import posixpath
import re
from collections.abc import Callable
from typing import Any

from mkdocs.structure import files

ROOT = pathlib.Path(__file__).parents[2]
# {folder of the project: the page that has its files}.
PAGES = {"examples": "examples.md"}
_LINK = re.compile(r"\]\((\.\.?/[^)#\s]+)\)")
_HREF = re.compile(r'href="([^":#]+\.(?:md|py))(#[^"]*)?"')
# The build fails at warnings below this name.
_LOG = logging.getLogger("mkdocs.hooks.links")


def on_files(found: files.Files, /, *, config: Any) -> files.Files:
  """Adds the pages."""
  for folder, page in PAGES.items():
    text = as_page(ROOT / folder)
    found.append(files.File.generated(config, page, content=text))
  return found


def on_page_markdown(
  markdown: str, /, *, page: Any, config: Any, files: Any
) -> str:
  """Returns a page whose links to these folders lead to the pages."""
  del config, files
  return within_site(markdown, page.file.src_uri)


def on_page_content(html: str, /, *, page: Any, config: Any, files: Any) -> str:
  """Returns a notebook whose links lead to pages of the site."""
  del config
  source = page.file.src_uri
  if not source.endswith(".py"):
    return html

  def url(target: str) -> str | None:
    file = files.get_file_from_path(target)
    return None if file is None else file.url_relative_to(page.file)

  return of_notebook(html, source, url)


def as_page(folder: pathlib.Path) -> str:
  """Returns the text of a page that shows all modules of a package."""
  parts = [f"# {folder.name.capitalize()}"]
  for file in sorted(folder.glob("*.py")):
    code = file.read_text(encoding="utf-8").rstrip()
    parts.append(f"## {file.name}\n\n```python\n{code}\n```")
  return "\n\n".join(parts) + "\n"


def within_site(markdown: str, source: str) -> str:
  """Returns the text of a page with links to pages of the site.

  Args:
    markdown: the text of a page.
    source: where it lies below docs/, e.g. `design/house.md`.
  """
  here = posixpath.dirname(source)

  def replaced(link: re.Match[str]) -> str:
    target = posixpath.normpath(posixpath.join("docs", here, link[1]))
    folder, _, file = target.partition("/")
    if folder not in PAGES:
      return link[0]
    page = posixpath.relpath(PAGES[folder], here or ".")
    anchor = f"#{file.replace('.', '').lower()}" if file else ""
    return f"]({page}{anchor})"

  return _LINK.sub(replaced, markdown)


def of_notebook(
  html: str, source: str, url: Callable[[str], str | None]
) -> str:
  """Returns a notebook with links to pages; warns of those to nothing.

  Args:
    html: the notebook as MkDocs shows it.
    source: where it lies below docs/.
    url: (file below docs/) -> how its page is linked, or None.
  """

  def replaced(link: re.Match[str]) -> str:
    here = posixpath.dirname(source)
    target = posixpath.normpath(posixpath.join(here, link[1]))
    if target == source:  # Its file, which lies beside the page.
      return link[0]
    found = url(target)
    if found is None:
      _LOG.warning("%s links to %s, which is not there", source, link[1])
      return link[0]
    return f'href="{found}{link[2] or ""}"'

  return _HREF.sub(replaced, html)
