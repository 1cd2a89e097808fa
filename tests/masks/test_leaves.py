"""What leaves are: arrays, averages, ties, and where their neurons lie."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import masks, trees
from structcomp_jax.types import UserError


def units(shape, *axis, name="k", unit="neuron"):
  """Returns the shape of the mask of one leaf."""
  params = {name: jax.ShapeDtypeStruct(shape, jnp.float32)}
  (leaf,) = masks.select(params, [(".*", unit, *axis)]).leaves
  return leaf.mask_shape


@pytest.mark.parametrize(
  ("shape", "axis", "expected"),
  [
    ((4, 6), 0, (4, 1)),  # [out, in]
    ((4, 6), -1, (1, 6)),  # [in, out]
    ((6, 3, 4), (1, 2), (1, 3, 4)),  # [in, heads, out]: neurons
    ((6, 3, 4), [1], (1, 3, 1)),  # heads
    ((4, 6, 6), (-1, 0), (4, 1, 6)),  # stacked layers
    ((1, 6), 0, (1, 1)),
  ],
)
def test_the_axis_of_neurons_can_be_given(shape, axis, expected):
  assert units(shape, axis) == expected
  assert units(shape, axis, unit="weight") == shape


@pytest.mark.parametrize(
  ("name", "shape", "expected"),
  [
    ("anything", (7,), (7,)),
    ("dense/kernel", (6, 4), (1, 4)),
    ("dense/kernel/value", (6, 4), (1, 4)),
    ("Conv_0/kernel", (3, 3, 6, 4), (1, 1, 1, 4)),
  ],
)
def test_known_layouts(name, shape, expected):
  assert units(shape, name=name) == expected


@pytest.mark.parametrize(
  ("name", "shape"),
  [
    ("weight", (4, 6)),  # Equinox and PyTorch
    ("embedding", (20, 6)),
    ("query/kernel", (6, 3, 4)),
    ("layers/dense/kernel", (4, 6, 6)),  # nn.scan
    ("layers/dense/bias", (4, 6)),
    ("attention/query/kernel", (4, 6, 3, 2)),
    ("ConvTranspose_0/kernel", (3, 3, 4, 6)),
  ],
)
def test_other_layouts_are_not_guessed(name, shape):
  with pytest.raises(UserError, match=r"may have its neurons along any axis"):
    units(shape, name=name)
  params = {name: jnp.ones(shape)}
  spec = masks.select(params, [(".*", "weight")])
  with pytest.raises(UserError, match=r"may have its neurons along any axis"):
    masks.make_fill("random", params, spec, jax.random.key(0))


@pytest.mark.parametrize("axis", [2, -3, (0, 0), (0, -2), (), 0.5, "0", True])
def test_axes_that_a_leaf_does_not_have(axis):
  with pytest.raises(UserError, match="leaf 'k'") as error:
    units((4, 6), axis)
  assert "\n" not in str(error.value)


@pytest.mark.parametrize("unit", ["weight", "neuron"])
def test_a_scalar_has_no_axis(unit):
  with pytest.raises(UserError, match="'k'"):
    units((), 0, unit=unit)


def test_random_fill_has_the_fan_in_of_the_layout():
  params = {"w": jnp.zeros((500, 16))}
  spec = masks.select(params, [(".*", "weight", 0)])
  fill = masks.make_fill("random", params, spec, jax.random.key(0))["w"]
  assert 0.24 < float(jnp.abs(fill).max()) <= 0.25


def test_describe_says_what_a_unit_is():
  params = {"a": jnp.ones((4, 6)), "b": jnp.ones((6, 3, 4)), "c": jnp.ones(2)}
  rules = [("a", "neuron", 0), ("b", "neuron", (1, 2)), ("c", "weight")]
  lines = masks.select(params, rules).describe().splitlines()
  assert "neuron of axis 0 " in lines[1]
  assert "neuron of axes 1, 2 " in lines[2]
  assert "weight " in lines[3]


@pytest.mark.parametrize(
  ("params", "message"),
  [
    ({"net": {"act": jax.nn.relu}}, "'net/act' is a .*equinox.partition"),
    ({"name": "mlp"}, "'name' is a str, not an array"),
    ({"a": np.array(["x"])}, "'a' is a ndarray, not an array"),
    ({"rng": jax.random.key(0)}, "'rng' is a random key.*loss_draws=True"),
    ({0: np.ones(2), "0": np.ones(2)}, "keys of several types|share the path"),
    ({"a/b": np.ones(1), "a": {"b": np.ones(1)}}, "share the path 'a/b'"),
  ],
)
def test_what_is_no_weight_is_named(params, message):
  with pytest.raises(UserError, match=message) as error:
    masks.select(params, [(".*", "frozen")])
  assert "\n" not in str(error.value)


def test_a_fingerprint_is_of_arrays():
  with pytest.raises(UserError, match=r"'act' is a .*, not an array"):
    trees.fingerprint({"act": jax.nn.relu})
  seeds = [trees.fingerprint({"k": jax.random.key(seed)}) for seed in (0, 0, 1)]
  assert seeds[0] == seeds[1] != seeds[2]


AVERAGES = [
  ("batch_stats/bn/mean", "batch_stats"),
  ("bn/running_mean", "running_mean"),
  ("features.0.running_var", "running_var"),
  ("bn/moving_variance", "moving_variance"),
]


@pytest.mark.parametrize(("path", "named"), AVERAGES)
def test_running_averages_are_no_weights(path, named):
  params = {"kernel": jnp.ones(2), path: jnp.ones(2)}
  with pytest.raises(UserError, match=rf"{path}.*'\.\*{named}\.\*', 'frozen'"):
    masks.select(params, [(".*", "weight")])
  rules = [(f".*{named}.*", "frozen"), (".*", "weight")]
  assert masks.select(params, rules).paths == ("kernel",)
  # Who names them means them.
  rules = [(f".*{named}.*", "weight"), (".*", "frozen")]
  assert masks.select(params, rules).paths == (path,)


def test_mean_and_variance_side_by_side_are_averages():
  norm = {"mean": {"value": jnp.ones(2)}, "var": {"value": jnp.ones(2)}}
  with pytest.raises(UserError, match="'bn/mean/value', a running average"):
    masks.select({"bn": norm}, [(".*", "weight")])
  assert masks.select({"head": {"mean": jnp.ones(2)}}, [(".*", "weight")])


def test_tied_leaves_have_no_two_masks():
  numbers, weights = np.ones((3, 2)), jnp.ones((3, 2))
  for first, second in ((weights, weights), (numbers, numbers[:])):
    params = {"embed": first, "head": second}
    with pytest.raises(UserError, match="'embed' and 'head' are one array"):
      masks.select(params, [(".*", "weight")])
    masks.select(params, [("head", "frozen"), (".*", "weight")])
  masks.select({"a": weights, "b": weights + 0}, [(".*", "weight")])
  masks.select({"a": numbers[:1], "b": numbers[1:2]}, [(".*", "weight")])


BIG = masks.select(
  {
    "k": jax.ShapeDtypeStruct((2**16, 2**16), jnp.bfloat16),
    "v": jax.ShapeDtypeStruct((2**16, 2**15), jnp.bfloat16),
  },
  [(".*", "neuron", 1)],
)


def test_counts_beyond_32_bits_are_exact():
  mask = {"k": np.ones((1, 2**16), bool), "v": np.arange(2**15)[None] < 5}
  assert masks.kept_weights(mask, BIG) == {"k": 2**32, "v": 5 * 2**16}
  # Right to the precision of float32 inside jit.
  density = jax.jit(lambda mask: masks.weight_density(mask, BIG))(mask)
  expected = (2**32 + 5 * 2**16) / (2**32 + 2**31)
  assert float(density) == pytest.approx(expected, rel=1e-6)
  assert float(masks.weight_density(mask, BIG)) == float(density)
  logits = masks.init(BIG, 0.0)
  size = masks.expected_size(
    masks.get_relaxation("gumbel_sigmoid"), logits, BIG, beta=1.0
  )
  assert float(size) == (2**32 + 2**31) / 2


def test_counts_of_units_beyond_32_bits_do_not_wrap():
  shapes = {
    name: jax.ShapeDtypeStruct((2**15, 2**15), jnp.bool_) for name in "abc"
  }
  found = jax.eval_shape(masks.total_kept, shapes)
  assert found.dtype == jnp.float32
  assert jax.eval_shape(masks.total_density, shapes).dtype == jnp.float32
  assert jax.eval_shape(masks.total_kept, {"a": shapes["a"]}).dtype == jnp.int32


def test_a_leaf_has_no_more_units_than_can_be_numbered():
  params = {"k": jax.ShapeDtypeStruct((2**16, 2**15), jnp.bfloat16)}
  with pytest.raises(UserError, match="2,147,483,648 units, more than"):
    masks.select(params, [(".*", "weight")])


def test_float64_weights_keep_their_bits():
  weights = np.array([1 / 3, 0.1, -0.0])
  mask = {"w": np.array([True, True, True])}
  assert masks.merge({"w": weights}, mask)["w"].tobytes() == weights.tobytes()
  half = masks.merge({"w": weights}, {"w": np.array([True, False, True])})
  np.testing.assert_array_equal(half["w"], [1 / 3, 0, 0])
  soft = masks.merge({"w": weights}, {"w": np.array([0.5, 0.25, 1.0])})
  np.testing.assert_array_equal(soft["w"], [1 / 6, 0.025, 0])


class Result:
  """Stands for a `SearchResult`."""

  mask = None


@pytest.mark.parametrize(
  ("mask", "message"),
  [
    (Result(), "mask is a Result, not a dict of arrays; give result.mask"),
    ([True], "mask is a list, not a dict of arrays; give {path: array}"),
    ({"w": [True, False]}, "mask of leaf 'w' is a list and no array"),
    ({"w": np.array(["a", "b"])}, "mask of leaf 'w' is a ndarray and no"),
  ],
)
def test_merge_names_what_is_no_mask(mask, message):
  with pytest.raises(UserError, match=message):
    masks.merge({"w": jnp.ones(2)}, mask)


@pytest.mark.parametrize(
  ("key", "message"),
  [
    (0, "key is 0; make one typed key with jax.random.key"),
    (jax.random.PRNGKey(0), "key is an array of dtype uint32, as keys of the"),
    (jax.random.split(jax.random.key(0)), r"array of keys of shape \(2,\)"),
    (None, "key is None; make one"),
  ],
)
def test_keys_are_typed(key, message):
  with pytest.raises(UserError, match=message):
    masks.random_like({"w": jnp.ones(2, bool)}, key)


def test_a_spec_belongs_to_a_network():
  params = {"w": jnp.ones(2)}
  spec = masks.select(params, [(".*", "weight")])
  masks.check_spec(spec, params)
  for wrong, message in (
    ([(".*", "weight")], "spec is a list, not what masks.select returns"),
    (spec, r"'w' of shape \(2,\), the network has shape \(3,\)"),
  ):
    with pytest.raises(UserError, match=message):
      masks.check_spec(wrong, {"w": jnp.ones(3)})
  with pytest.raises(UserError, match="the network has none of that name"):
    masks.check_spec(spec, {"v": jnp.ones(2)})


@pytest.mark.parametrize(
  ("rules", "message"),
  [
    ([("layer_0/kernel", "weight"), (".*", "frozen")], "match the whole path"),
    ([("nowhere", "weight"), (".*", "frozen")], "nothing; leaves with close"),
    ("abc", "rules 'abc' is a text; give a list of pairs"),
    ([(".*", "weight", 0, 0)], "is not a pair"),
  ],
)
def test_rules_on_nnx_paths(rules, message):
  params = {"layer_0": {"kernel": {"value": jnp.ones((2, 2))}}}
  with pytest.raises(UserError, match=message):
    masks.select(params, rules)
  if not isinstance(rules, str) and "whole" in message:
    rules = [("layer_0/kernel.*", "weight"), *rules[1:1]]
    assert masks.select(params, rules)


def test_held_leaves_are_a_sequence():
  spec = masks.select({"head": np.ones(2)}, [(".*", "weight")])
  with pytest.raises(UserError, match=r"held 'head' is one text; .* \('head',"):
    masks.matching(spec, "head", "held")
