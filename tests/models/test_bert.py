"""The BERT encoder: invariants of the forward pass and its gradients."""

import dataclasses
import functools
import json

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import trees
from structcomp_jax.models.bert import Bert, BertConfig, stages
from structcomp_jax.types import UserError

from . import checkpoints

CONFIG = BertConfig(
  vocab_size=40,
  hidden_size=16,
  num_layers=2,
  num_heads=2,
  intermediate_size=32,
  max_positions=50,
)
LENGTHS = np.array([14, 9, 5, 2])


def _inputs(length: int = 14) -> tuple[jax.Array, jax.Array]:
  """Four sentences of `LENGTHS` tokens, padded to `length` with id 0."""
  mask = np.arange(length) < LENGTHS[:, None]
  ids = np.zeros(mask.shape, np.int32)
  ids[:, :14] = np.random.default_rng(0).integers(1, 40, (4, 14))
  return jnp.asarray(ids * mask), jnp.asarray(mask)


@pytest.fixture(scope="module")
def variables():
  initial = jax.jit(Bert(CONFIG).init)(jax.random.key(0), *_inputs())
  # Larger than BERT's initial values: attention must differ from a mean.
  key = jax.random.key(1)
  return jax.tree.map(
    lambda leaf: leaf + 0.3 * jax.random.normal(key, leaf.shape), initial
  )


@functools.partial(jax.jit, static_argnames=("method", "stage"))
def _apply(variables, *inputs, method="__call__", stage=None):
  """Compiled once for each method, stage and shape."""
  options = {} if stage is None else {"stage": stage}
  return Bert(CONFIG).apply(variables, *inputs, method=method, **options)


def test_parameter_paths_and_shapes(variables):
  leaves = trees.leaves_by_path(variables["params"])
  assert {path.split("/")[0] for path in leaves} == set(stages(CONFIG))
  assert leaves["embeddings/word_embeddings/embedding"].shape == (40, 16)
  assert leaves["layer_1/attention/output/kernel"].shape == (16, 16)
  assert leaves["layer_0/intermediate/kernel"].shape == (16, 32)
  assert "layer_1/attention/layer_norm/scale" in leaves
  assert len(leaves) == 5 + 16 * 2
  chex.assert_trees_all_equal_dtypes(
    leaves, {path: jnp.zeros((), jnp.float32) for path in leaves}
  )


def test_initial_values_are_those_of_bert():
  config = dataclasses.replace(CONFIG, vocab_size=2000, num_layers=1)
  params = jax.jit(Bert(config).init)(jax.random.key(0), *_inputs())["params"]
  for path, leaf in trees.leaves_by_path(params).items():
    kind = path.rsplit("/", 1)[1]
    if kind in ("kernel", "embedding"):
      spread = 0.02 / np.sqrt(2 * leaf.size)
      assert abs(float(leaf.std()) - 0.02) < 5 * spread, path
    else:
      np.testing.assert_array_equal(leaf, 1.0 if kind == "scale" else 0.0)


def test_first_token_is_position_0_of_the_last_hidden_state(variables):
  inputs = _inputs()
  full = _apply(variables, *inputs)
  first = _apply(variables, *inputs, method="first_token")
  chex.assert_shape(full, (4, 14, 16))
  chex.assert_trees_all_close(first, full[:, 0], atol=1e-6)


def test_first_token_costs_less_than_all_tokens(variables):
  def num_flops(method):
    lowered = _apply.lower(variables, *_inputs(), method=method)
    return lowered.compile().cost_analysis()["flops"]

  assert num_flops("first_token") < 0.8 * num_flops("__call__")


@pytest.mark.parametrize("stage", stages(CONFIG)[1:])
def test_running_in_two_parts_changes_nothing(variables, stage):
  ids, mask = _inputs()
  hidden = _apply(variables, ids, mask, method="hidden_before", stage=stage)
  resumed = _apply(
    variables, hidden, mask, method="first_token_from", stage=stage
  )
  whole = _apply(variables, ids, mask, method="first_token")
  chex.assert_trees_all_close(resumed, whole, atol=1e-6)


def test_padding_further_does_not_change_the_sentence_vector(variables):
  short = _apply(variables, *_inputs(14), method="first_token")
  long = _apply(variables, *_inputs(50), method="first_token")
  chex.assert_trees_all_close(short, long, atol=1e-6)


def test_masked_tokens_have_no_influence_and_real_ones_have(variables):
  ids, mask = _inputs()
  as_integers = mask.astype(jnp.int32)
  before = _apply(variables, ids, mask, method="first_token")
  padding_changed = jnp.where(mask, ids, 7)
  after = _apply(variables, padding_changed, as_integers, method="first_token")
  chex.assert_trees_all_equal(before, after)
  last_real = jnp.asarray(LENGTHS) - 1
  changed = ids.at[jnp.arange(4), last_real].add(1)
  moved = _apply(variables, changed % 40, mask, method="first_token")
  assert (jnp.abs(moved - before).max(axis=-1) > 1e-3).all()


def test_a_sentence_does_not_depend_on_its_neighbours(variables):
  ids, mask = _inputs()
  together = _apply(variables, ids, mask)
  alone = _apply(variables, ids[1:2], mask[1:2])
  # Products of one sentence and of several add up in another order; outputs
  # reach 3.4, where 4e-6 are ten float32 roundings (JAX 0.12: 2.2e-6).
  chex.assert_trees_all_close(together[1:2], alone, atol=4e-6)


def test_all_masked_row_is_finite(variables):
  ids, mask = _inputs()
  chex.assert_tree_all_finite(_apply(variables, ids, jnp.zeros_like(mask)))


def test_gradients_are_finite_and_reach_every_leaf(variables):
  ids, mask = _inputs()

  @jax.jit
  def gradients(variables):
    def loss(variables):
      first = Bert(CONFIG).apply(variables, ids, mask, method="first_token")
      return (first**2 * jnp.arange(16)).sum()

    return jax.grad(loss)(variables)

  leaves = trees.leaves_by_path(gradients(variables)["params"])
  chex.assert_tree_all_finite(leaves)
  for path, leaf in leaves.items():
    # A key bias shifts all scores of a row alike: softmax does not see it.
    if not path.endswith("key/bias"):
      assert float(jnp.abs(leaf).max()) > 1e-4, path


def test_candidate_axis_over_parameters_equals_single_runs(variables):
  ids, mask = _inputs()
  other = jax.tree.map(lambda leaf: leaf * 0.5, variables)
  stacked = trees.stack([variables, other])
  run = functools.partial(_apply, method="first_token")
  both = jax.vmap(lambda variables: run(variables, ids, mask))(stacked)
  single = jnp.stack([run(variables, ids, mask), run(other, ids, mask)])
  chex.assert_trees_all_close(both, single, atol=1e-5)


def test_compute_dtype(variables):
  ids, mask = _inputs()
  low = Bert(CONFIG, dtype=jnp.bfloat16)
  first = jax.jit(
    lambda variables: low.apply(variables, ids, mask, method="first_token")
  )(variables)
  chex.assert_type(first, jnp.bfloat16)
  exact = _apply(variables, ids, mask, method="first_token")
  error = jnp.abs(first.astype(jnp.float32) - exact)
  assert float(error.mean()) < 0.05


def test_too_long_a_sequence_is_refused(variables):
  ids, mask = _inputs(51)
  with pytest.raises(UserError, match=r"51 tokens.*50 positions"):
    Bert(CONFIG).apply(variables, ids, mask)


def test_unknown_stage_is_refused(variables):
  with pytest.raises(UserError, match="'layer_2'; use one of layer_0"):
    _apply(variables, *_inputs(), method="hidden_before", stage="layer_2")


def test_config_survives_json():
  fields = json.loads(json.dumps(dataclasses.asdict(CONFIG)))
  assert BertConfig(**fields) == CONFIG


def test_config_from_hugging_face_fills_only_the_optional_fields():
  fields = {k: v for k, v in checkpoints.CONFIG.items() if k != "model_type"}
  config = BertConfig.from_hugging_face({**fields, "layer_norm_eps": 1e-5})
  assert config == BertConfig(
    vocab_size=40,
    hidden_size=32,
    num_layers=2,
    num_heads=4,
    intermediate_size=64,
    max_positions=16,
    layer_norm_eps=1e-5,
  )


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"model_type": "roberta"}, "model_type is 'roberta'"),
    ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
    ({"is_decoder": True}, "is_decoder is True"),
    ({"add_cross_attention": True}, "add_cross_attention"),
    ({"hidden_act": "silu"}, "'silu' is not supported; use one of gelu"),
    ({"num_attention_heads": 5}, "32 does not divide into 5 heads"),
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
