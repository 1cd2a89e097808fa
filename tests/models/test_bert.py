"""The BERT encoder: invariants of the forward pass and its gradients."""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import trees
from structcomp_jax.models.bert import Bert, BertConfig
from structcomp_jax.types import UserError

from . import checkpoints, tiny

LENGTHS = (14, 9, 5, 2)
SENTENCES = tiny.sentences(*LENGTHS)
MODEL = Bert(tiny.BERT)


@pytest.fixture(scope="module")
def variables():
  return tiny.spread(jax.jit(MODEL.init)(jax.random.key(0), SENTENCES))


@functools.partial(jax.jit, static_argnames="method")
def _apply(variables, inputs, method="__call__"):
  """Compiled once for each method and shape."""
  return MODEL.apply(variables, inputs, method=method)


def test_parameter_paths_and_shapes(variables):
  leaves = trees.leaves_by_path(variables["params"])
  assert leaves["embeddings/word_embeddings/embedding"].shape == (40, 32)
  assert leaves["layer_1/attention/output/kernel"].shape == (32, 32)
  assert leaves["layer_0/intermediate/kernel"].shape == (32, 64)
  assert "layer_1/attention/layer_norm/scale" in leaves
  assert len(leaves) == 5 + 16 * 2


def test_initial_values_are_those_of_bert():
  config = dataclasses.replace(tiny.BERT, vocab_size=2000, num_layers=1)
  params = jax.jit(Bert(config).init)(jax.random.key(0), SENTENCES)["params"]
  for path, leaf in trees.leaves_by_path(params).items():
    kind = path.rsplit("/", 1)[1]
    if kind in ("kernel", "embedding"):
      spread = 0.02 / np.sqrt(2 * leaf.size)
      assert abs(float(leaf.std()) - 0.02) < 5 * spread, path
    else:
      np.testing.assert_array_equal(leaf, 1.0 if kind == "scale" else 0.0)


def test_the_vector_is_position_0_of_the_last_hidden_states(variables):
  full = _apply(variables, SENTENCES, method="last_hidden")
  chex.assert_shape(full, (4, 14, 32))
  chex.assert_trees_all_close(
    _apply(variables, SENTENCES), full[:, 0], atol=1e-5
  )


def test_the_vector_costs_less_than_all_tokens(variables):
  def num_flops(method):
    lowered = _apply.lower(variables, SENTENCES, method=method)
    return lowered.compile().cost_analysis()["flops"]

  assert num_flops("__call__") < 0.8 * num_flops("last_hidden")


def test_padding_further_does_not_change_the_vector(variables):
  longer = tiny.sentences(*LENGTHS, padded_to=16)
  chex.assert_trees_all_close(
    _apply(variables, SENTENCES), _apply(variables, longer), atol=1e-5
  )


def test_masked_tokens_have_no_influence_and_real_ones_have(variables):
  ids, mask = SENTENCES["token_ids"], SENTENCES["attention_mask"]
  before = _apply(variables, SENTENCES)
  changed = {
    "token_ids": np.where(mask, ids, 7),
    "attention_mask": mask.astype(np.int32),
  }
  chex.assert_trees_all_equal(before, _apply(variables, changed))
  changed = ids.copy()
  changed[np.arange(4), np.array(LENGTHS) - 1] += 1
  moved = _apply(variables, {**SENTENCES, "token_ids": changed % 40})
  assert (jnp.abs(moved - before).max(axis=-1) > 1e-3).all()


def test_all_masked_row_is_finite(variables):
  nothing = np.zeros_like(SENTENCES["attention_mask"])
  chex.assert_tree_all_finite(
    _apply(variables, {**SENTENCES, "attention_mask": nothing})
  )


def test_too_long_a_sequence_is_refused(variables):
  with pytest.raises(UserError, match=r"17 tokens.*16 positions"):
    MODEL.apply(variables, tiny.sentences(3, padded_to=17))


def test_config_from_hugging_face_fills_only_the_optional_fields():
  fields = {k: v for k, v in checkpoints.CONFIG.items() if k != "model_type"}
  config = BertConfig.from_hugging_face({**fields, "layer_norm_eps": 1e-5})
  assert config == dataclasses.replace(tiny.BERT, layer_norm_eps=1e-5)


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"model_type": "roberta"}, "model_type is 'roberta'"),
    ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
    ({"is_decoder": True}, "is_decoder is True"),
    ({"add_cross_attention": True}, "add_cross_attention"),
    ({"hidden_act": "mish"}, "'mish' is not supported; use one of gelu"),
    ({"num_attention_heads": 5}, "32 is no multiple of num_heads 5"),
    ({"vocab_size": 0}, "vocab_size is 0"),
    ({"hidden_size": "32"}, "hidden_size is '32'"),
    ({"intermediate_size": 64.5}, "intermediate_size is 64.5"),
  ],
)
def test_unsupported_config_is_refused(change, message):
  with pytest.raises(UserError, match=message):
    BertConfig.from_hugging_face({**checkpoints.CONFIG, **change})


def test_config_without_a_size_is_refused():
  fields = {k: v for k, v in checkpoints.CONFIG.items() if k != "vocab_size"}
  with pytest.raises(UserError, match="no 'vocab_size'"):
    BertConfig.from_hugging_face(fields)
