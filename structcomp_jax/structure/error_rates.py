"""How often the verdict of cuts is wrong, on networks of known structure.

`tools/planted_truth` measures it and writes `error_rates.csv` beside this
module; docs/results/planted.md says what the networks are.
"""

import functools
import importlib.resources

import pandas as pd

from structcomp_jax.structure.separability import LABELS

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
    f" this rule calls {_percent(parts['separable'])} of those made of parts"
    f" separable ({_percent(parts['not separable'])} not separable), and"
    f" {_percent(no_parts['separable'])} of those without parts separable"
    f" ({_percent(no_parts['not separable'])} not separable); the others stay"
    " undecided."
  )


def _percent(share: float) -> str:
  return f"{100 * share:.0f} %"
