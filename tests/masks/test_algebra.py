"""Tests for structcomp_jax.masks.algebra: hand examples."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import masks
from structcomp_jax.types import UserError

FIRST = {"a": [1, 1, 0, 0], "b": [[0, 0], [0, 0]]}
SECOND = {"a": [1, 0, 1, 0], "b": [[0, 0], [0, 0]]}


def as_mask(rows):
  return {path: jnp.asarray(row, jnp.bool_) for path, row in rows.items()}


def rows_of(mask):
  return {
    path: np.asarray(row).astype(int).tolist() for path, row in mask.items()
  }


@pytest.mark.parametrize(
  ("function", "expected"),
  [
    (masks.logical_and, {"a": [1, 0, 0, 0], "b": [[0, 0], [0, 0]]}),
    (masks.logical_or, {"a": [1, 1, 1, 0], "b": [[0, 0], [0, 0]]}),
  ],
)
@pytest.mark.parametrize("jit", [False, True])
def test_and_or(function, expected, jit):
  function = jax.jit(function) if jit else function
  assert rows_of(function(as_mask(FIRST), as_mask(SECOND))) == expected


def test_complement_is_an_involution():
  mask = as_mask(FIRST)
  assert rows_of(masks.complement(mask))["a"] == [0, 0, 1, 1]
  chex.assert_trees_all_equal(masks.complement(masks.complement(mask)), mask)


def test_counts_and_densities():
  mask = as_mask(FIRST)
  assert masks.size(mask) == {"a": 4, "b": 4}
  assert masks.total_size(mask) == 8
  assert jax.tree.map(int, masks.kept(mask)) == {"a": 2, "b": 0}
  assert masks.total_kept(mask) == 2
  assert jax.tree.map(float, masks.density(mask)) == {"a": 0.5, "b": 0.0}
  assert masks.total_density(mask) == 0.25


def test_iou_of_two_empty_masks_is_one():
  overlap = masks.iou(as_mask(FIRST), as_mask(SECOND))
  np.testing.assert_allclose(overlap["a"], 1 / 3, rtol=1e-6)
  assert overlap["b"] == 1
  np.testing.assert_allclose(
    masks.total_iou(as_mask(FIRST), as_mask(SECOND)), 1 / 3, rtol=1e-6
  )


def test_iou_with_itself_and_with_its_complement():
  mask = as_mask({"a": [1, 0, 1]})
  assert masks.total_iou(mask, mask) == 1
  assert masks.total_iou(mask, masks.complement(mask)) == 0


def test_kept_weights_count_what_a_neuron_covers(mask, spec):
  counts = masks.kept_weights(mask, spec)
  assert jax.tree.map(int, counts) == {"conv": 10, "dense/kernel": 2 * 5}


@pytest.mark.parametrize(
  "function",
  [
    masks.kept,
    masks.density,
    masks.total_density,
    lambda mask: masks.iou(mask, masks.complement(mask)),
    lambda mask: masks.total_iou(mask, mask),
  ],
)
def test_vmap_over_stacked_masks_matches_single_masks(function):
  rows = [as_mask(FIRST), as_mask(SECOND), masks.complement(as_mask(FIRST))]
  stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)
  expected = [function(row) for row in rows]
  expected = jax.tree.map(lambda *leaves: jnp.stack(leaves), *expected)
  chex.assert_trees_all_equal(jax.jit(jax.vmap(function))(stacked), expected)


def test_masks_of_different_leaves_do_not_compare():
  with pytest.raises(UserError, match="only one of two masks has leaf 'b'"):
    masks.iou(as_mask(FIRST), as_mask({"a": [1, 0, 1, 0]}))


def test_masks_of_different_shapes_do_not_compare():
  with pytest.raises(UserError, match=r"leaf 'a' have shapes \(4,\) and"):
    masks.logical_and(as_mask({"a": [1, 1, 0, 0]}), as_mask({"a": [1]}))
