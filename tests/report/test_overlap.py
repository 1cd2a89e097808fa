"""Overlap stands beside what the sizes of the masks force."""

import numpy as np
import pytest

from structcomp_jax.report import overlap


def _masks(*kept, size=8):
  mask = np.zeros(size, bool)
  mask[list(kept)] = True
  return {"a": mask, "b": np.zeros((2, 2), bool)}


def test_pairs_by_hand():
  table = overlap.pairwise(
    {"subject": [_masks(0, 1), _masks(1, 2)], "verb": [_masks(1, 7)]}
  )
  assert len(table) == 3
  within = table[table["kind"] == "same subroutine"]
  assert within["iou"].to_list() == pytest.approx([1 / 3])
  assert set(table["second"]) == {"subject", "verb"}


def test_expected_overlap_by_hand():
  # Two of eight and four of eight: one in common on average, five in all.
  expected = overlap.expected_iou(_masks(0, 1), _masks(0, 1, 2, 3))
  assert expected == pytest.approx(1 / 5)


def test_full_masks_must_overlap():
  full = {"a": np.ones((3, 4), bool)}
  assert overlap.expected_iou(full, full) == pytest.approx(1.0)


def test_expected_overlap_matches_random_masks():
  generator = np.random.default_rng(0)
  size, first_count, second_count = 2000, 300, 700

  def draw(count):
    return {"a": generator.permutation(np.arange(size) < count)}

  pairs = [(draw(first_count), draw(second_count)) for _ in range(20)]
  found = [
    overlap.pairwise({"x": [first], "y": [second]})["iou"][0]
    for first, second in pairs
  ]
  expected = overlap.expected_iou(*pairs[0])
  assert np.mean(found) == pytest.approx(expected, rel=0.05)


def test_empty_masks_have_no_expectation():
  assert np.isnan(overlap.expected_iou(_masks(), _masks()))


def test_row_takes_one_candidate():
  stacked = {"a": np.array([[True, False], [False, True]])}
  np.testing.assert_array_equal(overlap.row(stacked, 1)["a"], [False, True])


def test_no_masks_no_pairs():
  assert overlap.pairwise({}).empty


def test_expected_overlap_is_forced_leaf_by_leaf():
  # 4 * 2 / 8 and 1 * 4 / 4 in common on average, of 4 + 2 and 1 + 4.
  first = {"a": np.arange(8) < 4, "b": np.arange(4) < 1}
  second = {"a": np.arange(8) < 2, "b": np.arange(4) < 4}
  for pair in ((first, second), (second, first)):
    assert overlap.expected_iou(*pair) == pytest.approx(2 / 9)


def test_every_pair_has_its_own_numbers():
  groups = {
    "verb": [_masks(0, 1), _masks(0, 1, 2, 3)],
    "subject": [_masks(1, 2, 4)],
  }
  expected = [
    ("verb", "verb", "same subroutine", 1 / 2, 1 / 5),
    ("verb", "subject", "different subroutines", 1 / 4, 0.75 / 4.25),
    ("verb", "subject", "different subroutines", 2 / 5, 1.5 / 5.5),
  ]
  table = overlap.pairwise(groups)
  for row, (*words, iou, forced) in zip(
    table.to_dict("records"), expected, strict=True
  ):
    assert [row["first"], row["second"], row["kind"]] == words
    assert row["iou"] == pytest.approx(iou)
    assert row["expected_iou"] == pytest.approx(forced)
