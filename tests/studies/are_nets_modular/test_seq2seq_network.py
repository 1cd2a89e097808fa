"""Networks of sequences, with SCAN: loss, draws, and when they are right."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs.scan import scan as scan_config
from structcomp_jax.pipeline.study import param_shapes
from structcomp_jax.studies.are_nets_modular import scan
from structcomp_jax.studies.are_nets_modular.seq2seq_network import (
  Seq2SeqNetwork,
)

SIZES = {
  "seq2seq_lstm": {
    "embedding_size": 4,
    "hidden_size": 4,
    "num_layers": 1,
    "dropout": 0.5,
  },
  "seq2seq_transformer": {
    "hidden_size": 4,
    "num_layers": 1,
    "num_heads": 2,
    "intermediate_size": 6,
    "dropout": 0.3,
  },
}
# Two words and the end, one word and the end; as many steps of the decoder.
BATCH = {
  "source": np.array([[3, 7, 13, -1], [5, 13, -1, -1]], np.int32),
  "target": np.array([[2, 0, 6, -1], [1, 6, -1, -1]], np.int32),
}
NUM_KEYS = 40


def make(family, **sizes):
  """Returns the domain of a small config."""
  config = scan_config.get_config("smoke")
  config.model = {
    "name": "tiny",
    "family": family,
    "sizes": SIZES[family] | sizes,
  }
  return scan.make(config)


def weights_of(network):
  generator = np.random.default_rng(0)
  return jax.tree.map(
    lambda leaf: jnp.asarray(generator.normal(size=leaf.shape), jnp.float32),
    param_shapes(network),
  )


def losses_of(logits):
  """Returns the cross-entropy of every sequence, summed over its words."""
  logits = np.asarray(logits, np.float64)
  found = []
  for row, words in zip(logits, BATCH["target"], strict=True):
    real = [
      np.log(np.exp(scores).sum()) - scores[word]
      for scores, word in zip(row, words, strict=True)
      if word >= 0
    ]
    found.append(sum(real))
  return np.array(found)


@functools.partial(jax.jit, static_argnums=0)
def drawn_losses(network, params, keys):
  """Returns the losses of one batch under many keys."""
  two = jnp.stack([keys, keys], axis=1)
  return jax.vmap(lambda key: network.loss_fn(params, {**BATCH, "key": key}))(
    two
  )


def drawn(network, params, first=0):
  keys = jax.random.split(jax.random.key(first), NUM_KEYS)
  return np.asarray(drawn_losses(network, params, keys))


@pytest.fixture(scope="module")
def lstm():
  return make("seq2seq_lstm")


@pytest.fixture(scope="module")
def params(lstm):
  return weights_of(lstm.network)


@pytest.fixture(scope="module")
def expected(lstm, params):
  """{whether forced: loss of every sequence}, of the model without dropout."""
  return {
    forced: losses_of(
      lstm.network.model.apply({"params": params}, BATCH, forced=forced)
    )
    for forced in (True, False)
  }


def test_a_coin_decides_whose_words_are_read(lstm, params, expected):
  """One for the whole batch, and fair."""
  losses = drawn(lstm.frozen_network, params)
  forced, own = (expected[one].mean() for one in (True, False))
  assert abs(forced - own) > 1e-2
  is_forced = np.isclose(losses, forced, rtol=1e-5)
  assert (is_forced | np.isclose(losses, own, rtol=1e-5)).all()
  assert 0.25 < is_forced.mean() < 0.75
  np.testing.assert_array_equal(losses, drawn(lstm.frozen_network, params))
  other = drawn(lstm.frozen_network, params, first=1)
  assert (np.isclose(other, forced, rtol=1e-5) != is_forced).any()


def test_only_training_drops(lstm, params, expected):
  losses = drawn(lstm.network, params)
  # Other values are dropped for every key.
  assert len(np.unique(losses)) == NUM_KEYS
  # Nothing is dropped where masks are searched, or in a test.
  assert len(np.unique(drawn(lstm.frozen_network, params).round(4))) == 2
  for network in (lstm.network, lstm.frozen_network):
    found = jax.jit(network.metrics_fn)(params, BATCH)
    np.testing.assert_allclose(found["loss"], expected[False], rtol=1e-5)
  assert lstm.network.model.config.dropout == 0.5


def test_the_transformer_always_reads_the_target():
  domain = make("seq2seq_transformer")
  params = weights_of(domain.network)
  logits = domain.network.model.apply({"params": params}, BATCH, forced=True)
  losses = drawn(domain.frozen_network, params)
  np.testing.assert_allclose(losses, losses_of(logits).mean(), rtol=1e-5)


class Says(Seq2SeqNetwork):
  """Says what it is told, if it reads its own words."""

  def apply(self, params, inputs, **options):
    assert options == {"forced": False}
    return params["logits"]


def test_a_sequence_is_right_if_all_words_and_the_end_are(lstm):
  said = [
    [2, 0, 6, 5],  # right; what comes after the end does not count
    [2, 1, 6, 6],  # a wrong word
    [2, 0, 0, 6],  # too long
    [2, 6, 6, 6],  # too short
    [0, 0, 6, 6],
  ]
  target = np.tile(BATCH["target"][:1], (5, 1))
  logits = 5 * jnp.eye(7)[np.array(said)]
  network = Says(lstm.network.model)
  found = network.metrics({"logits": logits}, {"target": target})
  assert found["accuracy"].tolist() == [1, 0, 0, 0, 0]
  right, wrong = (np.log(np.exp(5) + 6) - value for value in (5, 0))
  num_wrong = np.array([0, 1, 1, 1, 1])
  np.testing.assert_allclose(
    found["loss"], (3 - num_wrong) * right + num_wrong * wrong, rtol=1e-4
  )


def test_features_go_on_where_they_were_taken(lstm, params):
  network = lstm.frozen_network
  whole = jax.jit(network.metrics_fn)(params, BATCH)
  features = jax.jit(network.features_before, static_argnums=2)(
    params, BATCH, "decoder"
  )
  found = jax.jit(network.from_stage("decoder").metrics_fn)(params, features)
  for name, values in whole.items():
    np.testing.assert_allclose(found[name], values, rtol=1e-5)


@pytest.mark.parametrize("family", SIZES)
def test_equal_configs_make_equal_networks(family):
  one, other = make(family), make(family)
  for get in (
    lambda domain: domain.network,
    lambda domain: domain.network.loss_fn,
    lambda domain: domain.frozen_network,
    lambda domain: domain.frozen_network.loss_fn,
    lambda domain: domain.frozen_network.metrics_fn,
    lambda domain: domain.network.from_stage("decoder").loss_fn,
  ):
    assert get(one) == get(other)
    assert hash(get(one)) == hash(get(other))
  assert one.network != one.frozen_network
  assert one.network.always_forced == (family == "seq2seq_transformer")
  # Without dropout there is nothing that tells them apart.
  without = make(family, dropout=0.0)
  assert without.network == without.frozen_network
  assert without.frozen_network == one.frozen_network
