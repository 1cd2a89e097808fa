"""Networks are equal by value, and equal networks share compiled programs."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.common.language import language_variant
from configs.common.vision import vision_variant
from structcomp_jax import masks, search, training, trees
from structcomp_jax.pipeline.study import fresh_params, param_shapes
from structcomp_jax.studies.break_it_down import language, vision
from tests.search import compilations

DOMAINS = {
  "language": (language, lambda: language_variant("sv_singular", "smoke")),
  "vision": (vision, lambda: vision_variant("inside_contact", "smoke")),
}


@pytest.fixture(params=DOMAINS)
def domain(request):
  return request.param


def make(domain, **model):
  """Returns a network of a config of its own."""
  module, get_config = DOMAINS[domain]
  config = get_config()
  config.model.update(model)
  return module.make(config).network


def make_batch(network, num_problems=4):
  """Returns problems whose items are all the same."""
  return {
    name: np.ones((num_problems, 4, *shape), dtype)
    for name, shape, dtype in network.inputs
  }


def compute(network):
  """Does everything whose programs are kept by network or by function."""
  key, batch = jax.random.key(0), make_batch(network)
  params = fresh_params(network, key)
  stage = network.stages[-1]
  cached = network.from_stage(stage)
  features = {
    name: np.zeros(leaf.shape, leaf.dtype)
    for name, leaf in jax.eval_shape(
      lambda: network.features_before(params, batch, stage)
    ).items()
  }
  search.run(
    cached.loss_fn,
    params,
    masks.select(params, [(f"{stage}/.*kernel", "weight"), (".*", "frozen")]),
    features,
    search.SearchConfig(num_epochs=1, batch_size=2),
    key=key,
    validation=features,
    metrics_fn=cached.metrics_fn,
  )
  config = training.TrainConfig(num_epochs=1, batch_size=2, eval_batch_size=4)
  state = training.init_state(jnp.int32(0), params, config)
  training.run(
    network.loss_fn,
    network.metrics_fn,
    trees.stack([state]),
    batch,
    batch,
    config,
    key=key,
  )


def test_equal_configs_make_equal_networks(domain):
  one, other = make(domain), make(domain)
  assert one is not other
  for get in (
    lambda network: network,
    lambda network: network.loss_fn,
    lambda network: network.metrics_fn,
    lambda network: network.from_stage(network.stages[-1]),
    lambda network: network.from_stage(network.stages[-1]).loss_fn,
    lambda network: network.in_dtype("bfloat16").metrics_fn,
  ):
    assert get(one) == get(other)
    assert hash(get(one)) == hash(get(other))


def test_what_differs_is_not_equal(domain):
  network = make(domain)
  others = [
    network.from_stage(network.stages[-1]),
    network.in_dtype("bfloat16"),
    make(domain, sizes={"initializer_range": 0.1})
    if domain == "language"
    else make(domain, sizes={"head_sizes": (16, 4)}),
  ]
  for other in others:
    assert other != network
    assert other.loss_fn != network.loss_fn
    assert other.metrics_fn != network.metrics_fn


def test_equal_networks_share_compiled_programs(domain):
  compute(make(domain))
  with compilations.counted() as names:
    compute(make(domain))
  assert names == []


def test_weights_have_the_shapes_that_are_said(domain):
  network = make(domain)
  chex.assert_trees_all_equal_shapes_and_dtypes(
    param_shapes(network), fresh_params(network, jax.random.key(0))
  )


def test_features_are_read_in_the_dtype_of_the_network(domain):
  network = make(domain)
  params = fresh_params(network, jax.random.key(0))
  stage = network.stages[1]
  features = network.features_before(params, make_batch(network), stage)
  narrow = {
    name: leaf.astype(jnp.bfloat16) if leaf.dtype == jnp.float32 else leaf
    for name, leaf in features.items()
  }
  resumed = network.in_dtype("bfloat16").from_stage(stage)
  expected = resumed.embed(params, narrow)
  assert expected.dtype == jnp.bfloat16
  chex.assert_trees_all_equal(resumed.embed(params, features), expected)
