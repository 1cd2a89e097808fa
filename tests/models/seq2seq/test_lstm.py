"""The LSTM encoder-decoder: published sizes, and where its encoder stops."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import trees
from structcomp_jax.models.seq2seq.lstm import Seq2SeqLstm, Seq2SeqLstmConfig
from structcomp_jax.types import UserError

from .. import tiny
from .networks import COMMANDS, run, weights


def test_numbers_of_weights_are_the_published_ones():
  """Csordás et al. 2021, SCAN."""
  model = Seq2SeqLstm(Seq2SeqLstmConfig())
  assert tiny.num_weights(model, COMMANDS) == 987_000
  assert tiny.num_weights(model, COMMANDS, ("",)) == 990_543
  params = jax.eval_shape(model.init, jax.random.key(0), COMMANDS)["params"]
  kernels = [
    path for path in trees.leaves_by_path(params) if path.endswith("kernel")
  ]
  assert len(kernels) == 9
  assert "encoder_cell_1/recurrent/kernel" in kernels
  assert "decoder/cell_0/input/kernel" in kernels
  assert "decoder/output/kernel" in kernels


def test_initial_embeddings_have_variance_1():
  config = Seq2SeqLstmConfig(source_vocabulary=300, target_vocabulary=200)
  model = Seq2SeqLstm(config)
  params = jax.jit(model.init)(jax.random.key(0), COMMANDS)["params"]
  for module in (params["encoder_embedding"], params["decoder"]["embedding"]):
    np.testing.assert_allclose(module["embedding"].std(), 1.0, rtol=0.05)


def test_the_encoder_does_not_read_the_end_token():
  def logits(embedding):
    params = {
      **weights("lstm")["params"],
      "encoder_embedding": {"embedding": embedding},
    }
    return run("lstm", {"params": params}, COMMANDS).sum()

  embedding = weights("lstm")["params"]["encoder_embedding"]["embedding"]
  is_read = jnp.abs(jax.grad(logits)(embedding)).max(-1) > 0
  used = np.unique(COMMANDS["source"])
  assert np.flatnonzero(is_read).tolist() == [
    token for token in used if 0 <= token < 5
  ]


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"source_vocabulary": 0}, "source_vocabulary is 0"),
    ({"dropout": 1}, "dropout is 1"),
  ],
)
def test_unusable_config_is_refused(change, message):
  with pytest.raises(UserError, match=message):
    dataclasses.replace(tiny.SEQ2SEQ_LSTM, **change)
