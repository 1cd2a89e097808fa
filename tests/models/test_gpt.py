"""The decoder: who sees whom, and what a tied head shares.

Agreement with Hugging Face: `pretrained/test_decoders.py`.
"""

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from structcomp_jax import masks, search, trees
from structcomp_jax.models.gpt import Gpt, GptConfig
from structcomp_jax.models.layers import rotary
from structcomp_jax.types import UserError

from . import tiny

INPUTS = tiny.sentences(14, 9, 5, 2)
CONFIGS = {"gpt": tiny.GPT, "llama": tiny.LLAMA}


@functools.cache
def weights(name):
  """Returns random variables, far from initial ones."""
  init = Gpt(CONFIGS[name]).init
  shapes = jax.eval_shape(init, jax.random.key(0), INPUTS)
  return tiny.spread(
    jax.tree_util.tree_map_with_path(
      lambda path, leaf: np.full(
        leaf.shape, float("scale" in str(path)), np.float32
      ),
      shapes,
    )
  )


@functools.partial(jax.jit, static_argnames=("name", "method"))
def run(variables, inputs, name, method="__call__"):
  """Compiled once for each network and method."""
  return Gpt(CONFIGS[name]).apply(variables, inputs, method=method)


@pytest.fixture(params=CONFIGS)
def name(request):
  return request.param


def test_leaves(name):
  leaves = trees.leaves_by_path(weights(name)["params"])
  shapes = {path: leaf.shape for path, leaf in leaves.items()}
  inner = "layer_0/attention"
  assert shapes["embeddings/word_embeddings/embedding"] == (40, 12)
  if name == "gpt":
    assert shapes[f"{inner}/key/kernel"] == (12, 12)
    assert len(shapes) == 2 + 16 + 2
  else:
    assert shapes[f"{inner}/query/kernel"] == (12, 16)
    assert shapes[f"{inner}/key/kernel"] == (12, 8)
    assert shapes[f"{inner}/output/kernel"] == (16, 12)
    assert shapes["head/kernel"] == (12, 40)
    assert len(shapes) == 1 + 9 + 1 + 1


def test_no_position_sees_a_later_one_and_each_sees_all_before(name):
  before = run(weights(name), INPUTS, name)
  for place in (0, 6):
    changed = INPUTS["token_ids"].copy()
    changed[0, place] = (changed[0, place] + 1) % 40
    after = run(weights(name), {**INPUTS, "token_ids": changed}, name)
    moved = np.abs(np.asarray(after - before)).max(axis=-1)
    assert (moved[0, :place] == 0).all() and (moved[1:] == 0).all()
    assert (moved[0, place:] > 1e-4).all()


def test_padding_has_no_influence_wherever_it_is(name):
  ids, mask = INPUTS["token_ids"], INPUTS["attention_mask"]
  for is_real in (mask, mask[:, ::-1]):
    results = [
      run(
        weights(name),
        {
          "token_ids": np.where(is_real, ids, fill),
          "attention_mask": is_real.astype(np.int32),
        },
        name,
      )
      for fill in (0, 7)
    ]
    np.testing.assert_array_equal(*(np.asarray(x)[is_real] for x in results))


def test_without_a_mask_all_tokens_are_real(name):
  ids = {"token_ids": INPUTS["token_ids"]}
  ones = {**ids, "attention_mask": np.ones(ids["token_ids"].shape, bool)}
  chex.assert_trees_all_equal(
    run(weights(name), ids, name), run(weights(name), ones, name)
  )


def test_logits_are_products_of_the_hidden_states_with_the_head(name):
  params = weights(name)["params"]
  hidden = run(weights(name), INPUTS, name, method="last_hidden")
  head = (
    params["embeddings"]["word_embeddings"]["embedding"].T
    if CONFIGS[name].tied
    else params["head"]["kernel"]
  )
  chex.assert_trees_all_close(
    run(weights(name), INPUTS, name), hidden @ head, atol=1e-4
  )


def test_a_mask_of_a_tied_embedding_changes_both_of_its_uses():
  params = weights("gpt")["params"]
  rules = [("embeddings/word_.*", "weight"), (".*", "frozen")]
  spec = masks.select(params, rules)
  assert spec.num_weights == 40 * 12
  rows = np.arange(40)[:, None] != 3
  mask = {spec.paths[0]: np.broadcast_to(rows, (40, 12))}
  masked = {"params": masks.merge(params, mask)}
  ids = np.array([[5, 3, 8]], np.int32)
  logits = run(masked, {"token_ids": ids}, "gpt")
  assert (logits[..., 3] == 0).all() and (logits[..., 4] != 0).all()
  other = run(weights("gpt"), {"token_ids": ids}, "gpt")
  chex.assert_trees_all_equal(logits[0, 0, 4:], other[0, 0, 4:])
  assert (logits[0, 1, 4:] != other[0, 1, 4:]).all()


def test_rotary_scores_depend_on_distances_alone():
  random = np.random.default_rng(0)
  row = random.standard_normal((2, 1, 1, 8), np.float32)
  query, key = np.broadcast_to(row, (2, 1, 9, 8))
  turned = [
    np.asarray(rotary.rotate(jnp.asarray(x), 2, 100.0))[0].reshape(9, 2, 4)
    for x in (query, key)
  ]
  for head in range(2):
    first, second = (x[:, head] for x in turned)
    scores = first @ second.T
    for distance in range(-8, 9):
      diagonal = np.diagonal(scores, distance)
      np.testing.assert_allclose(diagonal, diagonal[0], atol=1e-5)
    assert np.ptp(scores[0]) > 0.1


def test_masks_are_searched_on_cached_features():
  """Heads' columns of the last layer are masked; what enters it is stored."""
  model, params = Gpt(tiny.LLAMA), weights("llama")["params"]
  rules = [("layer_0/attention/.*/kernel", "neuron"), (".*", "frozen")]
  spec = masks.select(params, rules)
  assert spec.num_units == 16 + 8 + 8 + 12
  features = model.apply(
    {"params": params}, INPUTS, "layer_0", method="features_before"
  )
  dataset = jax.tree.map(np.asarray, {**features, **INPUTS})

  def loss_fn(params, batch):
    logits = model.apply(
      {"params": params}, batch, "layer_0", method="from_stage"
    )
    losses = optax.softmax_cross_entropy_with_integer_labels(
      logits[:, :-1], batch["token_ids"][:, 1:]
    )
    return (losses * batch["attention_mask"][:, 1:]).mean()

  result = search.run(
    loss_fn,
    params,
    spec,
    dataset,
    search.SearchConfig(num_epochs=1, batch_size=2, learning_rates=(0.1,)),
    key=jax.random.key(0),
    devices=jax.devices()[:1],
  )
  assert result.finite.all()
  whole = {"params": masks.merge(params, result.mask)}
  direct = run(whole, INPUTS, "llama")
  resumed = model.apply(whole, features, "layer_0", method="from_stage")
  chex.assert_trees_all_close(direct, resumed, atol=1e-5)


def test_too_long_a_sequence_is_refused(name):
  with pytest.raises(UserError, match=r"17 tokens.*16 positions"):
    Gpt(CONFIGS[name]).apply(weights(name), tiny.sentences(3, padded_to=17))


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"num_key_heads": 2}, "3 is no multiple of num_key_heads 2"),
    ({"positions": "sines"}, "'sines' is not supported; use one of learned"),
    ({"norm": "batch"}, "'batch' is not supported; use one of layer, rms"),
    ({"hidden_act": "mish"}, "'mish' is not supported; use one of gelu"),
    ({"positions": "rotary", "head_size": 3}, "3 is odd; rotary positions"),
    ({"rotary_stretch": [8.0]}, r"\(8.0,\); give four numbers or none"),
    ({"num_layers": 0}, "num_layers is 0"),
  ],
)
def test_unsupported_config_is_refused(change, message):
  with pytest.raises(UserError, match=message):
    dataclasses.replace(tiny.GPT, **change)


def test_the_default_is_the_smallest_gpt2():
  token = jax.ShapeDtypeStruct((1, 1), jnp.int32)
  variables = jax.eval_shape(
    Gpt(GptConfig()).init, jax.random.key(0), {"token_ids": token}
  )
  sizes = [leaf.size for leaf in jax.tree.leaves(variables)]
  assert sum(sizes) == 124_439_808
