"""A methods paragraph that a paper can quote, filled in from a work directory.

Sentences are templates, filled with the config and the tables. A sentence whose
numbers a work directory does not hold is left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from structcomp_jax.report.markup import escape
from structcomp_jax.report.workdir import Workdir

STATISTICS = (
  "The unit of replication is the base network: masks of one network are"
  " repeats, so every network counts once, by the mean of its masks. Intervals"
  " are 95 % intervals of a t distribution with one degree of freedom less than"
  " there are networks; networks that start from the same initial weights are"
  " compared as pairs."
)
NOTE = "Every number is filled in from the configuration and the tables."
# Name in versions.json -> how a paper calls it.
_SOFTWARE = {
  "jax": "JAX",
  "flax": "Flax",
  "optax": "Optax",
  "numpy": "NumPy",
  "python": "Python",
}


def section(
  paragraphs: Iterable[str], references: Iterable[str], note: str = ""
) -> str:
  """Returns paragraphs to quote, with their references, as HTML.

  Args:
    paragraphs: plain text; empty ones are left out.
    references: plain text.
    note: plain text above them, for the reader alone.
  """
  quoted = "".join(f"<p>{escape(text)}</p>" for text in paragraphs if text)
  listed = "".join(f"<li>{escape(text)}</li>" for text in references)
  return (
    f"<p><small>{escape(note)}</small></p>" if note else ""
  ) + f"<blockquote>{quoted}</blockquote><ul>{listed}</ul>"


def paragraph(templates: Iterable[str], values: Mapping[str, Any]) -> str:
  """Returns the sentences whose values are all there, as one paragraph.

  >>> paragraph(
  ...   ["It has {layers} layers.", "It ran {search[steps]} steps."],
  ...   {"layers": 2, "search": {}},
  ... )
  'It has 2 layers.'

  Args:
    templates: texts for `str.format_map`; `{section[field]}` is a field of a
      section of a config.
    values: {name: value}. A sentence with a value that is missing or None is
      left out.
  """
  found = (_filled(template, values) for template in templates)
  return " ".join(text for text in found if text)


def software(one: Workdir) -> str:
  """Returns the versions that made a work directory, as a sentence."""
  versions = one.versions
  if not versions.get("jax"):
    return ""
  own = "structcomp_jax"
  if versions.get(own):
    own += f" {versions[own]}"
  if versions.get("commit") not in (None, "unknown"):
    own += f" (commit {versions['commit']})"
  names = [
    f"{words} {versions[name]}"
    for name, words in _SOFTWARE.items()
    if versions.get(name)
  ]
  devices = versions.get("devices")
  return (
    f"All was computed with {own} on {listed(names)}"
    + (f", on {devices}" if devices else "")
    + "."
  )


def listed(words: Sequence[str]) -> str:
  """Returns words as one phrase.

  >>> listed(["a", "b", "c"]), listed(["a"])
  ('a, b and c', 'a')
  """
  if len(words) < 2:
    return "".join(words)
  return f"{', '.join(words[:-1])} and {words[-1]}"


def counted(number: int, one: str, many: str = "") -> str:
  """Returns a number with its noun.

  >>> counted(1, "network"), counted(12500, "weight")
  ('1 network', '12,500 weights')
  """
  return f"{number:,} {one if number == 1 else many or one + 's'}"


def span(numbers: pd.Series) -> str | None:
  """Returns the one value of a column, or the ends of its range.

  >>> span(pd.Series([0.1, 0.1])), span(pd.Series([3, 1])), span(pd.Series([]))
  ('0.1', '1 to 3', None)
  """
  found = numbers.dropna()
  if found.empty:
    return None
  low, high = found.min(), found.max()
  first, last = _number(low), _number(high)
  return first if first == last else f"{first} to {last}"


def _number(value: float) -> str:
  return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def _filled(template: str, values: Mapping[str, Any]) -> str:
  known = _Known(values)
  try:
    return template.format_map(known)
  except KeyError:
    return ""


def _in_words(value: Any) -> Any:
  if isinstance(value, Mapping):
    return _Known(value)
  if isinstance(value, (list, tuple)):
    return listed([str(_in_words(one)) for one in value])
  return f"{value:g}" if isinstance(value, float) else value


class _Known(dict[str, Any]):
  """Values and sections without what is missing, so that it is a KeyError."""

  def __init__(self, values: Mapping[str, Any]) -> None:
    super().__init__(
      {
        name: _in_words(value)
        for name, value in values.items()
        if value is not None
      }
    )
