"""Means over searches of working networks, and what random masks add."""

import numpy as np
import pandas as pd
import pytest

from structcomp_jax.studies.break_it_down.findings import summary
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  MASK_KEY,
)

COLUMNS = {
  "d_sub": "d_sub",
  "d_abl": "d_abl",
  "own_accuracy": "subnetwork_own",
  "own_accuracy_ablated": "ablated_own",
  "density": "density",
  "margin": "subnetwork_margin",
}


def _searches(num_masks, **cells):
  """Returns `num_masks[base_seed]` searches; no two numbers are equal."""
  rows = [
    {
      **dict.fromkeys(MASK_KEY, "same"),
      "base_seed": base_seed,
      "candidate": candidate,
    }
    for base_seed, count in enumerate(num_masks)
    for candidate in range(count)
  ]
  table = pd.DataFrame(rows).assign(base_failed=False, learned=True)
  for index, column in enumerate(COLUMNS.values()):
    table[column] = index + np.arange(len(table)) ** 2 / 100
  return table.assign(**cells)


def test_means_and_spreads_are_over_searches():
  table = _searches([1, 4])
  (row,) = summary.summarise(table).to_dict("records")
  for name, column in COLUMNS.items():
    assert row[f"{name}_mean"] == pytest.approx(table[column].mean())
    assert row[f"{name}_sd"] == pytest.approx(np.std(table[column], ddof=1))
  assert (row["n"], row["num_bases"], row["num_learned"]) == (5, 2, 5)


def test_failed_networks_are_counted_and_left_out():
  table = _searches([2, 3, 1])
  failed = table["base_seed"] == 1
  table["base_failed"] = failed
  table["learned"] = table["candidate"] != 1
  (row,) = summary.summarise(table).to_dict("records")
  assert (row["num_bases"], row["num_failed_bases"]) == (2, 1)
  assert (row["n"], row["num_learned"]) == (3, 2)
  assert row["d_sub_mean"] == pytest.approx(table[~failed]["d_sub"].mean())


def test_every_network_and_subroutine_has_a_row_in_order():
  keys = [
    {"regime": regime, "subroutine": name}
    for regime in ("scratch", "random_init")
    for name in ("verb", "subject")
  ]
  tables = [
    _searches([2, 2], d_abl=float(index), **key)
    for index, key in enumerate(keys)
  ]
  rows = summary.summarise(pd.concat(tables))
  assert rows[["regime", "subroutine"]].to_dict("records") == keys
  np.testing.assert_array_equal(rows["d_abl_mean"], range(4))


def test_random_masks_join_their_own_search():
  searches = _searches([2, 2])
  draws = [searches.assign(d_sub=0.0), searches.assign(d_abl=1.0)]
  draws = pd.concat(draws).iloc[::-1]
  lacking = (draws["base_seed"] == 1) & (draws["candidate"] == 0)
  joined = summary.join_controls(searches, draws[~lacking])
  expected = searches.assign(
    d_sub_matched=searches["d_sub"] / 2,
    d_abl_matched=(searches["d_abl"] + 1.0) / 2,
  )
  expected.loc[2, ["d_sub_matched", "d_abl_matched"]] = np.nan
  pd.testing.assert_frame_equal(joined, expected)
  (row,) = summary.summarise(searches, draws[~lacking]).to_dict("records")
  for name in ("d_sub_matched", "d_abl_matched"):
    assert row[f"{name}_mean"] == pytest.approx(expected[name].mean())
    assert row[f"{name}_sd"] == pytest.approx(expected[name].std())


@pytest.mark.parametrize("column", MASK_KEY)
def test_random_masks_of_another_search_do_not_count(column):
  searches = _searches([1])
  other = "other" if searches[column].dtype != int else 9
  joined = summary.join_controls(searches, searches.assign(**{column: other}))
  assert joined["d_sub_matched"].isna().all()


def test_without_random_masks_there_are_no_numbers_of_them():
  joined = summary.join_controls(_searches([2]), None)
  assert joined[["d_sub_matched", "d_abl_matched"]].isna().all(axis=None)
