"""What the masks of subtasks share, and which pairs of them are compared.

`structure/overlap.py` says how sharing is counted. Two definitions of sharing
over leaves are in use: the published figures weight the sharing of leaves by
the mask's own counts, which is sum b / sum k1; the published logs divide by the
union instead, which of two masks is the IoU over leaves.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from structcomp_jax.structure import overlap
from structcomp_jax.studies.are_nets_modular.domain import CONTROL
from structcomp_jax.studies.are_nets_modular.findings.accuracies import (
  between_networks,
)

DIFFERENT, SAME = "different subtasks", "same subtask"
# Two masks that are compared.
_PAIR = ["regime", "base_seed", "first", "first_seed", "second", "second_seed"]


def of_subtasks(
  overlaps: pd.DataFrame, subtasks: Sequence[str]
) -> pd.DataFrame:
  """Returns the pairs of masks of subtasks, leaf by leaf.

  Args:
    overlaps: rows of overlaps.csv of one penalty.
    subtasks: names of the masks, without the control. `first` is the earlier
      one of them in every row that is returned.

  Returns:
    The rows, with `kind` (two masks of `DIFFERENT` subtasks, or of the `SAME`
    one from different seeds), `smaller` (the smaller count), `random` and
    `variance` (of what random masks share).
  """
  if overlaps.empty:
    return pd.DataFrame()
  place = {name: index for index, name in enumerate(subtasks)}
  rows = overlaps[
    overlaps["first"].isin(subtasks) & overlaps["second"].isin(subtasks)
  ]
  turned = rows["first"].map(place) > rows["second"].map(place)
  rows = pd.concat([rows[~turned], _turned(rows[turned])])
  is_same = rows["first"] == rows["second"]
  rows = rows[~is_same | (rows["first_seed"] != rows["second_seed"])]
  return overlap.with_chance(
    rows.assign(kind=np.where(rows["first"] == rows["second"], SAME, DIFFERENT))
  )


def _turned(rows: pd.DataFrame) -> pd.DataFrame:
  swap = {
    f"{one}{rest}": f"{other}{rest}"
    for one, other in (("first", "second"), ("second", "first"))
    for rest in ("", "_seed", "_kept")
  }
  return rows.rename(columns=swap)


def over_leaves(rows: pd.DataFrame) -> pd.DataFrame:
  """Returns one row per pair of masks, all counts summed over leaves."""
  return overlap.over_leaves(rows, [*_PAIR, "kind"])


def per_leaf(rows: pd.DataFrame) -> pd.DataFrame:
  """Returns what is shared in every leaf.

  Args:
    rows: of `of_subtasks`.

  Returns:
    `regime`, `kind`, `leaf`, `num_networks`, and mean and spread between
    networks of `iou`, `iomin`, `of_first`, `of_second` and their `random_`.
  """
  return _between(rows, ["regime", "kind", "leaf"])


def pooled(rows: pd.DataFrame) -> pd.DataFrame:
  """Returns the same over all leaves: `regime`, `kind`, the numbers."""
  return _between(over_leaves(rows), ["regime", "kind"])


def by_beta(overlaps: pd.DataFrame, subtasks: Sequence[str]) -> pd.DataFrame:
  """Returns what masks of different subtasks share at every penalty.

  Args:
    overlaps: rows of overlaps.csv of all penalties.
    subtasks: names of the masks, without the control.

  Returns:
    As `pooled`, with `beta` instead of `kind`.
  """
  tables = []
  for beta, rows in overlaps.groupby("beta", sort=False):
    pairs = of_subtasks(rows, subtasks)
    table = pooled(pairs[pairs["kind"] == DIFFERENT])
    tables.append(table.assign(beta=beta).drop(columns="kind"))
  return pd.concat(tables, ignore_index=True)


def _between(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
  columns = [*overlap.SHARES, *(f"random_{name}" for name in overlap.SHARES)]
  return between_networks(overlap.with_shares(rows), keys, columns)


def remaining(
  overlaps: pd.DataFrame, subtasks: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
  """Returns the share of the control mask's weights that a mask has, too.

  Args:
    overlaps: rows of overlaps.csv of one penalty; masks of one seed are
      compared, as in the paper.
    subtasks: names of the masks, without the control.

  Returns:
    Per leaf (`regime`, `subroutine`, `leaf`) and over leaves (`regime`,
    `subroutine`): `remaining_mean`, `remaining_sd`, `num_networks`.
  """
  if overlaps.empty:
    return pd.DataFrame(), pd.DataFrame()
  rows = overlaps[overlaps["first_seed"] == overlaps["second_seed"]]
  turned = rows["second"] == CONTROL
  rows = pd.concat([rows[~turned], _turned(rows[turned])])
  rows = rows[(rows["first"] == CONTROL) & rows["second"].isin(subtasks)]
  rows = rows.assign(subroutine=rows["second"])
  keys = ["regime", "subroutine"]
  sums = rows.groupby(
    [*keys, "base_seed", "second_seed"], sort=False, as_index=False
  )[["both", "first_kept"]].sum()
  by_leaf, over_all = (
    between_networks(
      table.assign(remaining=overlap.ratio(table["both"], table["first_kept"])),
      names,
      ["remaining"],
    )
    for table, names in ((rows, [*keys, "leaf"]), (sums, keys))
  )
  return by_leaf, over_all


def weights(densities: pd.DataFrame) -> pd.DataFrame:
  """Returns how many weights masks keep, leaf by leaf and in all.

  Args:
    densities: rows of densities.csv of one penalty.

  Returns:
    `regime`, `leaf` ("" for all of them), `size`, `subroutine`, `kept_mean`,
    `kept_sd`, `num_networks`.
  """
  if densities.empty:
    return pd.DataFrame()
  keys = ["regime", "base_seed", "subroutine", "mask_seed", "candidate"]
  whole = densities.groupby(keys, sort=False, as_index=False)[
    ["kept", "size"]
  ].sum()
  rows = pd.concat([densities, whole.assign(leaf="")])
  return between_networks(
    rows, ["regime", "leaf", "size", "subroutine"], ["kept"]
  )
