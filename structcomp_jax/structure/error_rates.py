"""How often the verdict of cuts is wrong, on networks of known structure.

`tools/planted_truth` measures it and writes `error_rates.csv` beside this
module; docs/results/planted.md says what the networks are.
"""

import functools
import importlib.resources

import pandas as pd

from structcomp_jax.structure.separability import (
  LABELS,
  NOT_SEPARABLE,
  PARTLY,
  SEPARABLE,
)

# Whether networks of a class have parts.
PARTS, NO_PARTS, UNKNOWN = "parts", "no parts", "unknown"
COLUMNS = ("architecture", "class", "truth", "networks", "group", *LABELS)
FILE = "error_rates.csv"


@functools.cache
def measured() -> pd.DataFrame:
  """Returns the share of groups of networks that got each label.

  Returns:
    Columns `COLUMNS`: architecture, class, `truth` (see `PARTS`), `networks`
    (of the class), `group` (networks that were judged together), and a share
    for each label.
  """
  file = importlib.resources.files(__package__) / FILE
  with file.open(encoding="utf-8") as lines:
    return pd.read_csv(lines)


def of_group(num_networks: int) -> pd.DataFrame:
  """Returns what was measured on groups no larger than so many networks.

  Args:
    num_networks: that are judged together. Where no group was as small, the
      smallest one is taken.

  Returns:
    Rows of `measured` of one group size.
  """
  table = measured()
  sizes = sorted(table["group"].unique())
  fitting = [size for size in sizes if size <= num_networks]
  return table[table["group"] == (fitting or sizes)[-1 if fitting else 0]]


def sentence(num_networks: int) -> str:
  """Returns the rates in words, over all classes whose truth is known."""
  table = of_group(num_networks)
  parts, no_parts = (
    table[table["truth"] == truth][list(LABELS)].mean()
    for truth in (PARTS, NO_PARTS)
  )
  return (
    f"On groups of {table['group'].iloc[0]} small networks of known structure"
    f" this rule calls {_words(parts)} of those made of parts, and"
    f" {_words(no_parts)} of those without parts; the others stay undecided."
  )


def _words(shares: pd.Series) -> str:
  """Returns "n % separable, n % partly and n % not separable"."""
  whole, partly, no = (
    f"{100 * shares[label]:.0f} %"
    for label in (SEPARABLE, PARTLY, NOT_SEPARABLE)
  )
  return f"{whole} {SEPARABLE}, {partly} partly and {no} {NOT_SEPARABLE}"
