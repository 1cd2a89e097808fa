"""Tests for structcomp_jax.masks.baselines."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import masks
from structcomp_jax.types import UserError


def draw_like(params, mask, key):
  return masks.random_like(mask, key)


def draw_complement(params, mask, key):
  return masks.random_from_complement(mask, key)


def draw_largest(params, mask, key):
  return masks.largest_magnitude(params, mask)


every_baseline = pytest.mark.parametrize(
  "baseline", [draw_like, draw_complement, draw_largest]
)


@every_baseline
@pytest.mark.parametrize("jit", [False, True])
def test_same_count_and_shape_per_leaf(params, mask, baseline, jit):
  baseline = jax.jit(baseline) if jit else baseline
  drawn = baseline(params, mask, jax.random.key(0))
  chex.assert_trees_all_equal_shapes_and_dtypes(drawn, mask)
  chex.assert_trees_all_equal(masks.kept(drawn), masks.kept(mask))


@every_baseline
def test_vmap_over_masks_of_different_counts(params, mask, baseline):
  empty = jax.tree.map(jnp.zeros_like, mask)
  stacked = jax.tree.map(lambda *rows: jnp.stack(rows), mask, empty)
  keys = jax.random.split(jax.random.key(1), 2)
  drawn = jax.jit(jax.vmap(baseline, in_axes=(None, 0, 0)))(
    params, stacked, keys
  )
  alone = baseline(params, mask, keys[0])
  chex.assert_trees_all_equal(jax.tree.map(lambda leaf: leaf[0], drawn), alone)
  assert not any(bool(jnp.any(leaf[1])) for leaf in drawn.values())


@pytest.mark.parametrize("baseline", [draw_like, draw_complement])
def test_random_masks_depend_on_key_and_leaf(params, baseline):
  units = jnp.arange(400) % 4 == 0
  mask = {"a": units, "b": units}
  first = baseline(params, mask, jax.random.key(0))
  again = baseline(params, mask, jax.random.key(0))
  other = baseline(params, mask, jax.random.key(1))
  chex.assert_trees_all_equal(first, again)
  assert bool(jnp.any(first["a"] != first["b"]))
  assert bool(jnp.any(first["a"] != other["a"]))


def test_random_like_is_uniform():
  mask = {"leaf": jnp.asarray([True, True, False, False, False])}
  keys = jax.random.split(jax.random.key(0), 4000)
  drawn = jax.vmap(masks.random_like, in_axes=(None, 0))(mask, keys)["leaf"]
  np.testing.assert_allclose(
    jnp.mean(drawn.astype(jnp.float32), axis=0), 0.4, atol=0.04
  )


def test_random_from_complement_is_disjoint_and_uniform():
  mask = {"leaf": jnp.asarray([True, False, True, False, False, False])}
  keys = jax.random.split(jax.random.key(0), 4000)
  drawn = jax.vmap(masks.random_from_complement, in_axes=(None, 0))(mask, keys)
  np.testing.assert_allclose(
    jnp.mean(drawn["leaf"].astype(jnp.float32), axis=0),
    [0, 0.5, 0, 0.5, 0.5, 0.5],
    atol=0.04,
  )


def test_exactly_half_leaves_one_choice():
  mask = {"leaf": jnp.asarray([True, False, True, False])}
  drawn = masks.random_from_complement(mask, jax.random.key(0))
  chex.assert_trees_all_equal(drawn, masks.complement(mask))


def test_too_small_complement():
  mask = {"leaf": jnp.asarray([True, True, False])}
  key = jax.random.key(0)
  with pytest.raises(UserError, match="keeps 2 of 3 units of leaf 'leaf'"):
    masks.random_from_complement(mask, key)
  traced = jax.jit(masks.random_from_complement)(mask, key)
  chex.assert_trees_all_equal(traced, masks.complement(mask))


def test_largest_magnitude_by_hand():
  params = {"kernel": jnp.asarray([[0.1, -5.0], [3.0, 0.2]])}
  mask = {"kernel": jnp.asarray([[True, False], [False, True]])}
  chosen = masks.largest_magnitude(params, mask)["kernel"]
  np.testing.assert_array_equal(chosen, [[False, True], [True, False]])


def test_largest_magnitude_is_exact_under_ties():
  params = {"kernel": jnp.asarray([-1.0, 1.0, 1.0, -1.0])}
  mask = {"kernel": jnp.asarray([False, False, True, True])}
  chosen = masks.largest_magnitude(params, mask)["kernel"]
  np.testing.assert_array_equal(chosen, [True, True, False, False])


def test_largest_magnitude_ranks_neurons_by_norm():
  params = {"kernel": jnp.asarray([[3.0, 4.0, 0.0], [4.0, 4.0, 4.5]])}
  mask = {"kernel": jnp.asarray([[True, False, True]])}
  chosen = masks.largest_magnitude(params, mask)["kernel"]
  np.testing.assert_array_equal(chosen, [[True, True, False]])
