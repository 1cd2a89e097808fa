"""Units of the transformers: what they cover, and that they are all of it."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import masks, trees
from structcomp_jax.masks import gates
from structcomp_jax.models import units
from structcomp_jax.models.bert import Bert
from structcomp_jax.models.gpt import Gpt, GptConfig, heads
from structcomp_jax.models.layers import transformer
from structcomp_jax.models.vit import ViT
from structcomp_jax.types import UserError

from . import tiny

SENTENCES = tiny.sentences(14, 9, 5)
NETWORKS = {
  "bert": (Bert(tiny.BERT), SENTENCES),
  "gpt": (Gpt(tiny.GPT), SENTENCES),
  "llama": (Gpt(tiny.LLAMA), SENTENCES),
  "vit": (ViT(tiny.VIT), tiny.IMAGES),
}
BLOCKS = (units.ATTENTIONS, units.FEED_FORWARDS, units.LAYERS)


@functools.cache
def weights(name):
  """Returns random weights, far from initial ones."""
  model, inputs = NETWORKS[name]
  return tiny.spread(jax.jit(model.init)(jax.random.key(0), inputs)["params"])


@functools.partial(jax.jit, static_argnames="name")
def run(params, name):
  model, inputs = NETWORKS[name]
  return model.apply({"params": params}, inputs)


def of_heads(name):
  """Returns the kinds of heads that a network has, and how many of each."""
  config = NETWORKS[name][0].config
  if name != "llama":
    return [(units.HEADS, config.num_heads)]
  return [
    (units.QUERY_HEADS, config.num_heads),
    (units.KEY_VALUE_HEADS, config.num_key_heads),
  ]


def gates_of(name, *, blocks=()):
  params = weights(name)
  found = gates.find(params, **units.NEURONS)
  for kind, count in of_heads(name):
    found += gates.find(params, **kind, num_units=count)
  return found + [one for kind in blocks for one in gates.find(params, **kind)]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("blocks", [(), BLOCKS])
def test_a_closed_unit_is_one_without_weights(name, blocks):
  params = weights(name)
  gated = gates.add(params, gates_of(name, blocks=blocks))
  draw = np.random.default_rng(5)
  mask = {
    gate.path: jnp.asarray(draw.random(gate.shape) < 0.5)
    for gate in gated.layout
  }
  by_gates = run(gates.apply(masks.merge(gated, mask)), name)
  by_weights = run(masks.merge(params, gates.expand(mask, gated)), name)
  np.testing.assert_allclose(by_gates, by_weights, rtol=1e-5, atol=1e-5)
  assert np.abs(by_gates - run(params, name)).max() > 0.1


@pytest.mark.parametrize("name", NETWORKS)
def test_heads_and_neurons_cover_their_matrices_and_biases(name):
  gated = gates.add(weights(name), gates_of(name))
  shut = {gate.path: np.zeros(gate.shape, bool) for gate in gated.layout}
  covered = set(gates.expand(shut, gated))
  wanted = {
    path
    for path in trees.leaves_by_path(weights(name))
    if re.fullmatch(r".*layer_\d+/(?!.*norm).*", path)
    and not re.fullmatch(".*output/bias", path)  # Of all units together.
  }
  assert covered == wanted
  total = sum(
    trees.leaves_by_path(weights(name))[path].size for path in covered
  )
  spec = masks.select(gated, [("gates/.*", "weight"), (".*", "frozen")])
  assert spec.num_weights == total


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_are_their_attention_and_their_feed_forward_part(name):
  def covered(*kinds):
    found = [one for kind in kinds for one in gates.find(weights(name), **kind)]
    gated = gates.add(weights(name), found)
    shut = {gate.path: np.zeros(gate.shape, bool) for gate in found}
    return set(gates.expand(shut, gated))

  parts = covered(units.ATTENTIONS, units.FEED_FORWARDS)
  assert covered(units.LAYERS) == parts
  assert {path for path in parts if "norm" in path} == set()
  assert any(path.endswith("attention/output/kernel") for path in parts)


@pytest.mark.parametrize("name", ["gpt", "llama"])
def test_a_closed_layer_hands_on_what_it_is_given(name):
  params = weights(name)
  found = gates.find(params, **units.LAYERS)
  gated = gates.add(params, found)
  shut = {gate.path: np.zeros((), bool) for gate in found}
  model, inputs = NETWORKS[name]
  before = model.apply(
    {"params": params}, inputs, "layer_0", method="features_before"
  )
  direct = model.apply({"params": params}, before, "norm", method="from_stage")
  closed = run(gates.apply(masks.merge(gated, shut)), name)
  np.testing.assert_allclose(closed, direct, rtol=1e-5, atol=1e-5)


def test_a_closed_head_is_a_network_of_one_head_less():
  config = tiny.GPT
  params = weights("gpt")
  gated = gates.add(
    params, gates.find(params, **units.HEADS, num_units=config.num_heads)
  )
  (path,) = (gate.path for gate in gated.layout)
  keeps = np.array([True, False, True])
  closed = run(gates.apply(masks.merge(gated, {path: keeps})), "gpt")
  places = np.repeat(keeps, config.head_size)

  def smaller(path, leaf):
    name = trees.path_string(path)
    if re.fullmatch(".*attention/(query|key|value)/.*", name):
      return leaf[..., places]
    return leaf[places] if name.endswith("attention/output/kernel") else leaf

  fields = {**vars(config), "num_heads": 2, "num_key_heads": 2}
  without = Gpt(GptConfig(**fields)).apply(
    {"params": jax.tree_util.tree_map_with_path(smaller, params)}, SENTENCES
  )
  np.testing.assert_allclose(closed, without, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_heads_lie_where_the_networks_say(name):
  paths = list(trees.leaves_by_path(weights(name)))
  config = NETWORKS[name][0].config
  said = (
    heads(config, paths)
    if name == "llama"
    else {
      place: (config.num_heads, axes)
      for place, axes in transformer.head_axes(paths).items()
    }
  )
  said = {
    path: (count, 0 if axis == 0 else 1)
    for count, axes in said.values()
    for path, axis in axes.items()
  }
  found = {
    part.path: (gate.shape[0], part.axes[0])
    for kind, count in of_heads(name)
    for gate in gates.find(weights(name), **kind, num_units=count)
    for part in gate.parts
    if part.path.endswith("kernel")
  }
  assert found == said


def test_heads_that_share_keys_are_no_plain_heads():
  with pytest.raises(UserError, match="units share, or that hold"):
    gates.find(weights("llama"), **units.HEADS, num_units=4)
