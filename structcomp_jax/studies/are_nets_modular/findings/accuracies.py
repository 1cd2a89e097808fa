"""Accuracies under masks and their inverses, network by network."""

from collections.abc import Sequence

import pandas as pd

from structcomp_jax.studies.are_nets_modular.domain import CONTROL
from structcomp_jax.studies.are_nets_modular.findings.evidence import (
  SOLVED,
  masks_only,
)

# What names one mask.
MASK = ["regime", "base_seed", "subroutine", "mask_seed", "candidate"]
# The inverse of a mask -> what becomes of the first and the last layer.
INVERSES = {
  "zero": "",
  "zero_io_control": "ends: control",
  "zero_io_free": "ends: all",
}
_NETWORK = ["regime", "base_seed"]
DENSE = "dense"


def wide(results: pd.DataFrame) -> pd.DataFrame:
  """Returns one row per mask, and accuracies in columns (ablation, test).

  Args:
    results: rows of results.csv or controls.csv.

  Returns:
    float[masks, tests of its networks], NaN where a row is missing; the index
    has the levels of `MASK`.
  """
  return masks_only(results).pivot_table(
    index=MASK,
    columns=["ablation", "test_task"],
    values="accuracy",
    sort=False,
  )


def between_networks(
  table: pd.DataFrame, keys: Sequence[str], columns: Sequence[str]
) -> pd.DataFrame:
  """Returns means over base networks, and how far these lie apart.

  Every network counts once, however many masks it has.

  Args:
    table: rows with `keys`, `base_seed` and the numbers.
    keys: one row is returned for each of their values.
    columns: the numbers.

  Returns:
    `keys`, `num_networks`, and of every column `<name>_mean` and `<name>_sd`
    (unbiased; NaN for a single network).
  """
  means = table.groupby([*keys, "base_seed"], sort=False)[list(columns)].mean()
  found = means.groupby(level=list(keys), sort=False)
  joined = [
    found.mean().add_suffix("_mean"),
    found.std().add_suffix("_sd"),
    found.size().rename("num_networks"),
  ]
  return pd.concat(joined, axis=1).reset_index()


def failed(
  results: pd.DataFrame, tests: Sequence[str], least: float = SOLVED
) -> pd.DataFrame:
  """Returns the networks whose control mask does not solve some test.

  Nothing can be said about them: what a mask of a subtask cannot do, the
  penalty alone may have cost.

  Args:
    results: rows of results.csv.
    tests: what the control mask must solve.
    least: accuracy with which it is solved.

  Returns:
    Columns regime and base_seed. A number that is missing is not solved.
  """
  accuracy = wide(results[results["subroutine"] == CONTROL])
  wanted = pd.MultiIndex.from_product([["none"], tests])
  every = masks_only(results)[_NETWORK].drop_duplicates()
  if accuracy.empty:
    return every
  means = accuracy.reindex(columns=wanted).groupby(_NETWORK).mean()
  works = (means >= least).all(axis=1).rename("works")
  table = every.merge(works, how="left", left_on=_NETWORK, right_index=True)
  return table[~table["works"].fillna(False).astype(bool)][_NETWORK]


def working(table: pd.DataFrame, without: pd.DataFrame) -> pd.DataFrame:
  """Returns the rows of networks that are not in `without`."""
  gone = pd.MultiIndex.from_frame(without[_NETWORK])
  return table[~pd.MultiIndex.from_frame(table[_NETWORK]).isin(gone)]


def inverse_table(
  results: pd.DataFrame, subtasks: Sequence[str]
) -> pd.DataFrame:
  """Returns what masks and their inverses do (spec of the paper: tables 1, 2).

  Args:
    results: rows of results.csv.
    subtasks: names of the masks, in the order of the table.

  Returns:
    One row per regime, column of the table and test: `regime`, `subroutine`
    ("" for the dense network), `ablation`, `test_task`, `accuracy_mean`,
    `accuracy_sd`, `num_networks`.
  """
  keys = ["regime", "subroutine", "ablation", "test_task"]
  shown = results[results["ablation"].isin(["none", *INVERSES])]
  shown = shown[
    (shown["subroutine"] != CONTROL) | (shown["ablation"] == "none")
  ]
  table = between_networks(shown, keys, ["accuracy"])
  order = {name: place for place, name in enumerate(("", CONTROL, *subtasks))}
  places = {name: place for place, name in enumerate(("none", *INVERSES))}
  ranked = table.assign(
    first=table["ablation"].map(lambda name: places[name] > 1),
    second=table["subroutine"].map(order),
    third=table["ablation"].map(places),
  )
  ranks = ["first", "second", "third"]
  ranked = ranked.sort_values(ranks, kind="stable").drop(columns=ranks)
  return ranked.reset_index(drop=True)


def half_masks(results: pd.DataFrame) -> pd.DataFrame:
  """Returns what one half of the control mask costs, by itself.

  Returns:
    `regime`, `test_task`, `half` (where the mask is: `early`, `late`, or the
    name of a random half), `drop_mean`, `drop_sd` (accuracy with the whole
    control mask minus that with this half of it), `num_networks`.
  """
  control = results[results["subroutine"] == CONTROL]
  keys = [*MASK, "test_task"]
  whole = control[control["ablation"] == "none"].set_index(keys)["accuracy"]
  halves = control[control["ablation"].str.match("half_|rest_")]
  if halves.empty:
    return pd.DataFrame()
  joined = halves.join(whole.rename("whole"), on=keys)
  joined = joined.assign(
    drop=joined["whole"] - joined["accuracy"],
    half=joined["ablation"].map(_half_name),
  )
  return between_networks(joined, ["regime", "test_task", "half"], ["drop"])


def _half_name(ablation: str) -> str:
  """Returns where the mask is.

  >>> _half_name("half_early"), _half_name("rest_early")
  ('early', 'late')
  """
  which, _, name = ablation.partition("_")
  if name == "early":
    return "early" if which == "half" else "late"
  return name if which == "half" else f"all but {name}"


def confusion(results: pd.DataFrame) -> pd.DataFrame:
  """Returns what answers are, whatever was asked for: sum, product, neither.

  Forty problems have a sum that is also the product, so the three may add up
  to a little more than one.

  Returns:
    `regime`, `subroutine` ("" for the dense network), `test_task`, and means
    and spreads of `is_sum`, `is_product`, `neither`; empty where the tables
    do not tell.
  """
  rows = results[results["ablation"] == "none"]
  rows = rows.dropna(subset=["is_sum", "is_product"])
  if rows.empty:
    return pd.DataFrame()
  left = 1 - rows["is_sum"] - rows["is_product"]
  rows = rows.assign(neither=left.clip(lower=0))
  return between_networks(
    rows,
    ["regime", "subroutine", "test_task"],
    ["is_sum", "is_product", "neither"],
  )


def by_beta(results: pd.DataFrame) -> pd.DataFrame:
  """Returns the accuracy of the control mask at every penalty.

  Returns:
    `regime`, `beta`, `accuracy_mean`, `accuracy_sd` (mean over the tests),
    `num_networks`.
  """
  rows = results[
    (results["subroutine"] == CONTROL) & (results["ablation"] == "none")
  ]
  return between_networks(rows, ["regime", "beta"], ["accuracy"])
