"""Tests for structcomp_jax.trees."""

import chex
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import trees
from structcomp_jax.types import UserError


@flax.struct.dataclass
class Network:
  """A container other than a dict."""

  layers: tuple
  head: dict


def network():
  return Network(
    layers=({"kernel": jnp.ones((2, 3))}, {"kernel": jnp.zeros((3, 1))}),
    head={"bias": jnp.arange(3.0)},
  )


def test_paths_join_fields_keys_and_indices():
  assert list(trees.leaves_by_path(network())) == [
    "layers/0/kernel",
    "layers/1/kernel",
    "head/bias",
  ]


def test_paths_follow_leaf_order():
  leaves = trees.leaves_by_path(network())
  chex.assert_trees_all_equal(list(leaves.values()), jax.tree.leaves(network()))


def test_ambiguous_paths_raise():
  tree = {"a": {"b": 1}, "a/b": 2}
  with pytest.raises(UserError, match="share the path 'a/b'"):
    trees.leaves_by_path(tree)


def test_replace_leaves_exchanges_only_those_named():
  tree = network()
  changed = trees.replace_leaves(tree, {"head/bias": jnp.zeros(3)})
  assert isinstance(changed, Network)
  np.testing.assert_array_equal(changed.head["bias"], 0)
  assert changed.layers[0]["kernel"] is tree.layers[0]["kernel"]
  np.testing.assert_array_equal(tree.head["bias"], [0, 1, 2])


def test_replace_leaves_raises_on_an_unknown_path():
  with pytest.raises(KeyError, match="no leaf 'head/scale'"):
    trees.replace_leaves(network(), {"head/scale": jnp.zeros(3)})


def test_stack_and_row_are_inverse():
  rows = [{"a": jnp.full(2, value)} for value in (1.0, 2.0, 3.0)]
  stacked = trees.stack(rows)
  assert trees.num_rows(stacked) == 3
  for index, expected in enumerate(rows):
    chex.assert_trees_all_equal(trees.row(stacked, index), expected)


def test_row_takes_a_traced_index():
  stacked = {"a": jnp.arange(3.0)}
  last = jax.jit(trees.row)(stacked, jnp.asarray(2))
  assert last["a"] == 2


def test_num_elements_counts_every_leaf():
  assert trees.num_elements(network()) == 6 + 3 + 3
  assert trees.num_elements({"scalar": 1.0}) == 1


def test_fingerprint_ignores_container_order_and_array_library():
  one = {"a": jnp.ones(3), "b": jnp.zeros(2)}
  same = {"b": np.zeros(2, np.float32), "a": np.ones(3, np.float32)}
  assert trees.fingerprint(one) == trees.fingerprint(same)


@pytest.mark.parametrize(
  "other",
  [
    {"a": np.array([0.0, -0.0])},  # one bit
    {"b": np.array([0.0, 0.0])},  # a name
    {"a": np.array([[0.0, 0.0]])},  # a shape
    {"a": np.array([0, 0])},  # a dtype
    {"a": np.array([0.0, 0.0]), "b": np.array([])},  # a leaf
  ],
)
def test_fingerprint_sees_every_difference(other):
  tree = {"a": np.array([0.0, 0.0])}
  assert trees.fingerprint(tree) != trees.fingerprint(other)


def test_fingerprint_is_stable_across_releases():
  """A stored fingerprint must keep naming the same network."""
  tree = {"layer": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3)}}
  assert trees.fingerprint(tree)[:16] == "ac9cdab84846e47e"


def test_num_bytes_counts_every_leaf():
  tree = {"a": jnp.zeros((2, 3)), "b": [jnp.zeros(4, jnp.int8)]}
  assert trees.num_bytes(tree) == 24 + 4
