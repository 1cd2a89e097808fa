"""Makes docstrings fit for the site's reference: an extension of Griffe.

Markdown takes the signs before a doctest for quotations, and Griffe knows
"Attributes:", not "Attributes (besides those of another class):".
"""

import re
from typing import Any

import griffe

_FENCE = "```"
# Its first line, then all that follows without an empty line.
_EXAMPLE = re.compile(r"^( *)>>> .*(?:\n(?! *$).+)*", re.MULTILINE)
_REMARK = re.compile(r"^(Attributes|Args) \(([^)]*)\):$", re.MULTILINE)


def fit(text: str) -> str:
  """Returns a docstring with fences around its examples.

  A remark in the title of a section stands before the section.

  Args:
    text: a docstring, as `inspect.cleandoc` leaves it.
  """

  def fence(found: re.Match[str]) -> str:
    indent = found[1]
    return f"{indent}{_FENCE}pycon\n{found[0]}\n{indent}{_FENCE}"

  def sentence(found: re.Match[str]) -> str:
    title, remark = found.groups()
    return f"{title}, {remark}:\n\n{title}:"

  return _EXAMPLE.sub(fence, _REMARK.sub(sentence, text))


class Docstrings(griffe.Extension):
  """Changes every docstring."""

  def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
    """Changes that of a module, class, function or attribute."""
    if obj.docstring is not None:
      obj.docstring.value = fit(obj.docstring.value)
