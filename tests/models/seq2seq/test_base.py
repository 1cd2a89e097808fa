"""What holds for every encoder-decoder: reading, padding, self-feeding."""

import collections
import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax.sharding import Mesh, PartitionSpec

from .. import tiny
from .networks import COMMANDS, NETWORKS, expected, run, weights

MAX_LENGTH = 9


@pytest.fixture(params=NETWORKS)
def name(request):
  return request.param


def test_forced_logits_follow_the_formula(name):
  logits = run(name, weights(name), COMMANDS)
  assert logits.shape == (4, 9, 5)
  assert bool(jnp.isfinite(logits).all())
  for actual, (length, wanted) in zip(
    logits, expected(name, weights(name), COMMANDS), strict=True
  ):
    np.testing.assert_allclose(actual[:length], wanted, atol=2e-4)


def test_padding_changes_nothing(name):
  """Neither more columns nor longer neighbours.

  Every length of an item by itself is another program; of two of the items the
  sources are padded, and one of these has no token but the end token.
  """
  logits = run(name, weights(name), COMMANDS)
  decoded = run(
    name, weights(name), COMMANDS, method="decode", max_length=MAX_LENGTH
  )
  wider = {
    side: np.pad(rows, ((0, 0), (0, 3)), constant_values=-1)
    for side, rows in COMMANDS.items()
  }
  again = run(name, weights(name), wider)
  chex.assert_trees_all_equal(
    decoded,
    run(name, weights(name), wider, method="decode", max_length=MAX_LENGTH),
  )
  for item in range(4):
    is_real = COMMANDS["target"][item] >= 0
    np.testing.assert_allclose(
      again[item, :9][is_real], logits[item][is_real], atol=1e-5
    )
  for item in (1, 3):
    is_real = COMMANDS["target"][item] >= 0
    alone = {
      side: rows[item : item + 1, : (rows[item] >= 0).sum()]
      for side, rows in COMMANDS.items()
    }
    np.testing.assert_allclose(
      run(name, weights(name), alone)[0], logits[item][is_real], atol=1e-5
    )


def test_a_position_reads_the_targets_before_it(name):
  target = COMMANDS["target"].copy()
  target[1, 4] = (target[1, 4] + 1) % 4
  logits = run(name, weights(name), COMMANDS)
  changed = run(name, weights(name), {**COMMANDS, "target": target})
  np.testing.assert_allclose(changed[1, :5], logits[1, :5], atol=1e-6)
  assert (jnp.abs(changed[1, 5:] - logits[1, 5:]).max(-1) > 1e-4).all()


def test_decoding_repeats_forced_calls_on_its_own_tokens(name):
  decoded = run(
    name, weights(name), COMMANDS, method="decode", max_length=MAX_LENGTH
  )
  assert decoded.dtype == jnp.int32
  assert decoded.shape == (4, MAX_LENGTH)
  tokens = np.full((4, MAX_LENGTH), -1, np.int32)
  for position in range(MAX_LENGTH):
    logits = run(name, weights(name), {**COMMANDS, "target": tokens})
    tokens[:, position] = logits[:, position].argmax(-1)
  np.testing.assert_array_equal(decoded, tokens)
  # Sequences that never change would prove little.
  assert len(np.unique(tokens)) > 2
  assert len(np.unique(tokens, axis=0)) > 1
  own = run(name, weights(name), {**COMMANDS, "target": tokens})
  for forced in ({"static": False}, {"forced": False}):
    logits = run(name, weights(name), COMMANDS, **forced)
    np.testing.assert_allclose(logits, own, atol=1e-5)


def test_decoding_reads_the_source_alone(name):
  source = {"source": COMMANDS["source"]}
  options = {"method": "decode", "max_length": 5}
  short = run(name, weights(name), source, **options)
  whole = run(
    name, weights(name), COMMANDS, method="decode", max_length=MAX_LENGTH
  )
  np.testing.assert_array_equal(short, whole[:, :5])


def test_forced_may_differ_between_rows(name):
  """As the coin of every base network does while it is trained."""
  both = jax.vmap(
    lambda forced: run(name, weights(name), COMMANDS, forced=forced)
  )(jnp.array([True, False]))
  one = run(name, weights(name), COMMANDS, static=True)
  other = run(name, weights(name), COMMANDS, static=False)
  assert float(jnp.abs(one - other).max()) > 0.01
  chex.assert_trees_all_close(both, jnp.stack([one, other]), atol=1e-5)


@pytest.mark.parametrize("forced", [True, False])
def test_dropout_needs_random_numbers(name, forced):
  def call(key):
    rngs = {"dropout": jax.random.key(key)}
    return run(name, weights(name), COMMANDS, forced=forced, rngs=rngs)

  plain = run(name, weights(name), COMMANDS, static=forced)
  chex.assert_trees_all_equal(call(0), call(0))
  assert float(jnp.abs(call(0) - call(1)).max()) > 0.01
  assert float(jnp.abs(call(0) - plain).max()) > 0.01


@functools.cache
def one_layer(name):
  """Returns a network of one layer per side, and its variables."""
  model = NETWORKS[name][0]
  model = model.clone(config=dataclasses.replace(model.config, num_layers=1))
  initial = jax.jit(model.init)(jax.random.key(0), COMMANDS)
  return model, tiny.spread(initial, 0.1)


@functools.cache
def gradient_on(name, sharded):
  """Returns how to compute (gradient of the mean loss, logits).

  `forced` is an argument, so that one program serves both of its values.

  Args:
    name: of the network.
    sharded: what two devices have parts of, "items" or "weights" (a network
      for each device); "" is one device.
  """
  model, _ = one_layer(name)

  def mean_loss(variables, inputs, forced):
    logits = model.apply(variables, inputs, forced=forced)
    loss = (logits**2).mean()
    return jax.lax.pmean(loss, "data") if sharded == "items" else loss, logits

  gradient = jax.grad(mean_loss, has_aux=True)

  def apart(rows, inputs, forced):
    one = jax.tree.map(lambda leaf: leaf[0], rows)
    found = gradient(one, inputs, forced)
    return jax.tree.map(lambda leaf: leaf[None], found)

  if not sharded:
    return jax.jit(gradient)
  row, same = PartitionSpec("data"), PartitionSpec()
  by_items = {"in_specs": (same, row, same), "out_specs": (same, row)}
  by_weights = {"in_specs": (row, same, same), "out_specs": row}
  return jax.jit(
    jax.shard_map(
      gradient if sharded == "items" else apart,
      mesh=Mesh(jax.devices()[:2], ("data",)),
      **(by_items if sharded == "items" else by_weights),
    )
  )


@pytest.mark.parametrize("forced", [True, False])
@pytest.mark.parametrize("sharded", ["items", "weights"])
def test_devices_that_share_items_or_have_their_own_weights(
  name, sharded, forced
):
  """The gradient of the mean loss of two devices, and the logits.

  A layer more takes twice the time to compile, and is as the first one.
  """
  _, variables = one_layer(name)
  alone = gradient_on(name, "")(variables, COMMANDS, forced)
  given = variables
  if sharded == "weights":
    given = jax.tree.map(lambda leaf: jnp.stack([leaf] * 2), variables)
  found = gradient_on(name, sharded)(given, COMMANDS, forced)
  if sharded == "weights":
    chex.assert_trees_all_close(
      jax.tree.map(lambda leaf: leaf[0], found),
      jax.tree.map(lambda leaf: leaf[1], found),
    )
    found = jax.tree.map(lambda leaf: leaf[0], found)
  chex.assert_trees_all_close(found, alone, rtol=1e-3, atol=1e-4)


def test_cached_features_may_be_narrower(name):
  """A cache of features may hold bfloat16."""
  model = NETWORKS[name][0]
  features = run(
    name, weights(name), COMMANDS, method="features_before", stage="decoder"
  )
  narrow = {
    key: leaf.astype(jnp.bfloat16) if leaf.dtype == jnp.float32 else leaf
    for key, leaf in features.items()
  }
  logits = jax.jit(
    lambda features: model.apply(
      weights(name), features, "decoder", method="from_stage"
    )
  )(narrow)
  chex.assert_type(logits, jnp.float32)
  exact = run(name, weights(name), COMMANDS)
  assert float(jnp.abs(logits - exact).mean()) < 0.1


def test_features_before_the_decoder_drop_what_it_does_not_read():
  features = run(
    "lstm", weights("lstm"), COMMANDS, method="features_before", stage="decoder"
  )
  shapes = {key: leaf.shape for key, leaf in features.items()}
  assert shapes == {"states": (4, 2, 2, 5), "target": (4, 9)}


def dropped(name):
  """Returns {shape: calls} of all that goes through dropout, forced."""
  calls = collections.Counter()

  def record(call, args, kwargs, context):
    if isinstance(context.module, nn.Dropout) and not kwargs["deterministic"]:
      calls[args[0].shape] += 1
    return call(*args, **kwargs)

  rngs = {"dropout": jax.random.key(0)}
  apply = functools.partial(NETWORKS[name][0].apply, rngs=rngs)
  with nn.intercept_methods(record):
    jax.eval_shape(apply, weights(name), COMMANDS)
  return calls


def test_an_lstm_drops_embeddings_and_what_passes_between_cells():
  # The decoder reads 4 tokens at a time; its loop may be traced repeatedly.
  assert set(dropped("lstm")) == {(4, 6, 4), (4, 6, 5), (4, 4), (4, 5)}


def test_a_transformer_drops_embeddings_attention_and_all_that_is_added():
  """Source and target have 7 and 9 positions, and 2 layers each."""
  assert dropped("transformer") == {
    (4, 7, 12): 1 + 2 * 2,
    (4, 3, 7, 7): 2,
    (4, 7, 10): 2,
    (4, 9, 12): 1 + 2 * 3,
    (4, 3, 9, 9): 2,
    (4, 3, 9, 7): 2,
    (4, 9, 10): 2,
  }
