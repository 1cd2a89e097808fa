"""Where attention heads lie in weights, told by what the networks compute."""

import jax
import numpy as np
import pytest

from structcomp_jax import trees
from structcomp_jax.models.bert import Bert
from structcomp_jax.models.gpt import Gpt, heads
from structcomp_jax.models.layers import transformer
from structcomp_jax.models.seq2seq.transformer import Seq2SeqTransformer
from structcomp_jax.models.vit import ViT

from . import tiny

NETWORKS = {
  "bert": (Bert(tiny.BERT), tiny.sentences(14, 9, 5, 2)),
  "vit": (ViT(tiny.VIT), tiny.IMAGES),
  "seq2seq transformer": (
    Seq2SeqTransformer(tiny.SEQ2SEQ_TRANSFORMER),
    tiny.commands((6, 2), (3, 8)),
  ),
}


def _changed(leaf, axis, number, count, change):
  """Returns a matrix of which the part of one head is changed."""
  found = np.moveaxis(np.array(leaf), axis, 0)
  part = slice(number * len(found) // count, (number + 1) * len(found) // count)
  found[part] = change(found[part])
  return np.moveaxis(found, 0, axis)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_head_without_output_rows_has_no_columns_that_matter(name):
  model, inputs = NETWORKS[name]
  count = model.config.num_heads
  variables = tiny.spread(model.init(jax.random.key(0), inputs), 0.1)
  leaves = trees.leaves_by_path(variables["params"])
  attentions = transformer.head_axes(leaves)
  apply = jax.jit(model.apply)

  def output(changed):
    params = trees.replace_leaves(variables["params"], changed)
    return np.asarray(apply({"params": params}, inputs))

  assert attentions
  for axes in attentions.values():
    (last,) = (path for path, axis in axes.items() if axis == 0)
    silent = {last: _changed(leaves[last], 0, 1, count, lambda part: 0 * part)}
    before = output(silent)
    for path, axis in axes.items():
      if path != last:
        for number in range(count):
          other = _changed(
            leaves[path], axis, number, count, lambda part: 3 * part
          )
          is_equal = np.array_equal(output({**silent, path: other}), before)
          assert is_equal == (number == 1), (path, number)


@pytest.mark.parametrize(
  ("name", "expected"),
  [
    ("bert", {f"layer_{n}/attention": 4 for n in range(2)}),
    ("vit", {f"layer_{n}/attention": 4 for n in range(2)}),
  ],
)
def test_every_matrix_of_an_attention_is_known(name, expected):
  model, inputs = NETWORKS[name]
  params = jax.eval_shape(model.init, jax.random.key(0), inputs)["params"]
  found = transformer.head_axes(trees.leaves_by_path(params))
  assert {place: len(axes) for place, axes in found.items()} == expected


def test_heads_that_share_keys_and_values():
  model, inputs = Gpt(tiny.LLAMA), tiny.sentences(14, 9, 5, 2)
  variables = tiny.spread(model.init(jax.random.key(0), inputs), 0.1)
  leaves = trees.leaves_by_path(variables["params"])
  apply = jax.jit(model.apply)
  found = heads(model.config, leaves)
  assert {place: count for place, (count, _) in found.items()} == {
    "layer_0/attention": 4,
    "layer_0/attention/key_value": 2,
  }

  def output(changed):
    params = trees.replace_leaves(variables["params"], changed)
    return np.asarray(apply({"params": params}, inputs))

  # Without the output of heads 2 and 3 (of 4), which read the second key.
  last = "layer_0/attention/output/kernel"
  silent = {last: _changed(leaves[last], 0, 1, 2, lambda part: 0 * part)}
  before = output(silent)
  for count, axes in found.values():
    for path in axes.keys() - {last}:
      for number in range(count):
        other = _changed(leaves[path], -1, number, count, lambda part: 3 * part)
        is_equal = np.array_equal(output({**silent, path: other}), before)
        assert is_equal == (number >= count / 2), (path, number)


def test_networks_without_attention_have_no_heads():
  paths = ["layer_0/output/kernel", "stage_1/attention_like/kernel", "head"]
  assert transformer.head_axes(paths) == {}
