"""Tests for structcomp_jax.masks.merge and binarize."""

import chex
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import masks
from structcomp_jax.trees import fingerprint, leaves_by_path
from structcomp_jax.types import UserError

every_fill = pytest.mark.parametrize("name", sorted(masks.FILLS))


@pytest.fixture(params=[False, True], ids=["plain", "jit"])
def merge(request):
  """`masks.merge`, plain and compiled."""
  return jax.jit(masks.merge) if request.param else masks.merge


def bits(array):
  return np.asarray(array).tobytes()


@every_fill
@pytest.mark.parametrize("unit", ["weight", "neuron"])
def test_all_ones_mask_returns_the_weights_bitwise(params, merge, name, unit):
  spec = masks.select(params, (("dense/bias", "frozen"), (".*", unit, -1)))
  mask = masks.binarize(masks.init(spec, 1.0))
  fill = masks.make_fill(name, params, spec, jax.random.key(0))
  assert fingerprint(merge(params, mask, fill)) == fingerprint(params)


def test_mask_and_complement_partition_every_leaf(params, merge, spec):
  """Every weight survives in exactly one network, at logit 0 too."""
  logits = {
    leaf.path: jnp.resize(jnp.asarray([-1.0, 0.0, 1e-30]), leaf.mask_shape)
    for leaf in spec.leaves
  }
  mask = masks.binarize(logits)
  marked = jax.tree.map(jnp.ones_like, params)
  kept = leaves_by_path(merge(marked, mask))
  removed = leaves_by_path(merge(marked, masks.complement(mask)))
  for path in spec.paths:
    np.testing.assert_array_equal(kept[path] + removed[path], 1)
    assert 0 < float(jnp.sum(kept[path])) < kept[path].size


def test_a_logit_of_zero_is_removed():
  logits = {"leaf": jnp.asarray([-1.0, -0.0, 0.0, 1e-30, 1.0])}
  mask = masks.binarize(logits)["leaf"]
  np.testing.assert_array_equal(mask, [False, False, False, True, True])
  assert mask.dtype == jnp.bool_


def test_hard_merge_by_hand(merge):
  params = {"kernel": jnp.asarray([[1.0, 2.0], [3.0, 4.0]])}
  mask = {"kernel": jnp.asarray([[True, False], [False, True]])}
  merged = merge(params, mask, {"kernel": jnp.asarray([[7.0, 8.0]])})
  np.testing.assert_array_equal(merged["kernel"], [[1.0, 8.0], [7.0, 4.0]])


def test_soft_merge_by_hand(merge):
  params = {"kernel": jnp.asarray([1.0, 2.0])}
  mask = {"kernel": jnp.asarray([0.25, 0.5])}
  merged = merge(params, mask, {"kernel": jnp.float32(4.0)})
  np.testing.assert_array_equal(merge(params, mask)["kernel"], [0.25, 1.0])
  np.testing.assert_array_equal(merged["kernel"], [3.25, 3.0])


def test_neuron_mask_removes_columns(params, mask, merge):
  kernel = merge(params, mask)["dense"]["kernel"]
  expected = np.array(params["dense"]["kernel"])
  expected[:, 1:3] = 0
  assert bits(kernel) == bits(expected)


def test_dtype_is_kept_and_product_taken_in_float32(merge):
  """1.00391 is 1.0078 in bfloat16, so a mask that was rounded first shows."""
  params = {"kernel": jnp.asarray([3.0], jnp.bfloat16)}
  mask = {"kernel": jnp.asarray([1.00391], jnp.float32)}
  merged = merge(params, mask)["kernel"]
  assert merged.dtype == jnp.bfloat16
  assert float(merged[0]) == float(jnp.bfloat16(3.0 * 1.00391))
  assert float(merged[0]) != float(jnp.bfloat16(3.0 * 1.0078125))


def test_params_and_other_leaves_are_untouched(params, mask):
  before = fingerprint(params)
  merged = masks.merge(params, mask)
  assert fingerprint(params) == before
  assert merged["dense"]["bias"] is params["dense"]["bias"]


def test_any_container(mask):
  @flax.struct.dataclass
  class Network:
    conv: jax.Array
    layers: tuple

  network = Network(conv=jnp.ones((3, 2, 5)), layers=(jnp.ones((5, 4)),))
  merged = masks.merge(
    network, {"conv": mask["conv"], "layers/0": mask["dense/kernel"]}
  )
  assert isinstance(merged, Network)
  assert (jnp.sum(merged.conv), jnp.sum(merged.layers[0])) == (10, 10)


def test_gradient_to_the_mask_is_the_weight():
  params = {"kernel": jnp.asarray([2.0, -3.0])}

  def total(mask, fill):
    return jnp.sum(masks.merge(params, mask, fill)["kernel"])

  mask, fill = {"kernel": jnp.zeros(2)}, {"kernel": jnp.ones(2)}
  np.testing.assert_array_equal(jax.grad(total)(mask, None)["kernel"], [2, -3])
  np.testing.assert_array_equal(jax.grad(total)(mask, fill)["kernel"], [1, -4])


def test_vmap_over_masks_matches_single_merges(params, mask):
  rows = [mask, masks.complement(mask)]
  stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *rows)
  merged = jax.vmap(masks.merge, in_axes=(None, 0))(params, stacked)
  for index, row in enumerate(rows):
    actual = jax.tree.map(lambda leaf, k=index: leaf[k], merged)
    assert fingerprint(actual) == fingerprint(masks.merge(params, row))


@pytest.mark.parametrize(
  ("mask", "fill", "message"),
  [
    ({"cnov": jnp.ones((3, 2, 5))}, None, "'cnov', which the network"),
    ({"conv": jnp.ones((3, 2, 4))}, None, r"shape \(3, 2, 4\), the leaf"),
    ({"conv": jnp.ones((2, 5))}, None, r"shape \(2, 5\), the leaf"),
    ({"conv": jnp.ones((3, 2, 5))}, {}, "fill lacks leaf 'conv'"),
    (
      {"conv": jnp.ones((3, 2, 5))},
      {"conv": jnp.ones(4)},
      r"\(4,\), which does not broadcast",
    ),
    (
      {"conv": jnp.ones((3, 2, 5))},
      {"conv": jnp.ones((1, 3, 2, 5))},
      "does not broadcast",
    ),
  ],
)
def test_misfits_raise(params, mask, fill, message):
  with pytest.raises(UserError, match=message):
    masks.merge(params, mask, fill)


@every_fill
def test_fill_replaces_removed_weights_only(params, spec, mask, merge, name):
  fill = masks.make_fill(name, params, spec, jax.random.key(0))
  merged = leaves_by_path(merge(params, mask, fill))
  for path, leaf in leaves_by_path(params).items():
    if path not in mask:
      continue
    kept = np.broadcast_to(mask[path], leaf.shape)
    removed = np.zeros(()) if fill is None else np.asarray(fill[path])
    removed = np.broadcast_to(removed, leaf.shape).astype(leaf.dtype)
    assert bits(merged[path][kept]) == bits(leaf[kept])
    assert bits(merged[path][~kept]) == bits(removed[~kept])


def test_mean_fill_is_the_mean_of_the_leaf():
  params = {"kernel": jnp.asarray([1.0, 2.0, 6.0])}
  spec = masks.select(params, ((".*", "weight"),))
  fill = masks.make_fill("mean", params, spec, jax.random.key(0))
  np.testing.assert_allclose(fill["kernel"], 3.0)


def test_random_fill_is_uniform_in_the_fan_in_range():
  params = {"a": jnp.zeros((8, 2, 500)), "b": jnp.zeros((16, 500))}
  spec = masks.select(params, ((".*", "weight", -1),))
  fill = masks.make_fill("random", params, spec, jax.random.key(0))
  for values in fill.values():  # both fan-ins are 16
    assert 0.24 < float(jnp.max(values)) <= 0.25
    assert -0.25 <= float(jnp.min(values)) < -0.24
    np.testing.assert_allclose(jnp.std(values), 0.25 / 3**0.5, rtol=0.03)
  assert not bool(jnp.all(fill["a"].ravel() == fill["b"].ravel()))
  again = masks.make_fill("random", params, spec, jax.random.key(0))
  chex.assert_trees_all_equal(fill, again)


def test_convolution_kernels():
  """Axes are rows, columns, inputs, outputs; every output is a neuron."""
  params = {"kernel": jnp.ones((3, 3, 4, 200))}
  spec = masks.select(params, ((".*", "neuron", 3),))
  assert spec.leaves[0].mask_shape == (1, 1, 1, 200)
  assert spec.leaves[0].weights_per_unit == 36
  mask = {"kernel": (jnp.arange(200) < 50).reshape(1, 1, 1, 200)}
  zeroed = masks.merge(params, mask)["kernel"].sum((0, 1, 2))
  np.testing.assert_array_equal(zeroed, [36.0] * 50 + [0.0] * 150)
  fill = masks.make_fill("random", params, spec, jax.random.key(0))["kernel"]
  assert 0.99 / 6 < float(jnp.abs(fill).max()) <= 1 / 6


def test_unknown_fill_lists_the_names(params, spec):
  with pytest.raises(UserError, match="'ones'; use one of zero, mean, random"):
    masks.make_fill("ones", params, spec, jax.random.key(0))
