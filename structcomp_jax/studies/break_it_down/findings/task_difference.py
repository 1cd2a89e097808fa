"""Task differences: how specific is a subnetwork to its subroutine?

Two single-cue tests decide. In `odd_x` the odd one out breaks property x
alone, so only a network that looks at x can find it. For a mask that was
trained on subroutine X, with Y the other subroutine of the experiment,

    D_sub = clamp(acc(subnetwork, odd_X)) - clamp(acc(subnetwork, odd_Y))
    D_abl = clamp(acc(ablated, odd_X)) - clamp(acc(ablated, odd_Y))

with clamp(a) = max(a, 1/4), chance among four items. Both lie in
[-0.75, 0.75]. Modular networks have D_sub > 0 and D_abl < 0.

Source: arXiv 2301.10884, section 4, as computed by its public release.
"""

import numpy as np
import pandas as pd

from structcomp_jax.pipeline.tables import SETTINGS
from structcomp_jax.types import UserError, command

CHANCE = 0.25
# A base network below this accuracy on the composite test set has failed.
BASE_THRESHOLD = 0.9
# A mask below this accuracy on its own subroutine has not learned it.
OWN_THRESHOLD = 0.9
# A network below this accuracy on every test computes nothing any more.
COLLAPSED_THRESHOLD = 0.3
# Right answers at a cross entropy this close to guessing (ln 4 = 1.386 nats)
# rest on tiny differences between nearly parallel embeddings.
UNSURE_LOSS = 1.35
UNTRAINED_REGIME = "random_init"
# What an ablated network may still do; at chance in all it has collapsed.
AFTER_ABLATION = ["ablated_own", "ablated_target", "ablated_other"]

# What names one mask, and what it was searched with.
MASK_KEY = [
  "experiment",
  "model",
  "regime",
  "base_seed",
  "subroutine",
  "candidate",
]
_SEARCHED_WITH = ["mask_seed", *SETTINGS]
# The ablation of a results row -> the name used in the columns below.
CONDITIONS = {"none": "subnetwork", "zero": "ablated", "random": "redrawn"}


def clamp(accuracy):
  """Returns max(accuracy, chance), elementwise."""
  return np.maximum(accuracy, CHANCE)


def subroutines(results: pd.DataFrame) -> list[str]:
  """Returns the two subroutine names of one experiment, alphabetically.

  Read from the `odd_<name>` tests, so one subroutine may lack masks.

  Args:
    results: rows of one experiment in the columns of results.csv.

  Raises:
    UserError: there are not exactly two such tests.
  """
  tests = results["test_task"].dropna().astype(str).unique()
  names = sorted(
    test.removeprefix("odd_")
    for test in tests
    if test.startswith("odd_") and test != "odd_both"
  )
  if len(names) != 2:
    found = ", ".join(names) or "none"
    raise UserError(
      f"results.csv needs the odd_* tests of two subroutines, it has: {found};"
      f" run {command('evaluate')} again"
    )
  return names


def task_differences(
  results: pd.DataFrame, *, base_threshold: float = BASE_THRESHOLD
) -> pd.DataFrame:
  """Returns one row per mask search with D_sub, D_abl and what explains them.

  Args:
    results: rows in the columns of results.csv. Where a column `selected`
      exists, searches that are not selected are left out; so are the rows of
      the dense network. Several experiments may be present.
    base_threshold: a trained base network below this test accuracy on the
      composite task counts as failed (column `base_failed`). Networks of
      regime `random_init` are never trained and cannot fail.

  Returns:
    The columns of `MASK_KEY`, `mask_seed` and `SETTINGS`, then `d_sub`,
    `d_abl`, `d_redrawn` (the ablated network with re-drawn instead of zero
    weights), `density` (fraction kept), `base_accuracy`, `base_failed`,
    `learned` (own-task accuracy of the subnetwork reaches `OWN_THRESHOLD`),
    `ablated_collapsed` (the ablated network is at chance on every test, so
    that its D of 0 says nothing), `num_problems` (of its smallest test; NaN
    where the table does not say) and, for each condition `subnetwork`,
    `ablated`, `redrawn`, accuracies in [0, 1] `<condition>_own` (task X),
    `_other_task` (task Y), `_base`, `_target` (odd_X), `_other` (odd_Y), and
    `_margin` and `_loss` (mean score margin and cross entropy in nats on task
    X). A number whose row is missing is NaN.

  Raises:
    UserError: two rows answer the same question, or the tests of an
      experiment do not name two subroutines.
  """
  rows = searches_only(results)
  tables = []
  for _, experiment in rows.groupby("experiment", sort=False):
    pair = subroutines(experiment)
    for name, of_mask in experiment.groupby("subroutine", sort=False):
      other = pair[1] if name == pair[0] else pair[0]
      tables.append(_of_one_subroutine(of_mask, str(name), other))
  if not tables:
    raise UserError(
      f"results.csv holds no row of a mask; run {command('search')} and"
      f" {command('evaluate')} first"
    )
  table = pd.concat(tables, ignore_index=True)
  table = control_last(table)
  trained = table["regime"] != UNTRAINED_REGIME
  table["base_failed"] = trained & (table["base_accuracy"] < base_threshold)
  table["learned"] = table["subnetwork_own"] >= OWN_THRESHOLD
  return table


def control_last(table: pd.DataFrame) -> pd.DataFrame:
  """Returns the rows with untrained networks after the trained ones."""
  return table.sort_values(
    "regime",
    key=lambda regime: regime == UNTRAINED_REGIME,
    kind="stable",
    ignore_index=True,
  )


def searches_only(results: pd.DataFrame) -> pd.DataFrame:
  """Returns the rows of selected masks, without those of dense networks."""
  rows = results[results["subroutine"].fillna("").astype(str) != ""]
  if "selected" in rows:
    chosen = rows["selected"].astype(str).str.lower().isin(["true", "1", "1.0"])
    rows = rows[chosen]
  return rows.copy()


def usable(differences: pd.DataFrame) -> pd.DataFrame:
  """Returns the rows of `task_differences` whose base network works."""
  return differences[~differences["base_failed"]]


def _of_one_subroutine(
  rows: pd.DataFrame, name: str, other: str
) -> pd.DataFrame:
  """Returns the difference table of the masks of one subroutine."""
  _refuse_duplicates(rows)
  wide = rows.pivot(
    index=MASK_KEY, columns=["ablation", "test_task"], values="accuracy"
  )
  tests = {
    "own": name,
    "other_task": other,
    "base": "base",
    "target": f"odd_{name}",
    "other": f"odd_{other}",
  }
  # Not `groupby(...).first()`, which skips settings that are empty.
  settings = rows.drop_duplicates(MASK_KEY).set_index(MASK_KEY)[_SEARCHED_WITH]
  table = settings.reindex(wide.index)
  for ablation, condition in CONDITIONS.items():
    for label, test in tests.items():
      table[f"{condition}_{label}"] = wide.get((ablation, test), np.nan)
    for measure in ("margin", "loss"):
      table[f"{condition}_{measure}"] = _own(rows, ablation, name, measure)
  table["d_sub"] = _difference(table, "subnetwork")
  table["d_abl"] = _difference(table, "ablated")
  table["d_redrawn"] = _difference(table, "redrawn")
  table["ablated_collapsed"] = (
    table[AFTER_ABLATION].max(axis=1, skipna=False) < COLLAPSED_THRESHOLD
  )
  kept = rows[rows["ablation"] == "none"].groupby(MASK_KEY).first()
  table["density"] = kept["l0"] / kept["l0_max"]
  table["base_accuracy"] = kept.get("base_accuracy", np.nan)
  table["num_problems"] = _fewest_problems(rows)
  return table.reset_index()


def _fewest_problems(rows: pd.DataFrame) -> pd.Series | float:
  """Returns the size of the smallest test of every mask."""
  if "num_problems" not in rows:
    return np.nan
  return rows.groupby(MASK_KEY)["num_problems"].min()


def _difference(table: pd.DataFrame, condition: str) -> pd.Series:
  target = clamp(table[f"{condition}_target"])
  return target - clamp(table[f"{condition}_other"])


def _own(
  rows: pd.DataFrame, ablation: str, test: str, column: str
) -> pd.Series | float:
  """Returns another measure of the test on the mask's own subroutine."""
  if column not in rows:
    return np.nan
  of_test = rows[(rows["ablation"] == ablation) & (rows["test_task"] == test)]
  return of_test.set_index(MASK_KEY)[column]


def _refuse_duplicates(rows: pd.DataFrame) -> None:
  repeated = rows.duplicated([*MASK_KEY, "ablation", "test_task"])
  if repeated.any():
    row = rows[repeated].iloc[0]
    raise UserError(
      f"results.csv answers twice for base seed {row['base_seed']}, subroutine"
      f" {row['subroutine']}, candidate {row['candidate']}, ablation"
      f" {row['ablation']}, test {row['test_task']}; delete results.csv and run"
      f" {command('evaluate')} again"
    )
