"""Two blocks in one network are what they were, wherever their units are."""

import dataclasses

import jax
import numpy as np
import pytest

from structcomp_jax import masks, trees
from structcomp_jax.studies.planted import network as networks
from structcomp_jax.studies.planted.classes import hiding, modular
from structcomp_jax.studies.planted.networks.transformer import Transformer
from tests.studies.planted.conftest import (
  SMALL,
  embed,
  of_every_architecture,
  sorted_outputs,
  two,
)


def double(network):
  """Returns an architecture for two blocks."""
  if not isinstance(network, Transformer):
    return network  # `embed` knows sizes from the weights.
  return dataclasses.replace(network, num_heads=2 * network.num_heads)


@of_every_architecture
def test_a_join_does_what_both_blocks_do(network):
  pair = two(network)
  joined, truth = modular.join(*pair, network.axes, np.random.default_rng(1))
  together = np.concatenate([embed(network, one) for one in pair], axis=1)
  found = embed(double(network), joined)
  assert abs(found - together).max() > 0.1  # The outputs are permuted.
  np.testing.assert_allclose(
    sorted_outputs(found), sorted_outputs(together), rtol=1e-3, atol=1e-4
  )
  # So are the units of every other space.
  for path, of_block in truth["A"].items():
    for axis, space in enumerate(network.axes[path]):
      if space is not None:
        others = tuple({*range(of_block.ndim)} - {axis})
        belongs = of_block.any(axis=others)
        assert belongs.sum() == len(belongs) / 2
        assert not belongs[: len(belongs) // 2].all()


@pytest.mark.parametrize("cross", [0.0, 0.1])
@of_every_architecture
def test_the_weights_of_a_block_do_its_part(network, cross):
  pair = two(network)
  for one in pair:  # Biases stay whatever the mask.
    for layer in one.values():
      if "bias" in layer:
        layer["bias"] = np.zeros_like(layer["bias"])
  joined, truth = modular.join(
    *pair, network.axes, np.random.default_rng(1), cross=cross
  )
  for name, block in zip(("A", "B"), pair, strict=True):
    alone = embed(double(network), masks.merge(joined, truth[name]))
    own = alone[:, (alone != 0).any(axis=0)]
    np.testing.assert_allclose(
      sorted_outputs(own),
      sorted_outputs(embed(network, block)),
      rtol=1e-3,
      atol=1e-4,
    )
    kernels = [layer["kernel"] for layer in block.values() if "kernel" in layer]
    assert masks.total_kept(truth[name]) == sum(leaf.size for leaf in kernels)
  assert not any(
    leaf.any() for leaf in masks.logical_and(truth["A"], truth["B"]).values()
  )
  rest = masks.complement(masks.logical_or(truth["A"], truth["B"]))
  between = trees.leaves_by_path(masks.merge(joined, rest))
  for path in truth["A"]:
    reads_input = network.axes[path].count(None) == len(network.axes[path]) - 1
    assert np.asarray(between[path]).any() == (cross > 0 and not reads_input)


def test_idle_units_belong_to_no_block():
  network = SMALL["mlp"]
  pair = two(network)
  joined, truth = modular.join(
    *pair,
    network.axes,
    np.random.default_rng(1),
    cross=0.1,
    num_idle={"layer_0": 2, "layer_1": 1},
  )
  assert joined["layer_1"]["kernel"].shape == (14, 11)
  first = truth["A"]["layer_0/kernel"] | truth["B"]["layer_0/kernel"]
  idle = ~first.any(axis=0)
  assert idle.sum() == 2
  spread = joined["layer_0"]["kernel"][:, idle].std()
  assert 0.15 < spread < 0.6
  assert not joined["layer_0"]["bias"][idle].any()
  out = joined["layer_1"]["kernel"][idle]
  assert out.any() and abs(out).max() < 0.5


@of_every_architecture
def test_unit_outputs_change_no_answer(network):
  rows = trees.stack(two(network))
  scaled = modular.unit_outputs(network, rows)
  for row in range(2):
    before = embed(network, trees.row(rows, row))
    after = embed(network, trees.row(scaled, row))
    assert np.linalg.norm(after, axis=1).mean() == pytest.approx(1, abs=1e-4)
    ratio = np.linalg.norm(before, axis=1) / np.linalg.norm(after, axis=1)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-2)
    np.testing.assert_allclose(before, after * ratio[:1], rtol=0.01, atol=1e-3)


@of_every_architecture
def test_mixing_leaves_the_function_alone(network):
  params, _ = two(network)
  mixed = hiding.mix(network, params, np.random.default_rng(0))
  before, after = embed(network, params), embed(network, mixed)
  # All angles and lengths are what they were, but the basis is another one.
  scale = abs(before).max() ** 2
  np.testing.assert_allclose(
    before @ before.T, after @ after.T, atol=1e-4 * scale
  )
  assert abs(before - after).max() > 0.1
  old, new = trees.leaves_by_path(params), trees.leaves_by_path(mixed)
  for path, spaces in network.axes.items():
    is_turned = bool(set(spaces) & network.linear)
    assert (abs(old[path] - new[path]).max() > 0.01) == is_turned
    np.testing.assert_allclose(
      np.linalg.norm(old[path]), np.linalg.norm(new[path]), rtol=1e-4
    )


@of_every_architecture
def test_hiding_permutes_units_and_adds_noise_to_weights(network):
  params, _ = two(network)
  leaves = trees.leaves_by_path(params)
  noisy, _ = hiding.hide(leaves, network.axes, np.random.default_rng(0))
  # Noise is drawn whether or not it is used, so both have the same orders.
  hidden, orders = hiding.hide(
    leaves, network.axes, np.random.default_rng(0), noise=0.0
  )
  np.testing.assert_allclose(
    sorted_outputs(embed(network, hidden)),
    sorted_outputs(embed(network, params)),
    rtol=1e-3,
    atol=1e-4,
  )
  assert set(orders) == set(
    networks.sizes(network, jax.tree.map(lambda leaf: leaf[None], params))
  )
  noise = jax.tree.map(lambda a, b: np.std(a - b), noisy, hidden)
  for path, spread in trees.leaves_by_path(noise).items():
    expected = 0.02 if path.endswith("kernel") else 0.0
    assert spread == pytest.approx(expected, rel=0.4)
