"""Each class of networks is what its name says."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import masks, trees
from structcomp_jax.studies.planted import network as networks
from structcomp_jax.studies.planted import problems
from structcomp_jax.studies.planted.classes import by_hand, every, modular
from structcomp_jax.studies.planted.network import Network
from structcomp_jax.studies.planted.problems import ITEMS, Pair
from tests.studies.planted.conftest import EFFORT

SMALL = Network((10, 6, 5, 3))
LINEAR = Network((10, 6, 4, 4), linear=(1,))


def embed(network, params):
  return np.asarray(network.embed(params, jnp.asarray(ITEMS)))


def right(planted, task, params=None):
  tests = EFFORT.sets(planted.pair, 99)["test"][task]
  params = planted.params if params is None else params
  return np.asarray(networks.accuracy(planted.network, params, tests))


def blocks(seed=0, network=SMALL):
  """Returns two untrained blocks with biases."""
  random = np.random.default_rng(seed)
  rows = network.init(2, seed)
  rows = jax.tree.map(
    lambda leaf: leaf + 0.3 * random.normal(size=leaf.shape), rows
  )
  rows = jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), rows)
  return trees.row(rows, 0), trees.row(rows, 1)


def sorted_outputs(values):
  """Returns outputs in an order that permutations leave alone."""
  return values[:, np.lexsort(values[::100])]


def test_a_join_does_what_both_blocks_do():
  pair = blocks()
  joined, _ = modular.join(*pair, np.random.default_rng(1))
  together = np.concatenate([embed(SMALL, one) for one in pair], axis=1)
  found = embed(SMALL, joined)
  assert (found != together).any()  # The outputs are permuted.
  np.testing.assert_allclose(
    sorted_outputs(found), sorted_outputs(together), atol=1e-5
  )
  plain = np.concatenate(
    [one["layer_0"]["bias"] for one in pair]
  )  # Hidden units are permuted as well.
  assert (joined["layer_0"]["bias"] != plain).any()


@pytest.mark.parametrize("cross", [0.0, 0.1])
def test_the_weights_of_a_block_do_its_part(cross):
  pair = blocks()
  for one in pair:  # Biases stay whatever the mask.
    for layer in one.values():
      layer["bias"] = np.zeros_like(layer["bias"])
  joined, truth = modular.join(
    *pair, np.random.default_rng(1), cross=cross, num_idle=(2, 1)
  )
  for name, block in zip(("A", "B"), pair, strict=True):
    alone = embed(SMALL, masks.merge(joined, truth[name]))
    own = alone[:, (alone != 0).any(axis=0)]
    np.testing.assert_allclose(
      sorted_outputs(own), sorted_outputs(embed(SMALL, block)), atol=1e-5
    )
    assert masks.total_kept(truth[name]) == sum(
      layer["kernel"].size for layer in block.values()
    )
  assert not any(
    leaf.any() for leaf in masks.logical_and(truth["A"], truth["B"]).values()
  )
  rest = masks.complement(masks.logical_or(truth["A"], truth["B"]))
  between = masks.merge(joined, rest)["layer_1"]["kernel"]
  assert (np.asarray(between).any()) == (cross > 0)


def test_unit_outputs_change_no_answer():
  rows = trees.stack(blocks())
  scaled = modular.unit_outputs(SMALL, rows)
  for row in range(2):
    before = embed(SMALL, trees.row(rows, row))
    after = embed(SMALL, trees.row(scaled, row))
    assert np.linalg.norm(after, axis=1).mean() == pytest.approx(1, abs=1e-5)
    ratio = np.linalg.norm(before, axis=1) / np.linalg.norm(after, axis=1)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)
    np.testing.assert_allclose(before, after * ratio[:1], atol=1e-3)


def test_mixing_leaves_the_function_alone():
  params, _ = blocks(network=LINEAR)
  mixed = modular.mix(params, 1, np.random.default_rng(0))
  before, after = embed(LINEAR, params), embed(LINEAR, mixed)
  # All angles and lengths are what they were, but the basis is another one.
  np.testing.assert_allclose(before @ before.T, after @ after.T, atol=1e-3)
  assert abs(before - after).max() > 0.1
  middle = params["layer_1"]["kernel"]
  turned = mixed["layer_1"]["kernel"]
  np.testing.assert_allclose(
    np.linalg.norm(middle), np.linalg.norm(turned), rtol=1e-4
  )
  assert abs(middle - turned).max() > 0.1
  chex.assert_trees_all_equal(params["layer_0"], mixed["layer_0"])


def test_a_template_tells_both_properties_together_and_neither_alone():
  planted = every.CLASSES["template"](EFFORT, 0)
  for task in ("base", "odd_A", "odd_B"):
    assert (right(planted, task) > 0.95).all()
  for task in ("A", "B"):
    assert (abs(right(planted, task) - problems.CHANCE) < 0.12).all()


def test_both_properties_need_the_shared_trunk():
  random = np.random.default_rng(0)
  made = [by_hand.shared(random) for _ in range(3)]
  params = trees.stack([params for params, _ in made])
  tests = problems.sets(by_hand.SHARED, {"test": 200}, 1)["test"]
  for task in ("odd_A", "odd_B"):
    whole = networks.accuracy(Network(), params, tests[task])
    assert (np.asarray(whole) > 0.95).all()
    costs = networks.unit_costs(Network(), params, tests[task])
    for row, (_, trunk) in enumerate(made):
      assert len(trunk) == by_hand.TRUNK
      assert (costs[trunk, row] > every.NEEDED).all()


def test_unit_costs_are_of_the_unit_that_is_removed():
  params = trees.stack(blocks())
  tests = problems.sets(Pair(), {"test": 50}, 1)["test"]["A"]
  found = networks.unit_costs(SMALL, params, tests)
  assert found.shape == (6 + 5, 2)
  removed = jax.tree.map(np.array, params)
  removed["layer_2"]["kernel"][:, 3] = 0
  expected = networks.accuracy(SMALL, params, tests) - networks.accuracy(
    SMALL, removed, tests
  )
  np.testing.assert_allclose(found[6 + 3], expected, atol=1e-6)


def test_linear_layers_have_no_relu():
  params, _ = blocks(network=LINEAR)
  double = {
    **params,
    "layer_1": jax.tree.map(lambda leaf: -leaf, params["layer_1"]),
    "layer_2": {
      **params["layer_2"], "kernel": -params["layer_2"]["kernel"],
    },
  }  # fmt: skip
  np.testing.assert_allclose(
    embed(LINEAR, double), embed(LINEAR, params), atol=1e-4
  )
  with_relu = Network(LINEAR.sizes)
  assert abs(embed(with_relu, double) - embed(with_relu, params)).max() > 0.1


def test_modular_networks_work_by_their_blocks(trained):
  assert trained.num_networks == EFFORT.num_networks
  for task in ("odd_A", "odd_B"):
    assert (right(trained, task) > 0.9).all()
  # The block of A tells A from B, and that of B tells B from A.
  for own, other in (("A", "B"), ("B", "A")):
    kept = jax.vmap(masks.merge)(trained.params, dict(trained.truth[own]))
    assert (right(trained, f"odd_{own}", kept) > 0.85).all()
    assert (right(trained, f"odd_{other}", kept) < 0.5).all()


def test_untrained_networks_are_where_training_began():
  effort = every.Effort(2, num_problems=100, num_tests=20, num_steps=8)
  planted = every.CLASSES["both_tasks"](effort, 0)
  start = planted.untrained(5)
  chex.assert_trees_all_equal(start, Network().init(2, 0))
  moved = abs(planted.params["layer_0"]["kernel"] - start["layer_0"]["kernel"])
  # Eight steps of Adam.
  assert 1e-3 < moved.max() < 0.1
  template = every.CLASSES["template"](effort, 0)
  chex.assert_trees_all_equal(template.untrained(5), Network().init(2, 5))
