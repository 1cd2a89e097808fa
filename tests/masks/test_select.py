"""Tests for structcomp_jax.masks.select."""

import jax
import jax.numpy as jnp
import pytest

from structcomp_jax import masks
from structcomp_jax.types import UserError


def test_rules_select_leaves_and_units(spec):
  conv, kernel = spec.leaves
  assert spec.paths == ("conv", "dense/kernel")
  assert (conv.shape, conv.mask_shape) == ((3, 2, 5), (3, 2, 5))
  assert (kernel.shape, kernel.mask_shape) == ((5, 4), (1, 4))
  assert (kernel.unit, kernel.rule) == ("neuron", "dense/kernel")
  assert (conv.weights_per_unit, kernel.weights_per_unit) == (1, 5)
  assert (spec.num_units, spec.num_weights) == (30 + 4, 30 + 20)


def test_first_match_wins(params):
  rules = (("dense/.*", "frozen"), (".*", "weight"))
  assert masks.select(params, rules).paths == ("conv",)


def test_regex_must_match_whole_path(params):
  with pytest.raises(UserError, match="'kernel' matches nothing"):
    masks.select(params, (("kernel", "weight"), (".*", "frozen")))


def test_rule_of_one_layer_leaves_its_longer_namesake_alone():
  params = {name: jnp.zeros(2) for name in ("layer_1", "layer_10", "1layer_1")}
  spec = masks.select(params, [("layer_1", "weight"), (".*", "frozen")])
  assert spec.paths == ("layer_1",)
  held = masks.leaf_betas(
    masks.select(params, [(".*", "weight")]), 7.0, ("layer_1",)
  )
  assert held == {"1layer_1": 7.0, "layer_1": 1.0, "layer_10": 7.0}


def test_abstract_shapes_give_the_same_spec(params, spec):
  abstract = jax.eval_shape(lambda: params)
  rules = [(leaf.rule, leaf.unit, leaf.axes) for leaf in spec.leaves]
  rules = [rule if rule[2] else rule[:2] for rule in rules]
  assert masks.select(abstract, [*rules, (".*", "frozen")]) == spec


def test_spec_is_a_static_argument(spec):
  @jax.jit
  def num_weights(logits):
    return jnp.float32(spec.num_weights) * logits

  static = jax.jit(lambda spec: spec.num_units, static_argnums=0)
  assert hash(spec) == hash(masks.MaskSpec(spec.leaves))
  assert static(spec) == 34
  assert num_weights(jnp.float32(2)) == 100


def test_describe_names_leaves_sizes_and_rules(params):
  table = masks.select(params, ((".*", "weight"),)).describe()
  lines = table.splitlines()
  assert [line.split()[0] for line in lines[1:-1]] == [
    "conv",
    "dense/bias",
    "dense/kernel",
  ]
  assert lines[1].split() == ["conv", "3x2x5", "weight", "30", "30", ".*"]
  assert lines[-1].split() == ["3", "leaves", "54", "54"]


@pytest.mark.parametrize(
  ("rules", "message"),
  [
    ((("conv", "weight"),), "no mask rule covers leaf 'dense/bias' .2 "),
    (
      (("conv|.*/kernel", "weight"),),
      "no mask rule covers leaf 'dense/bias' .1 ",
    ),
    (
      (("dense/kernle", "weight"), (".*", "frozen")),
      "'dense/kernle' matches nothing; .*names: dense/kernel",
    ),
    (
      ((".*", "weight"), ("conv", "frozen")),
      "'conv': everything it matches is taken by earlier",
    ),
    ((("(", "weight"), (".*", "frozen")), r"'\(' is not a valid regex"),
    (((".*", "filter"),), "unknown unit 'filter'; use one of weight, neuron"),
    (((".*", "frozen"),), "select no leaf"),
    ((".*",), "'.*' is not a pair"),
    ((), "no mask rule covers leaf 'conv'"),
  ],
)
def test_bad_rules_raise_one_line(params, rules, message):
  with pytest.raises(UserError, match=message) as error:
    masks.select(params, rules)
  assert "\n" not in str(error.value)


def test_integer_leaf_cannot_be_masked():
  with pytest.raises(UserError, match="'count' of dtype int32"):
    masks.select({"count": jnp.arange(3)}, ((".*", "weight"),))


def test_scalar_leaf_has_no_neurons():
  with pytest.raises(UserError, match="scalar leaf 'scale' by neuron"):
    masks.select({"scale": jnp.float32(1)}, ((".*", "neuron"),))


@pytest.mark.parametrize("jit", [False, True])
def test_init_is_constant_float32_per_unit(spec, jit):
  init = masks.init if not jit else jax.jit(masks.init, static_argnums=0)
  mask_logits = init(spec, 0.25)
  shapes = {path: logits.shape for path, logits in mask_logits.items()}
  assert shapes == {"conv": (3, 2, 5), "dense/kernel": (1, 4)}
  for logits in mask_logits.values():
    assert logits.dtype == jnp.float32
    assert jnp.all(logits == 0.25)
