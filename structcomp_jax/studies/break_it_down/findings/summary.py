"""Means and spreads of the task differences, with their random-mask control."""

from typing import Any

import pandas as pd

from structcomp_jax.studies.break_it_down.findings.task_difference import (
  MASK_KEY,
  usable,
)

NETWORK = ["experiment", "model", "regime"]
# Name in the summary -> column of the table of task differences.
_MEASURES = {
  "d_sub": "d_sub",
  "d_abl": "d_abl",
  "own_accuracy": "subnetwork_own",
  "own_accuracy_ablated": "ablated_own",
  "density": "density",
  "margin": "subnetwork_margin",
  "d_sub_matched": "d_sub_matched",
  "d_abl_matched": "d_abl_matched",
}


def summarise(
  differences: pd.DataFrame, controls: pd.DataFrame | None = None
) -> pd.DataFrame:
  """Returns one row per experiment, model, regime and subroutine.

  Args:
    differences: table of `task_differences`.
    controls: the same for size-matched random masks, or None.

  Returns:
    Columns `NETWORK`, subroutine, `num_bases`, `num_failed_bases`, `n`
    (searches of working base networks), `num_learned`, and mean and standard
    deviation over these searches, `<name>_mean` and `<name>_sd`, of `d_sub`,
    `d_abl`, `own_accuracy` (subnetwork), `own_accuracy_ablated`, `density`,
    `margin`, and of the random masks `d_sub_matched`, `d_abl_matched`.
  """
  joined = join_controls(differences, controls)
  rows = [
    _summary_row(key, group)
    for key, group in joined.groupby([*NETWORK, "subroutine"], sort=False)
  ]
  return pd.DataFrame(rows)


def join_controls(
  differences: pd.DataFrame, controls: pd.DataFrame | None
) -> pd.DataFrame:
  """Adds `d_sub_matched` and `d_abl_matched` of each search (or NaN)."""
  measures = ["d_sub", "d_abl"]
  if controls is None:
    return differences.assign(
      **{f"{name}_matched": float("nan") for name in measures}
    )
  # Networks are compared by key only; several draws of one mask are averaged.
  means = controls.groupby(MASK_KEY)[measures].mean().add_suffix("_matched")
  return differences.merge(means, how="left", on=MASK_KEY)


def _summary_row(key: tuple[str, ...], group: pd.DataFrame) -> dict[str, Any]:
  kept = usable(group)
  row: dict[str, Any] = dict(zip([*NETWORK, "subroutine"], key, strict=True))
  row["num_bases"] = kept["base_seed"].nunique()
  row["num_failed_bases"] = group["base_seed"].nunique() - row["num_bases"]
  row["n"] = len(kept)
  row["num_learned"] = int(kept["learned"].sum())
  for name, column in _MEASURES.items():
    row[f"{name}_mean"] = kept[column].mean()
    row[f"{name}_sd"] = kept[column].std()
  return row
