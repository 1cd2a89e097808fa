"""Every architecture says what its leaves belong to, and it is so."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import trees
from structcomp_jax.studies.planted import network as networks
from structcomp_jax.studies.planted import problems
from structcomp_jax.studies.planted.problems import ITEMS, Pair
from tests.studies.planted.conftest import (
  SMALL,
  embed,
  of_every_architecture,
  two,
)

# What reads the units of a space: a leaf, and its axis.
READERS = {
  "layer_0": ("layer_1/kernel", 0),
  "layer_1": ("layer_2/kernel", 0),
  "heads": ("attended/kernel", 0),
  "units": ("outer/kernel", 0),
  "conv_0": ("conv_1/kernel", 2),
  "conv_1": ("hidden/kernel", 2),
  "hidden": ("output/kernel", 0),
}


@of_every_architecture
def test_axes_name_every_axis_of_every_leaf(network):
  params = network.init(3, 0)
  leaves = trees.leaves_by_path(params)
  assert set(network.axes) == set(leaves)
  counts = networks.sizes(network, params)
  for path, spaces in network.axes.items():
    assert leaves[path].ndim == len(spaces) + 1
    for space, size in zip(spaces, leaves[path].shape[1:], strict=True):
      assert space is None or counts[space] == size
  assert (
    counts[networks.OUTPUT] == 3 == embed(network, two(network)[0]).shape[1]
  )
  assert network.linear <= set(counts)


@of_every_architecture
def test_units_that_are_removed_are_not_read(network):
  rows = trees.stack(two(network))
  leaves = trees.leaves_by_path(rows)
  counts = networks.sizes(network, rows)
  assert set(counts) & set(READERS)
  for space in set(counts) & set(READERS):
    path, axis = READERS[space]
    units = range(1, counts[space])
    kernel = np.moveaxis(np.array(leaves[path]), axis + 1, 0)
    kernel[1:] = 0
    unread = trees.replace_leaves(
      rows, {path: np.moveaxis(kernel, 0, axis + 1)}
    )
    removed = networks.remove(network, rows, space, units)
    before, expected, found = (
      jax.vmap(network.embed, (0, None))(params, ITEMS)
      for params in (rows, unread, removed)
    )
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert abs(found - before).max() > 0.01


def test_unit_costs_are_of_the_unit_that_is_removed():
  network = SMALL["mlp"]
  params = trees.stack(two(network))
  tests = problems.sets(Pair(), {"test": 50}, 1)["test"]["A"]
  found = networks.unit_costs(network, params, tests)
  assert found.shape == (6 + 5, 2)
  removed = jax.tree.map(np.array, params)
  removed["layer_2"]["kernel"][:, 3] = 0
  expected = networks.accuracy(network, params, tests) - networks.accuracy(
    network, removed, tests
  )
  np.testing.assert_allclose(found[6 + 3], expected, atol=1e-6)
  of_space = networks.unit_costs(network, params, tests, ["layer_1"])
  np.testing.assert_array_equal(of_space, found[6:])


def test_linear_layers_have_no_relu():
  network = SMALL["mlp, linear"]
  params, _ = two(network)
  double = {
    **params,
    "layer_1": jax.tree.map(lambda leaf: -leaf, params["layer_1"]),
    "layer_2": {
      **params["layer_2"], "kernel": -params["layer_2"]["kernel"],
    },
  }  # fmt: skip
  np.testing.assert_allclose(
    embed(network, double), embed(network, params), atol=1e-4
  )
  with_relu = type(network)(network.sizes)
  assert abs(embed(with_relu, double) - embed(with_relu, params)).max() > 0.1


@of_every_architecture
def test_kernels_are_masked_but_those_of_queries_and_keys(network):
  params = network.init(2, 0)
  assert set(network.spec(params).paths) == {
    path
    for path in network.axes
    if path.endswith("kernel") and not path.startswith(("query", "key"))
  }
  spreads = jax.tree.map(jnp.std, params)
  for path, spread in trees.leaves_by_path(spreads).items():
    assert (spread > 0) == (not path.endswith("bias"))


def test_queries_and_keys_may_be_masked():
  network = dataclasses.replace(SMALL["transformer"], masks_queries=True)
  paths = network.spec(network.init(1, 0)).paths
  assert {"query/kernel", "key/kernel"} < set(paths)
  assert set(paths) == {one for one in network.axes if one.endswith("kernel")}
