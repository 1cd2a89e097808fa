"""What holds for every network of named stages.

A new network enters by a line in `NETWORKS`.
"""

import dataclasses
import functools
import json

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import trees
from structcomp_jax.models import staged
from structcomp_jax.models.bert import Bert
from structcomp_jax.models.cnn import Cnn, CnnConfig
from structcomp_jax.models.gpt import Gpt
from structcomp_jax.models.lstm import Lstm
from structcomp_jax.models.mlp import Mlp
from structcomp_jax.models.resnet import ResNet
from structcomp_jax.models.seq2seq.lstm import Seq2SeqLstm
from structcomp_jax.models.seq2seq.transformer import Seq2SeqTransformer
from structcomp_jax.models.vit import ViT
from structcomp_jax.types import UserError

from . import tiny

COMMANDS = tiny.commands((6, 2), (3, 8), (1, 1), (4, 4))
# {name: (network, what it reads, noise that is added to its initial weights)}
NETWORKS = {
  "bert": (Bert(tiny.BERT), tiny.sentences(14, 9, 5, 2), 0.3),
  "bert, packed": (
    Bert(tiny.BERT, tokens_per_sentence=5.0),
    tiny.sentences(*[5] * 16),
    0.3,
  ),
  "gpt": (Gpt(tiny.GPT), tiny.sentences(14, 9, 5, 2), 0.3),
  "llama": (Gpt(tiny.LLAMA), tiny.sentences(14, 9, 5, 2), 0.3),
  "vit": (ViT(tiny.VIT), tiny.IMAGES, 0.1),
  "resnet, bottlenecks": (ResNet(tiny.BOTTLENECKS), tiny.IMAGES, 0.0),
  "resnet, basic blocks": (ResNet(tiny.BASIC), tiny.IMAGES, 0.0),
  "resnet, batch norm": (
    ResNet(dataclasses.replace(tiny.BASIC, norm="batch", normalized=True)),
    {"images": tiny.IMAGES["images"].astype(np.float32) / 255},
    0.0,
  ),
  "cnn": (
    Cnn(CnnConfig(num_outputs=5, widths=(4, 6), dropouts=(0.0, 0.5))),
    {"images": tiny.IMAGES["images"].astype(np.float32) / 255},
    0.3,
  ),
  "mlp": (Mlp(tiny.MLP), tiny.features(4, 6), 0.3),
  "lstm": (Lstm(tiny.LSTM), tiny.features(4, 3, 6), 0.3),
  "seq2seq lstm": (Seq2SeqLstm(tiny.SEQ2SEQ_LSTM), COMMANDS, 0.3),
  "seq2seq transformer": (
    Seq2SeqTransformer(tiny.SEQ2SEQ_TRANSFORMER),
    COMMANDS,
    0.1,
  ),
}
# Networks that return a vector for every position of an item.
SEQUENCES = ("gpt", "llama", "lstm", "seq2seq lstm", "seq2seq transformer")


@functools.cache
def weights(name):
  """Returns the variables of a network."""
  model, inputs, noise = NETWORKS[name]
  initial = jax.jit(model.init)(jax.random.key(0), inputs)
  return tiny.spread(initial, noise)


@functools.partial(jax.jit, static_argnames="model")
def run(variables, inputs, *, model):
  """Compiled once for each network and number of items."""
  return model.apply(variables, inputs)


@functools.partial(jax.jit, static_argnames="model")
def run_in_two_parts(variables, inputs, *, model):
  """Returns {stage: (features before it, what is computed from them)}.

  One program for all stages of a network takes less time to compile.
  """
  apply = functools.partial(model.apply, variables)
  parts = {}
  for stage in model.stages[1:]:
    features = apply(inputs, stage, method="features_before")
    parts[stage] = features, apply(features, stage, method="from_stage")
  return parts


@pytest.fixture(params=NETWORKS)
def name(request):
  return request.param


def test_stages_name_the_parameters(name):
  model = NETWORKS[name][0]
  leaves = trees.leaves_by_path(weights(name)["params"])
  assert {path.split("/")[0] for path in leaves} == set(model.stages)
  assert len(set(model.stages)) == len(model.stages)
  assert {leaf.dtype for leaf in leaves.values()} == {jnp.dtype("float32")}


def test_every_item_has_a_vector_of_its_own(name):
  model, inputs, _ = NETWORKS[name]
  together = run(weights(name), inputs, model=model)
  chex.assert_rank(together, 3 if name in SEQUENCES else 2)
  assert len(together) == trees.num_rows(inputs)
  # Copies of one item: another number of items would be another program.
  copies = trees.row(inputs, np.ones(len(together), int))
  for alone in run(weights(name), copies, model=model):
    chex.assert_trees_all_close(together[1], alone, atol=1e-5)
  assert float(jnp.abs(together[0] - together[1]).max()) > 0.01


def test_running_in_two_parts_changes_nothing(name):
  model, inputs, _ = NETWORKS[name]
  whole = run(weights(name), inputs, model=model)
  parts = run_in_two_parts(weights(name), inputs, model=model)
  assert set(parts) == set(model.stages[1:])
  for features, resumed in parts.values():
    assert trees.num_rows(features) == trees.num_rows(inputs)
    chex.assert_trees_all_close(resumed, whole, atol=1e-5)


@pytest.mark.parametrize("method", ["features_before", "from_stage"])
def test_other_stages_are_refused(name, method):
  model, inputs, _ = NETWORKS[name]
  if method == "from_stage":
    parts = run_in_two_parts(weights(name), inputs, model=model)
    inputs, _ = parts[model.stages[1]]
  for stage in (model.stages[0], "stage_99"):
    expected = f"'{stage}'; use one of {', '.join(model.stages[1:])}"
    with pytest.raises(UserError, match=expected):
      model.apply(weights(name), inputs, stage, method=method)


def test_gradients_are_finite_and_reach_every_leaf(name):
  model, inputs, _ = NETWORKS[name]

  @jax.jit
  @jax.grad
  def gradients(variables):
    embedding = model.apply(variables, inputs)
    return (embedding**2 * jnp.arange(1, 1 + embedding.shape[-1])).sum()

  leaves = trees.leaves_by_path(gradients(weights(name))["params"])
  chex.assert_tree_all_finite(leaves)
  for path, leaf in leaves.items():
    # A key bias shifts all scores of a row alike: softmax does not see it.
    if not path.endswith("key/bias"):
      assert float(jnp.abs(leaf).max()) > 1e-5, path


def test_vmap_over_weights_equals_one_by_one(name):
  model, inputs, _ = NETWORKS[name]
  rows = [
    weights(name),
    jax.tree.map(lambda leaf: leaf * 0.5 + 0.01, weights(name)),
  ]
  both = jax.vmap(lambda row: run(row, inputs, model=model))(trees.stack(rows))
  single = jnp.stack([run(row, inputs, model=model) for row in rows])
  chex.assert_trees_all_close(both, single, atol=1e-5)


def test_chunks_with_masks_of_their_own_equal_separate_runs(name):
  """A search calls a network once for each mask sample, on its own items."""
  model, inputs, _ = NETWORKS[name]
  random = np.random.default_rng(0)
  rows = [
    jax.tree.map(lambda leaf: leaf * random.integers(0, 2, leaf.shape), whole)
    for whole in [weights(name)] * 2
  ]
  # As many items as elsewhere: another number would be another program.
  chunks = [inputs, trees.row(inputs, slice(None, None, -1))]
  together = jax.vmap(lambda row, chunk: run(row, chunk, model=model))(
    trees.stack(rows), jax.tree.map(lambda *leaves: jnp.stack(leaves), *chunks)
  )
  for row, chunk, output in zip(rows, chunks, together, strict=True):
    alone = run(row, chunk, model=model)
    chex.assert_trees_all_close(output, alone, atol=1e-5)


def test_bfloat16_is_close(name):
  model, inputs, _ = NETWORKS[name]
  narrow = run(weights(name), inputs, model=model.clone(dtype=jnp.bfloat16))
  chex.assert_type(narrow, jnp.bfloat16)
  exact = run(weights(name), inputs, model=model)
  assert float(jnp.abs(narrow.astype(jnp.float32) - exact).mean()) < 0.02


def test_equal_configs_make_equal_networks(name):
  """Also after JSON, which turns tuples into lists."""
  model = NETWORKS[name][0]
  fields = json.loads(json.dumps(dataclasses.asdict(model.config)))
  config = type(model.config)(**fields)
  assert config == model.config
  assert hash(config) == hash(model.config)
  again = model.clone(config=config)
  assert again == model
  assert hash(again) == hash(model)
  assert model.clone(dtype=jnp.bfloat16) != model


@pytest.mark.parametrize("first", [1, "b"])
def test_stages_from_a_name_or_a_number(first):
  assert staged.stages_from(("a", "b", "c"), first, name="x") == ("b", "c")


@pytest.mark.parametrize("first", [3, -1, 1.0, "d", ""])
def test_stages_from_nowhere_are_refused(first):
  with pytest.raises(UserError, match=r"^x .*; choose from a, b, c, or .* 2$"):
    staged.stages_from(("a", "b", "c"), first, name="x")
