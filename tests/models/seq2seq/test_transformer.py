"""The transformer encoder-decoder: published sizes, initial weights."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import trees
from structcomp_jax.models.seq2seq.transformer import (
  Seq2SeqTransformer,
  Seq2SeqTransformerConfig,
)
from structcomp_jax.types import UserError

from .. import tiny
from . import formula
from .networks import COMMANDS, run, weights

MASKED = ("kernel", "norm/scale", "norm/bias")


def test_numbers_of_weights_are_the_published_ones():
  """Csordás et al. 2021, SCAN: norms are masked, other biases are not."""
  model = Seq2SeqTransformer(Seq2SeqTransformerConfig())
  assert tiny.num_weights(model, COMMANDS, MASKED) == 603_700
  assert tiny.num_weights(model, COMMANDS, ("",)) == 607_607
  params = jax.eval_shape(model.init, jax.random.key(0), COMMANDS)["params"]
  paths = [
    path for path in trees.leaves_by_path(params) if path.endswith(MASKED)
  ]
  assert len(paths) == 70
  assert "encoder_layer_2/self_attention/key_value/kernel" in paths
  assert "decoder/layer_0/cross_attention_norm/bias" in paths


def test_initial_weights():
  config = Seq2SeqTransformerConfig(
    hidden_size=120, intermediate_size=180, target_vocabulary=300, num_layers=1
  )
  model = Seq2SeqTransformer(config)
  params = jax.jit(model.init)(jax.random.key(0), COMMANDS)["params"]
  leaves = trees.leaves_by_path(params)
  # {end of the path: (gain, inputs, outputs)}
  drawn = {
    "attention/query/kernel": (1, 120, 120),
    "attention/key_value/kernel": (1, 120, 120),
    "attention/output/kernel": (1, 120, 120),
    "layer_0/intermediate/kernel": (2**0.5, 120, 180),
    "layer_0/output/kernel": (1, 180, 120),
    "decoder/output/kernel": (1, 120, 300),
  }
  seen = set()
  for path, leaf in leaves.items():
    for end, (gain, inputs, outputs) in drawn.items():
      if path.endswith(end):
        seen.add(path)
        bound = gain * (6 / (inputs + outputs)) ** 0.5
        assert 0.98 * bound < float(jnp.abs(leaf).max()) <= bound, path
    if path.endswith("norm/scale"):
      np.testing.assert_array_equal(leaf, 1.0)
    elif path.endswith("bias"):
      np.testing.assert_array_equal(leaf, 0.0)
    elif path.endswith("embedding"):
      np.testing.assert_allclose(leaf.std(), 1.0, rtol=0.06)
  assert seen == {path for path in leaves if path.endswith("kernel")}


def test_the_encoder_reads_the_end_token():
  def logits(embedding):
    params = {
      **weights("transformer")["params"],
      "encoder_embedding": {"embedding": embedding},
    }
    return (run("transformer", {"params": params}, COMMANDS) ** 2).sum()

  params = weights("transformer")["params"]
  gradient = jax.grad(logits)(params["encoder_embedding"]["embedding"])
  assert float(jnp.abs(gradient[5]).max()) > 1e-4


# Six tokens on both sides.
TIED = dataclasses.replace(
  tiny.SEQ2SEQ_TRANSFORMER, target_vocabulary=6, ties_embeddings=True
)


@pytest.fixture(scope="module")
def tied():
  """A network that ties its embeddings, and weights that tell sources apart."""
  model = Seq2SeqTransformer(TIED)
  initial = jax.jit(model.init)(jax.random.key(0), COMMANDS)
  return model, tiny.spread(jax.tree.map(lambda leaf: 2 * leaf, initial), 0.4)


def test_one_table_is_used_three_times(tied):
  """As if it were the tables of both sides, and the output layer scaled."""
  model, variables = tied
  leaves = {
    path: np.asarray(leaf)
    for path, leaf in trees.leaves_by_path(variables["params"]).items()
  }
  assert not [path for path in leaves if path.startswith("decoder/embedding")]
  assert not [path for path in leaves if path.startswith("decoder/output")]
  table = leaves["encoder_embedding/embedding"]
  assert table.shape == (6, 12)
  apart = {
    **leaves,
    "decoder/embedding/embedding": table,
    "decoder/output/kernel": table.T / 12**0.5,
    "decoder/output/bias": np.zeros(6),
  }
  # The end token of both sides is the last one.
  target = np.where(COMMANDS["target"] == 4, 5, COMMANDS["target"])
  inputs = {"source": COMMANDS["source"], "target": target}
  logits = jax.jit(model.apply)(variables, inputs)
  assert logits.shape == (4, 9, 6)
  for row, source, words in zip(logits, *inputs.values(), strict=True):
    source, words = source[source >= 0], words[words >= 0]
    wanted = formula.of_transformer(apart, source, words, num_heads=3)
    np.testing.assert_allclose(row[: len(words)], wanted, atol=2e-4)


def test_a_tied_network_reads_its_own_tokens(tied):
  """What it says is what it would say if that were the target."""
  model, variables = tied
  said = jax.jit(lambda: model.apply(variables, COMMANDS, 6, method="decode"))()
  assert len(np.unique(said)) > 1
  inputs = {**COMMANDS, "target": said}
  forced = jax.jit(model.apply)(variables, inputs)
  np.testing.assert_array_equal(np.argmax(forced, -1), said)


def test_the_network_of_mathematics_has_the_published_sizes():
  """Csordás et al. 2021: 44.15 million weights, 44.07 million masked."""
  config = Seq2SeqTransformerConfig(
    source_vocabulary=96,
    target_vocabulary=96,
    hidden_size=512,
    num_layers=6,
    num_heads=8,
    intermediate_size=2048,
    ties_embeddings=True,
  )
  model = Seq2SeqTransformer(config)
  assert tiny.num_weights(model, COMMANDS, MASKED) == 44_070_912
  assert tiny.num_weights(model, COMMANDS, ("",)) == 44_150_784


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"ties_embeddings": True}, "needs one vocabulary, but there are 6 source"),
    ({"num_heads": 5}, "hidden_size 12 is no multiple of num_heads 5"),
    ({"intermediate_size": 0}, "intermediate_size is 0"),
  ],
)
def test_unusable_config_is_refused(change, message):
  with pytest.raises(UserError, match=message):
    dataclasses.replace(tiny.SEQ2SEQ_TRANSFORMER, **change)
