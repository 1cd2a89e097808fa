"""Tests for gates: units with weights in several leaves."""

import itertools

import flax.core
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import masks, trees
from structcomp_jax.masks import gates
from structcomp_jax.masks.gated import Gate, Gated, Part
from structcomp_jax.types import UserError

GENERATOR = np.random.default_rng(0)
HEADS = {
  "kind": "heads",
  "scaled": {"(.*)/output": 0},
  "implied": {"(.*)/(?:query|bias)": -1},
}


def numbers(*shape):
  return GENERATOR.normal(size=shape).astype(np.float32)


def layer():
  """Two heads of two places each, and a leaf of something else."""
  output = numbers(4, 3)
  output[0] = [-0.0, np.inf, 1.0]  # Bits that arithmetic would change.
  return {
    "query": jnp.asarray(numbers(3, 4), jnp.bfloat16),
    "bias": jnp.asarray(numbers(4)),
    "output": jnp.asarray(output),
    "norm": jnp.asarray(numbers(3)),
  }


@pytest.fixture
def network():
  return {"first": layer(), "second": layer()}


@pytest.fixture
def gated(network):
  return gates.add(network, gates.find(network, **HEADS, num_units=2))


def random_mask(spec, seed=1):
  draw = np.random.default_rng(seed)
  return {
    leaf.path: jnp.asarray(draw.random(leaf.mask_shape) < 0.5)
    for leaf in spec.leaves
  }


def test_every_place_has_a_gate_with_its_weights(network):
  first, second = gates.find(network, **HEADS, num_units=2)
  assert (first.name, second.name) == ("first/heads", "second/heads")
  assert first == Gate(
    "first/heads",
    (2,),
    scaled=(Part("first/output", (0,)),),
    implied=(Part("first/bias", (0,)), Part("first/query", (1,))),
  )


def test_gates_are_leaves_beside_the_network(network, gated):
  assert gated.network is network
  leaves = trees.leaves_by_path(gated)
  assert {path for path in leaves if not path.startswith("network/")} == {
    "gates/first/heads",
    "gates/second/heads",
  }
  assert leaves["gates/first/heads"].tolist() == [1.0, 1.0]
  assert leaves["gates/first/heads"].dtype == np.float32


def test_open_gates_leave_every_bit(network, gated):
  for applied in (gates.apply(gated), jax.jit(gates.apply)(gated)):
    assert trees.fingerprint(applied) == trees.fingerprint(network)
  assert gates.apply(gated)["first"]["query"] is network["first"]["query"]


def test_a_closed_gate_removes_what_its_unit_writes_and_nothing_else(
  network, gated
):
  mask = {"gates/second/heads": jnp.array([True, False])}
  applied = gates.apply(masks.merge(gated, mask))
  expected = np.array(network["second"]["output"])
  expected[2:] = 0
  np.testing.assert_array_equal(applied["second"]["output"], expected)
  applied["second"]["output"] = network["second"]["output"]
  assert trees.fingerprint(applied) == trees.fingerprint(network)


def test_a_soft_gate_multiplies(gated):
  mask = {"gates/second/heads": jnp.array([1.0, 0.25])}
  applied = gates.apply(masks.merge(gated, mask))["second"]["output"]
  before = gated.network["second"]["output"]
  np.testing.assert_array_equal(applied[2:], before[2:] * np.float32(0.25))
  np.testing.assert_array_equal(applied[:2], before[:2])


def test_gates_of_one_leaf_multiply_each_other(network):
  heads = gates.find(network, **HEADS, num_units=2)
  blocks = gates.find(network, "block", {"(.*)/output": None})
  gated = gates.add(network, [*heads, *blocks])
  assert gated.gates["second/block"].shape == ()
  mask = {
    "gates/second/heads": jnp.array([1.0, 0.5]),
    "gates/second/block": jnp.float32(0.5),
  }
  applied = gates.apply(masks.merge(gated, mask))["second"]["output"]
  factors = np.array([0.5, 0.5, 0.25, 0.25], np.float32)[:, None]
  np.testing.assert_array_equal(
    applied, network["second"]["output"] * np.tile(factors, (1, 3))
  )
  hard = {path: units >= 0.6 for path, units in mask.items()}
  assert not gates.expand(hard, gated)["second/output"].any()


def test_gates_keep_the_dtype_of_a_leaf(network):
  found = gates.find(network, "rows", {"first/query": 0})
  applied = gates.apply(gates.add(network, found))
  assert applied["first"]["query"].dtype == jnp.bfloat16
  wide = {"w": np.array([1 / 3, 1.0])}  # JAX would round it.
  applied = gates.apply(gates.add(wide, gates.find(wide, "all", {"w": None})))
  assert applied["w"].dtype == np.float64 and applied["w"][0] == 1 / 3


def test_a_gate_at_zero_has_the_gradient_of_what_it_would_add(gated):
  direction = jnp.asarray(numbers(4, 3))
  network = {**gated.network["second"]}

  def loss(units):
    mask = {"gates/second/heads": units}
    applied = gates.apply(masks.merge(gated, mask))["second"]
    return jnp.sum(applied["output"] * direction)

  gradient = jax.grad(loss)(jnp.zeros(2))
  products = np.asarray(network["output"] * direction).reshape(2, -1)
  np.testing.assert_allclose(gradient, products.sum(axis=1), rtol=1e-5)


def test_expand_is_written_out():
  network = {
    "in": jnp.ones((2, 4)),
    "out": jnp.ones((4, 1)),
    "free": np.ones(2),
  }
  found = gates.find(network, "heads", {"out": 0}, {"in": 1}, num_units=2)
  gated = gates.add(network, found)
  mask = {
    "gates/heads": jnp.array([False, True]),
    "network/in": jnp.array([[True], [False]]),
  }
  expanded = gates.expand(mask, gated)
  assert {
    path: leaf.astype(int).tolist() for path, leaf in expanded.items()
  } == {
    "in": [[0, 0, 1, 1], [0, 0, 0, 0]],
    "out": [[0], [0], [1], [1]],
  }
  only_weights = {"network/free": np.array([True, False])}
  assert gates.expand(only_weights, gated)["free"].tolist() == [True, False]


@pytest.mark.parametrize("axes", [(0, 2), (2, 0)])
def test_units_may_lie_along_several_axes(axes):
  network = {"w": jnp.ones((2, 3, 8))}
  sizes = tuple(network["w"].shape[axis] for axis in axes)
  shape = tuple(size // 2 for size in sizes)
  found = gates.find(network, "heads", {"w": axes}, num_units=shape)
  gated = gates.add(network, found)
  units = np.array([True, False, False, True]).reshape(shape)
  expanded = gates.expand({"gates/heads": units}, gated)["w"]
  for place in itertools.product(*map(range, (2, 3, 8))):
    unit = tuple(place[axis] // 2 for axis in axes)
    assert expanded[place] == units[unit]


def test_expand_of_many_masks_is_that_of_each(network, gated):
  rules = [("gates/.*", "weight"), (".*/query", "neuron", 1), (".*", "frozen")]
  spec = masks.select(gated, rules)
  every = [random_mask(spec, seed) for seed in range(3)]
  stacked = jax.vmap(lambda mask: gates.expand(mask, gated))(trees.stack(every))
  for index, mask in enumerate(every):
    one = gates.expand(mask, gated)
    for path, leaf in one.items():
      assert leaf.shape == trees.leaves_by_path(network)[path].shape
      np.testing.assert_array_equal(leaf, stacked[path][index])


@pytest.mark.parametrize("container", [list, tuple, flax.core.freeze])
def test_networks_may_be_of_any_container(container):
  leaves = {"a": jnp.ones(4), "b": jnp.ones((3, 2))}
  network = container(
    leaves if container is flax.core.freeze else [*leaves.values()]
  )
  gated = gates.add(network, gates.find(network, "units", {"a|0": 0}))
  applied = gates.apply(gated)
  assert jax.tree.structure(applied) == jax.tree.structure(network)
  mask = {"gates/units": jnp.array([True, False, False, True])}
  (found,) = gates.expand(mask, gated).values()
  assert found.tolist() == [True, False, False, True]


def test_sizes_count_the_weights_that_units_cover(gated):
  rules = [("gates/.*", "weight"), (".*norm", "weight"), (".*", "frozen")]
  spec = masks.select(gated, rules)
  gate = spec.leaves[0]
  assert (gate.path, gate.unit) == ("gates/first/heads", "gate")
  # Two columns of 3, two biases, two rows of 3.
  assert gate.weights_per_unit == 6 + 2 + 6
  assert (spec.num_units, spec.num_weights) == (4 + 6, 4 * 14 + 6)
  relaxation = masks.get_relaxation("continuous_sparsification")
  logits = masks.init(spec, 0.0)
  for amount in (masks.expected_size, masks.penalty):
    assert amount(relaxation, logits, spec, beta=1.0) == (4 * 14 + 6) / 2
  mask = {path: leaf > 1 for path, leaf in logits.items()}
  mask["gates/first/heads"] = jnp.array([True, False])
  assert masks.kept_weights(mask, spec)["gates/first/heads"] == 14
  assert masks.weight_density(mask, spec) == np.float32(14 / 62)
  line = spec.describe().splitlines()[1].split()
  assert line == ["gates/first/heads", "2", "gate", "2", "28", "gates/.*"]


def test_sizes_may_count_units(gated):
  rules = [("gates/.*", "weight"), (".*query", "neuron", 1), (".*", "frozen")]
  spec = masks.select(gated, rules)
  counted = masks.count_units(spec)
  assert counted.num_weights == counted.num_units == spec.num_units == 4 + 8
  assert [leaf.weights_per_unit for leaf in counted.leaves] == [1] * 4
  some = masks.count_units(spec, ["gates/first.*"])
  assert [leaf.weights_per_unit for leaf in some.leaves] == [1, 14, 3, 3]
  assert some.paths == spec.paths and some != spec
  with pytest.raises(UserError, match="count_units 'heads' matches no masked"):
    masks.count_units(spec, ["heads"])


def test_largest_units_are_those_of_the_largest_weights():
  network = {
    "in": jnp.array([[1.0, 1.0, 3.0, 0.0]]),
    "out": jnp.array([4.0, 0.0, 0.0, 4.0]),
  }
  found = gates.find(network, "heads", {"out": 0}, {"in": 1}, num_units=2)
  mask = {"gates/heads": jnp.array([True, False])}
  largest = masks.largest_magnitude(gates.add(network, found), mask)
  assert largest["gates/heads"].tolist() == [False, True]


@pytest.mark.parametrize("name", sorted(set(masks.FILLS) - {"zero"}))
def test_gates_have_no_fill_but_zero(gated, name):
  rules = [("gates/.*", "weight"), (".*", "frozen")]
  spec, key = masks.select(gated, rules), jax.random.key(0)
  assert masks.make_fill("zero", gated, spec, key) is None
  with pytest.raises(UserError, match=f"fill '{name}' means nothing for"):
    masks.make_fill(name, gated, spec, key)


def test_wraps_of_one_function_are_equal(gated):
  def loss_fn(params, batch, *, scale):
    return scale * jnp.sum(params["second"]["output"]) + batch

  wrapped = gates.wrap(loss_fn)
  assert wrapped == gates.wrap(loss_fn) and wrapped != gates.wrap(jnp.sum)
  assert hash(wrapped) == hash(gates.wrap(loss_fn))
  expected = loss_fn(gated.network, jnp.float32(1), scale=jnp.float32(2))
  found = wrapped(gated, jnp.float32(1), scale=jnp.float32(2))
  assert found == expected


def test_abstract_shapes_and_transforms_keep_the_gates(gated):
  rules = [("gates/.*", "weight"), (".*", "frozen")]
  abstract = jax.eval_shape(lambda: gated)
  assert isinstance(abstract, Gated)
  assert masks.select(abstract, rules) == masks.select(gated, rules)


def test_biases_are_masked_by_weight(network):
  spec = masks.select(network, [(".*bias", "weight"), (".*", "frozen")])
  assert spec.paths == ("first/bias", "second/bias")
  mask = random_mask(spec)
  merged = masks.merge(network, mask)
  for name in network:
    bias = np.where(mask[f"{name}/bias"], network[name]["bias"], 0)
    np.testing.assert_array_equal(merged[name]["bias"], bias)
    assert merged[name]["output"] is network[name]["output"]


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"scaled": {"(.*)/outptu": 0}}, "'heads': .*matches nothing; .*st/output"),
    ({"scaled": {"(": 0}}, r"gate 'heads' '\(' is not a valid regex"),
    ({"scaled": ".*"}, "'.*' is not a dict; give {regex: axis}"),
    ({"scaled": {"(fi.*)/output": 0}}, "at 'second' there are implied leaves"),
    ({"scaled": {"(.*)/output": 2}}, "'first/output'.*no neurons along 2"),
    ({"scaled": {"(.*)/output": None}}, "'first/output'.*for the 2 units"),
    ({"scaled": {"(.*)/output": 1}}, r"\(3,\)|\(4, 3\) cannot be cut along"),
    ({"num_units": 3}, r"'first/output' of shape \(4, 3\) cannot .* 3 units"),
    ({"num_units": 0}, "'first/heads': num_units 0 must be at least 1"),
    ({"num_units": None}, None),
    ({"num_units": (2, 2)}, r"for the 2 x 2 units of gate 'first/heads'"),
    (
      {"implied": {"(.*)/query": 0}, "num_units": None},
      "'first/query'.*cannot",
    ),
  ],
)
def test_bad_units_raise_one_line(network, change, message):
  find = {**HEADS, "num_units": 2, **change}
  if message is None:
    assert gates.find(network, **find)[0].shape == (4,)
    return
  with pytest.raises(UserError, match=message) as error:
    gates.find(network, **find)
  assert "\n" not in str(error.value)


def test_leaves_that_units_share_are_refused():
  network = {"query": jnp.ones((3, 8)), "key": jnp.ones((3, 4))}
  with pytest.raises(UserError, match=r"has 4 .*'query' and 2 in 'key'"):
    gates.find(network, "heads", {"query": 1}, {"key": 1}, num_units=2)


def test_integers_are_refused():
  with pytest.raises(UserError, match="'count' of dtype int32; only floating"):
    gates.find({"count": jnp.ones(2, jnp.int32)}, "all", {"count": None})


def test_gates_of_another_network_are_refused(network, gated):
  with pytest.raises(UserError, match="'first/output', which the network does"):
    gates.add({"second": network["second"]}, gated.layout)
  with pytest.raises(UserError, match="two gates are called 'first/heads'"):
    gates.add(network, [*gated.layout, *gated.layout])
  with pytest.raises(UserError, match="there is no gate to add"):
    gates.add(network, [])


def test_networks_without_gates_are_refused(network):
  for function in (gates.apply, gates.wrap(jnp.sum)):
    with pytest.raises(UserError, match="the network is a dict without gates"):
      function(network)
  with pytest.raises(UserError, match="the network is a dict without gates"):
    gates.expand({}, network)


@pytest.mark.parametrize(
  ("mask", "message"),
  [
    ({"first/bias": np.ones(4, bool)}, "'first/bias', which the network with"),
    ({"gates/first/heads": np.ones(2)}, "dtype float64; give a hard mask"),
    ({"gates/first/heads": np.ones(3, bool)}, r"shape \(3,\), the leaf \(2,\)"),
    ({"network/first/bias": np.ones(3, bool)}, r"\(3,\), the leaf \(4,\)"),
  ],
)
def test_masks_of_something_else_are_not_expanded(gated, mask, message):
  with pytest.raises(UserError, match=message):
    gates.expand(mask, gated)


def test_gates_have_no_neurons(gated):
  with pytest.raises(UserError, match="gate 'gates/first/heads' by neuron"):
    masks.select(gated, [("gates/.*", "neuron"), (".*", "frozen")])
