"""Class removal: the drops of all classes, mask by mask.

With C[j] the accuracy on the pictures of class j under a mask, and C_0 that
under the control mask of the same network and seed, the relative drop of class
j is (C_0[j] - C[j]) / C_0[j]. Of a mask that learned without class c,

    target = relative drop of c
    others = largest relative drop of any other class, at least 0.
"""

import itertools
import math
from collections.abc import Sequence

import pandas as pd

from structcomp_jax.studies.are_nets_modular.domain import CONTROL
from structcomp_jax.studies.are_nets_modular.findings import accuracies
from structcomp_jax.studies.are_nets_modular.findings.evidence import Evidence
from structcomp_jax.studies.are_nets_modular.image_tests import RECALIBRATED
from structcomp_jax.studies.are_nets_modular.images import removed_class

# {ablation: what batch norms use under a mask}
STATISTICS = {
  "none": "running",
  RECALIBRATED: "recalibrated under the mask",
}
# What two masks that are compared have in common.
KEYS = ["base_seed", "mask_seed"]


def of_regime(evidence: Evidence, regime: str) -> pd.DataFrame:
  """Returns the accuracies of the masks of a regime, see `accuracies.wide`."""
  return accuracies.wide(evidence.results[evidence.results["regime"] == regime])


def relative_drops(
  masks: pd.DataFrame, subroutine: str, classes: Sequence[str], ablation: str
) -> pd.DataFrame:
  """Returns the relative drop of every class under the masks of a subtask.

  Args:
    masks: of `accuracies.wide`, of one regime.
    subroutine: whose masks.
    classes: names of the tests.
    ablation: of the masks and of the control masks.

  Returns:
    float[masks, classes], indexed by `KEYS`.
  """
  first = _accuracy(masks, CONTROL, classes, ablation)
  second = _accuracy(masks, subroutine, classes, ablation)
  first, second = first.align(second, join="inner")
  return (first - second) / first.where(first > 0)


def removals(
  masks: pd.DataFrame, classes: Sequence[str], ablation: str = "none"
) -> pd.DataFrame:
  """Returns what every mask that has not seen a class loses.

  Args:
    masks: of `accuracies.wide`, of one regime.
    classes: names of the tests.
    ablation: of the masks.

  Returns:
    One row per mask: `removed`, `KEYS`, `target`, `others`, `worst` (the class
    that loses most of the others) and `ratio`, others / target.
  """
  names = ["removed", *KEYS, "target", "others", "worst", "ratio"]
  if masks.empty:
    return pd.DataFrame(columns=names)
  parts = []
  for subroutine in masks.index.unique("subroutine"):
    removed = removed_class(subroutine)
    if removed not in classes:
      continue
    drops = relative_drops(masks, subroutine, classes, ablation)
    drops = drops.dropna(how="all")
    rest = drops.drop(columns=removed)
    part = pd.DataFrame(
      {
        "removed": removed,
        "target": drops[removed],
        "others": rest.max(axis=1).clip(lower=0),
        "worst": rest.fillna(-math.inf).idxmax(axis=1),
      }
    )
    parts.append(part.reset_index())
  if not parts:
    return pd.DataFrame(columns=names)
  table = pd.concat(parts, ignore_index=True)
  positive = table["target"].where(table["target"] > 0)
  return table.assign(ratio=table["others"] / positive)[names]


def between_controls(
  masks: pd.DataFrame, classes: Sequence[str], ablation: str = "none"
) -> pd.Series:
  """Returns the largest drop between two control masks of one network.

  It is what a search of the same task with another seed changes.

  Returns:
    float, one per two mask seeds, indexed by `base_seed`; both directions are
    averaged.
  """
  found = (
    pd.DataFrame()
    if masks.empty
    else _accuracy(masks, CONTROL, classes, ablation)
  )
  values: dict[float, list[float]] = {}
  for seed in found.index.unique("base_seed") if len(found) else ():
    rows = found.xs(seed, level="base_seed")
    for first, second in itertools.combinations(range(len(rows)), 2):
      one, other = rows.iloc[first], rows.iloc[second]
      largest = [
        float(((a - b) / a.where(a > 0)).max().clip(0))
        for a, b in ((one, other), (other, one))
      ]
      values.setdefault(seed, []).append(sum(largest) / 2)
  index = [seed for seed, found in values.items() for _ in found]
  flat = [value for found in values.values() for value in found]
  return pd.Series(flat, pd.Index(index, name="base_seed"), dtype=float)


def by_class(evidence: Evidence, ablation: str = "none") -> pd.DataFrame:
  """Returns means over base networks, class by class and over all of them.

  Returns:
    `regime`, `removed` ("" for the mean over classes), `target_mean`,
    `target_sd`, the same of `others` and `ratio`, `num_networks`.
  """
  parts = []
  for regime in evidence.masked_regimes:
    table = removals(of_regime(evidence, regime), evidence.tests, ablation)
    for rows in (table, table.assign(removed="")):
      parts.append(rows.assign(regime=regime))
  rows = pd.concat(parts, ignore_index=True)
  if rows.empty:
    return rows
  columns = ["target", "others", "ratio"]
  rows[columns] = rows[columns].astype(float)
  return accuracies.between_networks(rows, ["regime", "removed"], columns)


def by_statistics(evidence: Evidence) -> pd.DataFrame:
  """Returns what running and recalibrated statistics make of drops.

  Returns:
    `regime`, `statistics` (what batch norms use under a mask), means over
    classes and networks of the columns of `by_class`, and `accuracy_mean` and
    `accuracy_sd` of the control mask; empty where one kind alone was tested.
  """
  results = evidence.results
  if RECALIBRATED not in set(results["ablation"]):
    return pd.DataFrame()
  parts = []
  for ablation, name in STATISTICS.items():
    drops = by_class(evidence, ablation)
    control = results[
      (results["subroutine"] == CONTROL) & (results["ablation"] == ablation)
    ]
    known = accuracies.between_networks(control, ["regime"], ["accuracy"])
    known = known.drop(columns="num_networks")
    drops = drops[drops["removed"] == ""].drop(columns="removed")
    parts.append(drops.merge(known, on="regime").assign(statistics=name))
  return pd.concat(parts, ignore_index=True)


def confusion_differences(confusions: pd.DataFrame) -> pd.DataFrame:
  """Returns how masks of subtasks change the answers of the control mask.

  Args:
    confusions: rows of confusions.csv of one penalty.

  Returns:
    `regime`, `subroutine`, `true`, `predicted`, `change_mean`, `change_sd`
    (share of the pictures of a class), `num_networks`.
  """
  keys = ["regime", *KEYS, "true", "predicted"]
  control = confusions[confusions["subroutine"] == CONTROL]
  rows = confusions[confusions["subroutine"] != CONTROL]
  before = control.set_index(keys)["share"].rename("before")
  rows = rows.join(before, on=keys)
  rows = rows.assign(change=rows["share"] - rows["before"])
  return accuracies.between_networks(
    rows, ["regime", "subroutine", "true", "predicted"], ["change"]
  )


def _accuracy(
  masks: pd.DataFrame, subroutine: str, classes: Sequence[str], ablation: str
) -> pd.DataFrame:
  is_its = masks.index.get_level_values("subroutine") == subroutine
  wanted = pd.MultiIndex.from_product([[ablation], classes])
  found = masks[is_its].reindex(columns=wanted)[ablation]
  return found.groupby(level=KEYS, sort=False).mean()
