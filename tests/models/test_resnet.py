"""The ResNets: published sizes, and invariants of the forward pass."""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from structcomp_jax import trees
from structcomp_jax.models import resnet
from structcomp_jax.models.resnet import ResNet
from structcomp_jax.types import UserError

from . import tiny

MODEL = ResNet(tiny.BOTTLENECKS)


def kernel_sizes(config):
  """Returns {path: number of weights} of convolutions and dense layers."""
  inputs = {"images": jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.uint8)}
  params = jax.eval_shape(ResNet(config).init, jax.random.key(0), inputs)
  leaves = trees.leaves_by_path(params["params"])
  return {
    path: leaf.size for path, leaf in leaves.items() if path.endswith("/kernel")
  }


@pytest.fixture(scope="module")
def variables():
  return jax.jit(MODEL.init)(jax.random.key(0), tiny.IMAGES)


@pytest.mark.parametrize(
  ("config", "published"),
  # Lepori et al. 2023, released results: maskable weights (l0_max).
  [
    (resnet.resnet50(), (27911360, 26476544, 19398656)),
    (resnet.wide_resnet50_2(), (71222464, 67108864, 46399488)),
  ],
)
def test_numbers_of_maskable_weights_are_the_published_ones(config, published):
  sizes = kernel_sizes(config)
  names = ResNet(config).stages
  for first, expected in zip(
    ("first", "stage_3", "stage_4"), published, strict=True
  ):
    kept = names[names.index(first) :]
    actual = sum(n for path, n in sizes.items() if path.split("/")[0] in kept)
    assert actual == expected


def test_parameter_paths():
  assert MODEL.stages == ("first", "stage_1", "stage_2", "head")
  assert kernel_sizes(tiny.BOTTLENECKS) == {
    "first/conv/kernel": 7 * 7 * 3 * 4,
    "stage_1/block_0/conv_1/kernel": 4 * 4,
    "stage_1/block_0/conv_2/kernel": 9 * 4 * 4,
    "stage_1/block_0/conv_3/kernel": 4 * 16,
    "stage_1/block_0/shortcut/kernel": 4 * 16,
    "stage_1/block_1/conv_1/kernel": 16 * 4,
    "stage_1/block_1/conv_2/kernel": 9 * 4 * 4,
    "stage_1/block_1/conv_3/kernel": 4 * 16,
    "stage_2/block_0/conv_1/kernel": 16 * 8,
    "stage_2/block_0/conv_2/kernel": 9 * 8 * 8,
    "stage_2/block_0/conv_3/kernel": 8 * 32,
    "stage_2/block_0/shortcut/kernel": 16 * 32,
    "head/dense_1/kernel": 32 * 16,
    "head/dense_2/kernel": 16 * 8,
  }


def test_small_networks_have_free_sizes():
  assert kernel_sizes(tiny.BASIC) == {
    "first/conv/kernel": 9 * 3 * 6,
    "stage_1/block_0/conv_1/kernel": 9 * 6 * 6,
    "stage_1/block_0/conv_2/kernel": 9 * 6 * 6,
    "stage_2/block_0/conv_1/kernel": 9 * 6 * 12,
    "stage_2/block_0/conv_2/kernel": 9 * 12 * 12,
    "stage_2/block_0/shortcut/kernel": 6 * 12,
    "stage_3/block_0/conv_1/kernel": 9 * 12 * 24,
    "stage_3/block_0/conv_2/kernel": 9 * 24 * 24,
    "stage_3/block_0/shortcut/kernel": 12 * 24,
    "head/dense_1/kernel": 24 * 5,
  }


def test_initial_head_is_that_of_pytorch(variables):
  head = variables["params"]["head"]
  for layer, inputs in (("dense_1", 32), ("dense_2", 16)):
    for leaf in head[layer].values():
      assert float(jnp.abs(leaf).max()) <= inputs**-0.5
    np.testing.assert_allclose(
      head[layer]["kernel"].std(), (3 * inputs) ** -0.5, rtol=0.1
    )


def test_bytes_and_floats_give_the_same(variables):
  apply = jax.jit(MODEL.apply)
  floats = {"images": tiny.IMAGES["images"] / np.float32(255)}
  chex.assert_trees_all_close(
    apply(variables, floats), apply(variables, tiny.IMAGES), atol=1e-5
  )


@pytest.mark.parametrize("mean", [0.0, 30.0])
def test_gradient_of_instance_norm(mean):
  """Against the formula in double precision."""
  random = np.random.default_rng(0)
  images = random.standard_normal((2, 6, 5, 3)) + mean
  slope = random.standard_normal((2, 6, 5, 3))
  _, transpose = jax.vjp(resnet.instance_norm, jnp.asarray(images, "float32"))
  (actual,) = transpose(jnp.asarray(slope, "float32"))
  scale = (images.var((1, 2), keepdims=True) + 1e-5) ** -0.5
  normal = (images - images.mean((1, 2), keepdims=True)) * scale
  along = (slope * normal).mean((1, 2), keepdims=True) * normal
  expected = (slope - slope.mean((1, 2), keepdims=True) - along) * scale
  np.testing.assert_allclose(actual, expected, atol=2e-5)


def test_instance_norm():
  random = np.random.default_rng(0).standard_normal((2, 6, 5, 3))
  images = jnp.asarray(100 + 3 * random, jnp.float32)
  normal = resnet.instance_norm(images)
  chex.assert_trees_all_close(normal.mean((1, 2)), jnp.zeros((2, 3)), atol=1e-5)
  chex.assert_trees_all_close(normal.std((1, 2)), jnp.ones((2, 3)), atol=1e-5)
  # Channels without any contrast stay finite: eps = 1e-5 (PyTorch).
  flat = jnp.full((1, 4, 4, 1), 7.0).at[0, 0, 0].add(1e-3)
  expected = (flat - flat.mean()) / jnp.sqrt(flat.var() + 1e-5)
  chex.assert_trees_all_close(resnet.instance_norm(flat), expected, atol=1e-3)


def test_add_relu_is_the_relu_of_the_sum():
  """Integers: many sums are zero, where the gradient is zero too."""
  random = np.random.default_rng(0).integers(-2, 3, (3, 2, 4, 4, 5))
  images, shortcut, slope = jnp.asarray(random, jnp.float32) * 0.1

  def naive(images, shortcut):
    return jax.nn.relu(images + shortcut)

  actual, expected = (
    (output, *transpose(slope))
    for output, transpose in (
      jax.vjp(fn, images, shortcut) for fn in (resnet.add_relu, naive)
    )
  )
  chex.assert_trees_all_equal(actual, expected)


@pytest.mark.parametrize("size", [6, 7])
def test_max_pool_equals_that_of_flax_with_the_gradient_on_ties(size):
  """Few distinct values: most windows have ties."""
  images = np.random.default_rng(0).integers(-3, 1, (2, size, size + 1, 3))
  images = jnp.asarray(images, jnp.float32)

  @functools.partial(jax.jit, static_argnums=0)
  def run(pool, images):
    pooled, transpose = jax.vjp(pool, images)
    cotangent = jnp.arange(pooled.size, dtype=jnp.float32)
    return pooled, transpose(cotangent.reshape(pooled.shape))

  def reference(images):
    return nn.max_pool(images, (3, 3), (2, 2), [(1, 1), (1, 1)])

  chex.assert_trees_all_equal(
    run(resnet.max_pool, images), run(reference, images)
  )


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"block": "wide"}, "'wide'; use one of basic, bottleneck"),
    ({"stage_sizes": ()}, r"stage_sizes is \(\)"),
    ({"stage_sizes": (2, 0)}, r"stage_sizes is \(2, 0\)"),
    ({"stage_widths": (0, 1)}, r"stage_widths is \(0, 1\)"),
    ({"stage_strides": (1,)}, "differ in length"),
    ({"head_sizes": (1.5,)}, "head_sizes is"),
    ({"block": "basic", "inner_factor": 2}, "inner_factor is 2"),
  ],
)
def test_unusable_config_is_refused(change, message):
  with pytest.raises(UserError, match=message):
    dataclasses.replace(tiny.BOTTLENECKS, **change)
