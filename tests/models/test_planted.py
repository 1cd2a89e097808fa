"""The planted network is what it says it is."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import masks
from structcomp_jax.models import planted


@pytest.fixture(params=[(1, 0), (2, 3)], ids=str)
def network(request):
  num_bits, num_junk_pairs = request.param
  return planted.build(num_bits, num_junk_pairs, key=jax.random.key(0))


def test_inputs_are_all_there_are(network):
  num_inputs = network.inputs.shape[1]
  assert len(np.unique(network.inputs, axis=0)) == 2**num_inputs
  assert set(np.unique(network.inputs)) == {-1.0, 1.0}


def test_distances_by_hand():
  network = planted.build(2, 0, key=jax.random.key(0))
  # Words 01 and 11 differ in one bit, 00 and 11 in two.
  row = jnp.array([-1.0, 1, 1, 1, -1, -1, 1, 1])
  (index,) = np.flatnonzero((network.inputs == row).all(axis=1))
  assert network.distances["first"][index] == 1
  assert network.distances["second"][index] == 2


def test_dense_network_adds_the_distances(network):
  np.testing.assert_allclose(
    planted.apply(network.params, network.inputs),
    sum(network.distances.values()),
    atol=1e-5,
  )


@pytest.mark.parametrize("target", planted.SUBROUTINES)
def test_truth_keeps_one_subroutine_and_its_complement_the_other(
  network, target
):
  (other,) = set(planted.SUBROUTINES) - {target}
  truth = network.truth[target]
  for mask, name in ((truth, target), (masks.complement(truth), other)):
    np.testing.assert_allclose(
      planted.apply(masks.merge(network.params, mask), network.inputs),
      network.distances[name],
      atol=1e-5,
    )


def test_truths_are_disjoint_and_small(network):
  first, second = network.truth.values()
  assert masks.total_kept(masks.logical_and(first, second)) == 0
  num_bits = network.inputs.shape[1] // 4
  assert masks.total_kept(first) == masks.total_kept(second) == 6 * num_bits


def test_no_weight_of_a_truth_can_be_spared():
  network = planted.build(1, 1, key=jax.random.key(0))
  truth = network.truth["first"]
  for path, units in truth.items():
    for index in np.argwhere(units):
      less = truth | {path: units.at[tuple(index)].set(False)}
      output = planted.apply(masks.merge(network.params, less), network.inputs)
      assert np.abs(output - network.distances["first"]).max() > 0.4


def test_junk_depends_on_the_key_and_nothing_else_does():
  one, two = (planted.build(1, 1, key=jax.random.key(key)) for key in (0, 1))
  assert (one.params["hidden"][:, 4:] != two.params["hidden"][:, 4:]).all()
  chex.assert_trees_all_equal(
    one.params["hidden"][:, :4], two.params["hidden"][:, :4]
  )
  chex.assert_trees_all_equal(one.truth, two.truth)
