"""Overlap stands beside what the sizes of the masks force."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from structcomp_jax.structure import overlap

PAIR = ["base_seed", "pair"]


def mask(*kept, size=8):
  found = np.zeros(size, bool)
  found[list(kept)] = True
  return {"a": found}


def shares(first, second):
  """Returns the numbers of two masks over all leaves."""
  rows = pd.DataFrame(overlap.leaf_counts(first, second))
  rows = rows.assign(base_seed=0, pair=0)
  whole = overlap.over_leaves(overlap.with_chance(rows), PAIR)
  return overlap.with_shares(whole).iloc[0]


def test_masks_that_are_equal_share_everything():
  found = shares(mask(0, 1, 2), mask(0, 1, 2))
  for name in ("iou", "iomin", "of_first", "of_second", "excess"):
    assert found[name] == 1


def test_disjoint_masks_share_less_than_chance():
  found = shares(mask(0, 1), mask(2, 3, 4, 5))
  assert found["iou"] == found["iomin"] == 0
  # Of 2 and 4 of 8, one is shared on average and two could be.
  assert found["random_iou"] == pytest.approx(1 / 5)
  assert found["excess"] == pytest.approx((0 - 1) / (2 - 1))


def test_a_mask_inside_another_has_all_the_excess_there_is():
  found = shares(mask(0, 1), mask(0, 1, 2, 3))
  assert found["iou"] == 0.5
  assert found["iomin"] == found["excess"] == found["of_first"] == 1
  assert found["of_second"] == 0.5


def test_counts_are_those_of_every_leaf_that_both_masks_have():
  first = {"b": np.array([[True, False], [True, True]]), "a": np.ones(3, bool)}
  second = {"b": np.array([[True, True], [False, True]]), "c": np.ones(3, bool)}
  assert overlap.leaf_counts(first, second) == [
    {"leaf": "b", "size": 4, "first_kept": 3, "second_kept": 3, "both": 2}
  ]


def test_chance_is_that_of_every_leaf_by_itself():
  # 4 * 2 / 8 and 1 * 4 / 4 in common on average, of 4 + 2 and 1 + 4.
  first = {"a": np.arange(8) < 4, "b": np.arange(4) < 1}
  second = {"a": np.arange(8) < 2, "b": np.arange(4) < 4}
  for pair in ((first, second), (second, first)):
    found = shares(*pair)
    assert found["random_iou"] == pytest.approx(2 / 9)
    # The smaller mask is another one in every leaf: 2 and 1.
    assert found["random_iomin"] == pytest.approx(2 / 3)


def test_random_masks_have_the_stated_overlap_and_noise():
  rng = np.random.default_rng(0)

  def draw(count):
    return {"a": rng.permutation(np.arange(1000) < count)}

  found = pd.DataFrame([shares(draw(300), draw(600)) for _ in range(400)])
  one = found.iloc[0]
  assert found["iou"].mean() == pytest.approx(one["random_iou"], rel=0.01)
  assert abs(found["excess"].mean()) < 3 * one["noise"] / 20
  assert found["excess"].std() == pytest.approx(one["noise"], rel=0.15)


def test_nothing_divided_by_nothing_is_missing():
  found = shares(mask(), mask())
  assert found[["iou", "iomin", "random_iou", "excess"]].isna().all()
  full = shares(mask(*range(8)), mask(*range(8)))
  assert full["iou"] == 1
  assert math.isnan(full["excess"])


def test_networks_count_once_with_a_t_interval():
  rows = pd.DataFrame(
    {
      "kind": ["x"] * 5,
      "base_seed": [0, 0, 0, 1, 2],
      "iou": [0.1, 0.2, 0.3, 0.5, 0.8],
    }
  )
  (found,) = overlap.between_networks(rows, ["kind"], ["iou"]).to_dict(
    "records"
  )
  means = np.array([0.2, 0.5, 0.8])
  half = stats.t.ppf(0.975, 2) * means.std(ddof=1) / np.sqrt(3)
  assert found["num_networks"] == 3
  assert found["iou"] == pytest.approx(0.5)
  assert found["iou_low"] == pytest.approx(0.5 - half)
  assert found["iou_high"] == pytest.approx(0.5 + half)


def test_one_network_has_no_interval():
  rows = pd.DataFrame({"kind": ["x", "x"], "base_seed": [3, 3], "iou": [0, 1]})
  (found,) = overlap.between_networks(rows, ["kind"], ["iou"]).to_dict(
    "records"
  )
  assert found["iou"] == 0.5
  assert math.isnan(found["iou_low"])
  assert math.isnan(found["iou_high"])
  none = overlap.between_networks(rows[:0], ["kind"], ["iou"])
  assert list(none.columns) == [
    "kind", "num_networks", "iou", "iou_low", "iou_high",
  ]  # fmt: skip
