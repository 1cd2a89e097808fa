"""HTML building blocks of a page: escaped text, tables, figures."""

import html
import math
from collections.abc import Iterable, Sequence

from matplotlib.figure import Figure

from structcomp_jax.report import style

MINUS, PLUS_MINUS, DASH = "\u2212", "\u00b1", "\u2013"


def escape(text: object) -> str:
  """Returns text that HTML shows as it is."""
  return html.escape(str(text))


def number(value: float | None, digits: int = 2, *, sign: bool = False) -> str:
  """Returns a number with a real minus sign; a dash where it is missing."""
  if value is None or math.isnan(value):
    return DASH
  text = f"{value:{'+' if sign else ''}.{digits}f}"
  if float(text) == 0:
    text = f"{0:.{digits}f}"
  return text.replace("-", MINUS)


def percent(fraction: float) -> str:
  """Returns a fraction in percent, finer where it is small."""
  if math.isnan(fraction):
    return DASH
  return f"{fraction:.2%}" if fraction < 0.01 else f"{fraction:.1%}"


def p_value(value: float) -> str:
  """Returns a p-value as HTML.

  >>> p_value(0.05), p_value(1e-9)
  ('0.0500', '&lt; 0.0001')
  """
  return "&lt; 0.0001" if value < 1e-4 else number(value, 4)


def spread(mean: float, deviation: float, *, sign: bool = False) -> str:
  """Returns `mean ± deviation`, without the second where there is none."""
  text = number(mean, sign=sign)
  if math.isnan(mean) or math.isnan(deviation):
    return text
  return f"{text}\u00a0{PLUS_MINUS}\u00a0{number(deviation)}"


def table(
  header: Sequence[str],
  rows: Iterable[Sequence[str]],
  *,
  css_class: str = "",
) -> str:
  """Returns a table; header and cells are HTML."""
  head = "".join(f"<th>{cell}</th>" for cell in header)
  body = "".join(
    "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n"
    for row in rows
  )
  return (
    f'<div class="scroll"><table class="{css_class}"><thead><tr>{head}</tr>'
    f"</thead><tbody>\n{body}</tbody></table></div>"
  )


def figure(drawing: Figure, caption: str, description: str) -> str:
  """Returns a figure as inline SVG.

  Args:
    drawing: what to show.
    caption: HTML under it.
    description: plain text for readers who do not see it.
  """
  return (
    f'<figure role="group"><div role="img" aria-label="{escape(description)}">'
    f"{style.svg(drawing)}</div><figcaption>{caption}</figcaption></figure>"
  )


def folded(summary: str, content: str) -> str:
  """Returns content that opens on a click; `summary` is HTML."""
  return f"<details><summary>{summary}</summary>{content}</details>"


def preformatted(text: str) -> str:
  """Returns code or JSON as it is."""
  return f"<pre>{escape(text)}</pre>"
