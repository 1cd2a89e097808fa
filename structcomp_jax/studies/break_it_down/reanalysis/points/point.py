"""One weak point of the published analysis, and what mending it changes."""

import dataclasses
from collections.abc import Mapping

import pandas as pd

from structcomp_jax.report import markup


@dataclasses.dataclass(frozen=True)
class Point:
  """One point.

  Attributes:
    label: how the page calls it, e.g. "4".
    title: a few words.
    done: one plain sentence, what was done.
    change: one plain sentence, what that changes, in numbers of the table; or
      why the table cannot tell.
    is_judged: whether the table can tell.
    tables: {name of the file: the numbers behind the sentence}.
  """

  label: str
  title: str
  done: str
  change: str
  is_judged: bool = True
  tables: Mapping[str, pd.DataFrame] = dataclasses.field(default_factory=dict)


def of(part: object, whole: object) -> str:
  """Returns "part of whole".

  >>> of(3, 9)
  '3 of 9'
  """
  return f"{part} of {whole}"


def signed(value: float) -> str:
  """Returns a difference of accuracies with its sign."""
  return markup.number(value, sign=True)


def listed(words: list[str], *, empty: str = "none") -> str:
  """Returns words as an enumeration.

  >>> listed(["a", "b", "c"])
  'a, b and c'
  """
  if not words:
    return empty
  *first, last = words
  return f"{', '.join(first)} and {last}" if first else last
