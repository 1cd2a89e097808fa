"""What two masks share: per leaf, over leaves, and beside what chance gives.

With k1 and k2 of the n weights of a leaf kept, b of them by both masks,

    IoU = b / (k1 + k2 - b)         IoMin = b / min(k1, k2)
    sharing of the first mask = b / k1

and random masks of the same counts share r = k1 k2 / n on average, with the
variance k1 k2 (n - k1) (n - k2) / (n^2 (n - 1)) (hypergeometric). Two masks
that keep much must overlap, so the overlap also stands on a scale of its own,

    excess = (b - r) / (min(k1, k2) - r),

0 for random masks and 1 where one mask contains the other, whatever their
sizes; it is negative where masks avoid each other. Over several leaves all
counts are summed, the smaller ones leaf by leaf. Nothing divided by nothing is
NaN.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from structcomp_jax.report import inference
from structcomp_jax.types import AnyMask

COUNTS = ("first_kept", "second_kept", "both", "smaller", "random", "variance")
SHARES = ("iou", "iomin", "of_first", "of_second")


def leaf_counts(first: AnyMask, second: AnyMask) -> list[dict[str, Any]]:
  """Counts what two masks of one network keep, leaf by leaf.

  >>> one = {"a": np.array([True, True, False])}
  >>> leaf_counts(one, {"a": np.array([False, True, True])})
  [{'leaf': 'a', 'size': 3, 'first_kept': 2, 'second_kept': 2, 'both': 1}]

  Args:
    first: {path: bool[...]}.
    second: the same of the other mask.

  Returns:
    A row for every leaf that both masks have, sorted by path.
  """
  rows = []
  for path in sorted(set(first) & set(second)):
    leaf, compared = np.asarray(first[path]), np.asarray(second[path])
    rows.append(
      {
        "leaf": path,
        "size": leaf.size,
        "first_kept": int(leaf.sum()),
        "second_kept": int(compared.sum()),
        "both": int((leaf & compared).sum()),
      }
    )
  return rows


def with_chance(rows: pd.DataFrame) -> pd.DataFrame:
  """Adds what random masks of the same counts share.

  Args:
    rows: columns of `leaf_counts`, one row per pair of masks and leaf.

  Returns:
    The rows with `smaller` (the smaller count), and `random` and `variance` of
    the number of weights that random masks share.
  """
  size = rows["size"].astype(float)
  first, second = rows["first_kept"], rows["second_kept"]
  spread = first * second * (size - first) * (size - second)
  return rows.assign(
    smaller=np.minimum(first, second),
    random=first * second / size,
    variance=spread / (size**2 * np.maximum(size - 1, 1)),
  )


def over_leaves(rows: pd.DataFrame, pair: Sequence[str]) -> pd.DataFrame:
  """Returns one row per pair of masks, all counts summed over leaves.

  Args:
    rows: of `with_chance`.
    pair: columns that name two masks that are compared.
  """
  sums = rows.groupby(list(pair), sort=False)[list(COUNTS)].sum()
  return sums.reset_index()


def with_shares(rows: pd.DataFrame) -> pd.DataFrame:
  """Adds IoU, IoMin and both sharings, of the masks and of random ones.

  Args:
    rows: of `with_chance`, or sums of them.

  Returns:
    The rows with `iou`, `iomin`, `of_first`, `of_second`, `random_<name>` of
    each, `excess`, and `noise`, the standard deviation of the excess of random
    masks; NaN where nothing is divided by nothing.
  """
  found = rows
  for prefix, column in (("", "both"), ("random_", "random")):
    both = rows[column]
    either = rows["first_kept"] + rows["second_kept"] - both
    found = found.assign(
      **{
        f"{prefix}iou": ratio(both, either),
        f"{prefix}iomin": ratio(both, rows["smaller"]),
        f"{prefix}of_first": ratio(both, rows["first_kept"]),
        f"{prefix}of_second": ratio(both, rows["second_kept"]),
      }
    )
  possible = rows["smaller"] - rows["random"]
  return found.assign(
    excess=ratio(rows["both"] - rows["random"], possible),
    noise=ratio(np.sqrt(rows["variance"]), possible),
  )


def ratio(above: pd.Series, below: pd.Series) -> pd.Series:
  """Returns above / below, NaN where nothing is below."""
  return above / below.where(below > 0)


def between_networks(
  rows: pd.DataFrame, keys: Sequence[str], columns: Sequence[str]
) -> pd.DataFrame:
  """Returns means over base networks, with 95 % intervals.

  Every network counts once, by the mean of its rows. The intervals use a t
  distribution with one degree of freedom less than there are networks.

  Args:
    rows: one per pair of masks, or per mask, with `keys`, `base_seed` and the
      numbers.
    keys: one row is returned for each of their values.
    columns: the numbers.

  Returns:
    `keys`, `num_networks`, and of every column `<name>`, `<name>_low` and
    `<name>_high` (NaN with a single network).
  """
  found = []
  for key, group in rows.groupby(list(keys), sort=False):
    line: dict[str, Any] = dict(zip(keys, key, strict=True))
    line["num_networks"] = group["base_seed"].nunique()
    for name in columns:
      line |= _with_interval(name, group)
    found.append(line)
  numbers = (each for name in columns for each in (name, *_ends(name)))
  return pd.DataFrame(found, columns=[*keys, "num_networks", *numbers])


def _with_interval(name: str, group: pd.DataFrame) -> Mapping[str, float]:
  means = inference.network_means(group[name], group["base_seed"])
  if len(means) < inference.FEWEST:
    return {name: float(means.mean()), **dict.fromkeys(_ends(name), np.nan)}
  tested = inference.student(means.to_numpy(float))
  ends = (float(tested.low), float(tested.high))
  found = dict(zip(_ends(name), ends, strict=True))
  return {name: float(tested.value), **found}


def _ends(name: str) -> tuple[str, str]:
  return f"{name}_low", f"{name}_high"
