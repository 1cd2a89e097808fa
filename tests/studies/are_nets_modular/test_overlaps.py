"""Overlaps of hand-made masks, and of none."""

import math

import numpy as np
import pandas as pd
import pytest

from structcomp_jax.studies.are_nets_modular.findings import (
  overlaps,
  reuse_score,
)

PAIR = ("add", "mul")


def row(both, kept=(40, 20), *, size=100, **columns):
  """Returns a row of overlaps.csv."""
  return {
    "regime": "scratch",
    "base_seed": 0,
    "first": "add",
    "first_seed": 0,
    "second": "mul",
    "second_seed": 0,
    "beta": 1e-4,
    "leaf": "a",
    "size": size,
    "first_kept": kept[0],
    "second_kept": kept[1],
    "both": both,
    **columns,
  }


def table(*rows, subtasks=PAIR):
  return overlaps.of_subtasks(pd.DataFrame(rows), subtasks)


def leaf(found, kind=overlaps.DIFFERENT, name="a"):
  of_kind = found[found["kind"] == kind]
  return of_kind[of_kind["leaf"] == name].iloc[0]


SHARES = ["iou", "iomin", "of_first", "of_second"]


@pytest.mark.parametrize(
  ("counts", "expected"),
  [
    # Disjoint, equal, one inside the other, partly, both empty, one empty.
    ((0, 40, 20), (0, 0, 0, 0)),
    ((40, 40, 40), (1, 1, 1, 1)),
    ((20, 40, 20), (0.5, 1, 0.5, 1)),
    ((10, 40, 20), (0.2, 0.5, 0.25, 0.5)),
    ((0, 0, 0), (math.nan,) * 4),
    ((0, 40, 0), (0, math.nan, 0, math.nan)),
  ],
)
def test_shares(counts, expected):
  both, first, second = counts
  found = overlaps.per_leaf(table(row(both, (first, second))))
  means = leaf(found)[[f"{name}_mean" for name in SHARES]].astype(float)
  np.testing.assert_allclose(means, expected)


def test_what_random_masks_share():
  found = leaf(overlaps.per_leaf(table(row(10))))
  # 40 and 20 of 100 share 8.
  assert found["random_iou_mean"] == pytest.approx(8 / 52)
  assert found["random_iomin_mean"] == pytest.approx(0.4)
  assert found["random_of_first_mean"] == pytest.approx(0.2)
  rng = np.random.default_rng(0)
  drawn = [
    len(set(rng.permutation(100)[:40]) & set(rng.permutation(100)[:20]))
    for _ in range(4000)
  ]
  one = table(row(10)).iloc[0]
  assert one["random"] == pytest.approx(np.mean(drawn), abs=0.1)
  assert one["variance"] == pytest.approx(np.var(drawn), rel=0.1)


def test_both_definitions_of_sharing_over_leaves():
  """Weighted by own counts, as in the figures, and by the union."""
  pairs = table(
    row(10, (10, 100), size=200),
    row(10, (90, 20), size=200, leaf="b"),
  )
  found = overlaps.pooled(pairs).iloc[0]
  assert found["of_first_mean"] == pytest.approx(20 / 100)
  assert found["of_second_mean"] == pytest.approx(20 / 120)
  assert found["iou_mean"] == pytest.approx(20 / 200)
  # The smaller mask leaf by leaf: 10 and 20.
  assert found["iomin_mean"] == pytest.approx(20 / 30)


def test_which_pairs_are_compared():
  pairs = table(
    row(5),
    row(6, first_seed=1),
    row(7, (20, 40), first="mul", second="add"),
    row(8, second="add", second_seed=1),
    # Two settings of one seed, and the control, are no pairs of this kind.
    row(9, second="add"),
    row(9, first="control"),
  )
  kinds = pairs.groupby("kind")["both"].apply(sorted).to_dict()
  assert kinds == {overlaps.DIFFERENT: [5, 6, 7], overlaps.SAME: [8]}
  turned = pairs[pairs["both"] == 7].iloc[0]
  assert (turned["first"], turned["second"]) == PAIR
  assert (turned["first_kept"], turned["second_kept"]) == (40, 20)


def test_networks_count_once():
  pairs = table(
    row(20),
    row(20, first_seed=1),
    row(20, first_seed=2),
    row(0, base_seed=1),
  )
  found = leaf(overlaps.per_leaf(pairs))
  assert found["iomin_mean"] == pytest.approx(0.5)
  assert found["iomin_sd"] == pytest.approx(math.sqrt(0.5))
  assert found["num_networks"] == 2


def test_remaining_weights_of_the_control_mask():
  rows = pd.DataFrame(
    [
      row(10, first="control", second="add"),
      row(30, (60, 20), first="control", second="add", leaf="b"),
      row(1, first="control", second="add", second_seed=1),
      row(5, (7, 20), first="mul", second="control"),
    ]
  )
  by_leaf, over_all = overlaps.remaining(rows, PAIR)
  found = by_leaf.set_index(["subroutine", "leaf"])["remaining_mean"]
  assert found.to_dict() == {
    ("add", "a"): 10 / 40,
    ("add", "b"): 30 / 60,
    ("mul", "a"): 5 / 20,
  }
  pooled = over_all.set_index("subroutine")["remaining_mean"]
  assert pooled["add"] == pytest.approx(40 / 100)


def test_weights_of_leaves_and_in_all():
  mask = {"regime": "scratch", "base_seed": 0, "mask_seed": 0, "candidate": 0}
  rows = pd.DataFrame(
    [
      {**mask, "subroutine": name, "leaf": leaf, "size": 100, "kept": kept}
      for name, leaf, kept in (
        ("add", "a", 10),
        ("add", "b", 20),
        ("mul", "a", 30),
        ("mul", "b", 30),
      )
    ]
  )
  found = overlaps.weights(rows).set_index(["leaf", "subroutine"])
  assert found["kept_mean"]["", "add"] == 30
  assert found["size"]["", "mul"] == 200
  assert found["kept_mean"]["a", "mul"] == 30


def test_sharing_at_every_penalty():
  rows = pd.DataFrame([row(10), row(20, beta=1e-3)])
  found = overlaps.by_beta(rows, PAIR).set_index("beta")["of_first_mean"]
  assert found.to_dict() == {1e-4: 0.25, 1e-3: 0.5}


def scores(*rows):
  return reuse_score.scores(table(*rows)).set_index("base_seed")


def test_score_is_the_place_between_random_and_the_same_subtask():
  """(observed - random) / (ceiling - random) of masks of one size."""
  sizes = {"kept": (200, 200), "size": 1000}
  same = {**sizes, "first_seed": 0, "second_seed": 1}
  found = scores(
    row(100, **sizes),
    {**row(140, **same), "first": "add", "second": "add"},
    {**row(160, **same), "first": "mul", "second": "mul"},
  ).loc[0]
  assert found["score"] == pytest.approx((100 - 40) / (150 - 40))
  assert found["iomin"] == pytest.approx(0.5)
  assert found["random_iomin"] == pytest.approx(0.2)
  assert found["ceiling_iomin"] == pytest.approx(0.75)
  variance = 200 * 200 * 800 * 800 / (1000**2 * 999)
  assert found["noise"] == pytest.approx(math.sqrt(variance) / 110)


@pytest.mark.parametrize(
  ("ceiling", "is_clear"), [(40, False), (45, False), (70, True), (30, False)]
)
def test_no_score_where_the_ceiling_is_not_above_chance(ceiling, is_clear):
  sizes = {"kept": (200, 200), "size": 1000}
  same = {**row(ceiling, **sizes), "second": "add", "second_seed": 1}
  found = scores(row(60, **sizes), same).loc[0]
  assert math.isnan(found["score"]) == (not is_clear)


def test_small_leaves_have_a_wide_noise():
  """Above chance by a tenth, but less than three deviations."""
  sizes = {"kept": (10, 10), "size": 20}
  same = {**row(6, **sizes), "second": "add", "second_seed": 1}
  assert math.isnan(scores(row(5, **sizes), same).loc[0]["score"])


def test_networks_without_a_ceiling_have_no_score():
  found = scores(row(10), row(10, base_seed=1))
  assert found["score"].isna().all()
  assert overlaps.of_subtasks(pd.DataFrame(), PAIR).empty
  assert reuse_score.scores(pd.DataFrame()).empty


def test_full_masks_share_what_they_must():
  """Nothing is possible beyond chance: no score, and no division by zero."""
  full = {"kept": (100, 100)}
  same = {**row(100, **full), "second": "add", "second_seed": 1}
  found = scores(row(100, **full), same).loc[0]
  assert math.isnan(found["score"])
