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


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"num_heads": 5}, "hidden_size 12 is no multiple of num_heads 5"),
    ({"intermediate_size": 0}, "intermediate_size is 0"),
  ],
)
def test_unusable_config_is_refused(change, message):
  with pytest.raises(UserError, match=message):
    dataclasses.replace(tiny.SEQ2SEQ_TRANSFORMER, **change)
