"""Tables as text, aligned or in Markdown, and places for them in a file."""

from collections.abc import Sequence

from structcomp_jax.types import UserError


def text_table(
  lines: Sequence[Sequence[str]], num_left: int = 1, gap: str = "  "
) -> str:
  """Returns lines of cells as aligned text.

  >>> print(text_table([("name", "number"), ("a", "1"), ("bcd", "22")]))
  name  number
  a          1
  bcd       22

  Args:
    lines: cells, as many in every line.
    num_left: columns that are aligned to the left; the others to the right.
    gap: between two columns.
  """
  widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
  return "\n".join(
    gap.join(
      cell.ljust(width) if index < num_left else cell.rjust(width)
      for index, (cell, width) in enumerate(zip(line, widths, strict=True))
    ).rstrip()
    for line in lines
  )


def markdown_table(lines: Sequence[Sequence[str]]) -> str:
  """Returns lines of cells, the first of which is the head, as Markdown.

  >>> print(markdown_table([("name", "number"), ("a", "1")]))
  | name | number |
  | --- | --- |
  | a | 1 |
  """
  head, *body = lines
  rule = ["---"] * len(head)
  return "\n".join(
    "| " + " | ".join(line) + " |" for line in [head, rule, *body]
  )


def between_markers(text: str, name: str) -> str:
  """Returns what stands between the comments of a name in Markdown.

  >>> between_markers("a <!-- x --> b <!-- /x --> c", "x")
  'b'

  Raises:
    UserError: the text has no such comments.
  """
  _, content, _ = _parts(text, name)
  return content.strip()


def replace_between_markers(text: str, name: str, content: str) -> str:
  """Returns a text with other content between the comments of a name.

  Raises:
    UserError: the text has no such comments.
  """
  before, _, after = _parts(text, name)
  return f"{before}\n\n{content.strip()}\n\n{after}"


def _parts(text: str, name: str) -> tuple[str, str, str]:
  """Returns the text to the first comment, between, and from the second on."""
  begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
  before, found, rest = text.partition(begin)
  content, closed, after = rest.partition(end)
  if not (found and closed):
    raise UserError(f"there is no place for the {name}; add {begin} and {end}")
  return before + begin, content, end + after
