"""What is read of a residual stream is what the network computes."""

import dataclasses

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax.models import residual
from structcomp_jax.models.bert import Bert
from structcomp_jax.models.gpt import Gpt
from structcomp_jax.models.mlp import Mlp
from structcomp_jax.models.vit import ViT
from structcomp_jax.types import UserError

from . import tiny

INPUTS = tiny.sentences(14, 9, 5, 2)
NETWORKS = {
  "gpt": Gpt(dataclasses.replace(tiny.GPT, num_layers=2)),
  "llama": Gpt(dataclasses.replace(tiny.LLAMA, num_layers=2)),
  "bert": Bert(tiny.BERT),
  "bert, packed": Bert(tiny.BERT, tokens_per_sentence=5.0),
}


def captured(name):
  """Returns weights and what is read."""
  model = NETWORKS[name]
  params = tiny.spread(model.init(jax.random.key(0), INPUTS))["params"]
  return params, jax.jit(
    lambda params: residual.updates(model, params, INPUTS)
  )(params)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_stream_is_what_enters_the_next_stage(name):
  model = NETWORKS[name]
  params, found = captured(name)
  streams = [site for site in found if site.endswith("/stream")]
  assert [site.split("/")[0] for site in streams] == [
    "embeddings", "layer_0", "layer_1"
  ]  # fmt: skip
  for site, following in zip(streams, model.stages[1:], strict=False):
    entering = model.apply(
      {"params": params}, INPUTS, following, method="features_before"
    )["hidden"]
    chex.assert_trees_all_close(found[site], entering, atol=1e-5)
  hidden = model.apply({"params": params}, INPUTS, method="last_hidden")
  assert found["layer_1/stream"].shape == hidden.shape
  if "bert" in name:
    chex.assert_trees_all_close(found["layer_1/stream"], hidden, atol=1e-5)


@pytest.mark.parametrize("name", ["gpt", "llama"])
def test_updates_of_a_decoder_add_up_to_the_stream(name):
  _, found = captured(name)
  before = found["embeddings/stream"]
  for layer in ("layer_0", "layer_1"):
    after = (
      before + found[f"{layer}/attention"] + found[f"{layer}/feed_forward"]
    )
    chex.assert_trees_all_close(found[f"{layer}/stream"], after, atol=1e-5)
    assert float(jnp.abs(found[f"{layer}/attention"]).max()) > 0.01
    before = after


def normed(x, norm):
  centred = x - x.mean(-1, keepdims=True)
  scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
  return scaled * norm["scale"] + norm["bias"]


def test_updates_of_a_bert_are_added_before_each_norm():
  params, found = captured("bert")
  before = np.asarray(found["embeddings/stream"])
  for name in ("layer_0", "layer_1"):
    layer = params[name]
    middle = normed(
      before + found[f"{name}/attention"], layer["attention"]["layer_norm"]
    )
    after = normed(middle + found[f"{name}/feed_forward"], layer["layer_norm"])
    np.testing.assert_allclose(found[f"{name}/stream"], after, atol=1e-4)
    before = after


@pytest.mark.parametrize("model", [Mlp(tiny.MLP), ViT(tiny.VIT)])
def test_other_networks_are_refused(model):
  with pytest.raises(UserError, match="give a Bert or a Gpt"):
    residual.updates(model, {}, {})
