"""Decoder checkpoints: agreement with Hugging Face to 1e-5, and errors."""

import functools
import json
import pathlib

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from structcomp_jax import trees
from structcomp_jax.models.gpt import Gpt
from structcomp_jax.models.pretrained import decoders
from structcomp_jax.types import UserError

GOLDEN = pathlib.Path(__file__).parents[2] / "golden" / "gpt_tiny.npz"
KINDS = ("gpt2", "llama", "qwen2")


@functools.cache
def golden():
  with np.load(GOLDEN) as arrays:
    return dict(arrays)


def weights(kind):
  """Returns {name: f32 array} under the names of Hugging Face's files."""
  start = f"{kind}/weight/"
  return {
    name.removeprefix(start): array.astype(np.float32)
    for name, array in golden().items()
    if name.startswith(start)
  }


def write(directory, kind, tensors=None, **changes):
  """Writes config.json and model.safetensors of a golden decoder."""
  fields = json.loads(str(golden()[f"{kind}/config"])) | changes
  (directory / "config.json").write_text(json.dumps(fields))
  save_file(
    weights(kind) if tensors is None else tensors,
    directory / "model.safetensors",
  )
  return directory


@functools.partial(jax.jit, static_argnames="config")
def logits(params, inputs, config):
  """Compiled once for each network."""
  return Gpt(config).apply({"params": params}, inputs)


def check_logits(directory, kind):
  """Compares real tokens; what is said at padding means nothing."""
  config, params = decoders.load(directory)
  inputs = {
    "token_ids": golden()["token_ids"].astype(np.int32),
    "attention_mask": golden()["attention_mask"],
  }
  is_real = inputs["attention_mask"] == 1
  found = np.asarray(logits(params, inputs, config))
  expected = golden()[f"{kind}/logits"]
  np.testing.assert_allclose(
    found[is_real], expected[is_real], atol=1e-5, rtol=0
  )


@pytest.mark.parametrize("kind", KINDS)
def test_random_weights_agree_with_hugging_face(tmp_path, kind):
  check_logits(write(tmp_path, kind), kind)


def _bare(kind):
  """Returns the names of a network that was saved without its head."""
  words = ("transformer.", "model.")
  return {
    name.removeprefix(words[0]).removeprefix(words[1]): array
    for name, array in weights(kind).items()
  }


def _older(kind):
  """Returns GPT-2's names with the buffers that older files have."""
  buffers = {
    "transformer.h.0.attn.bias": np.ones((1, 1, 12, 12), np.uint8),
    "transformer.h.1.attn.masked_bias": np.array(-1e4, np.float32),
  }
  head = weights(kind)["transformer.wte.weight"]
  return {**weights(kind), **buffers, "lm_head.weight": head}


@pytest.mark.parametrize(
  ("kind", "change"),
  [
    ("gpt2", _bare),
    ("gpt2", _older),
    ("llama", _bare),
    (
      "llama",
      lambda kind: {f"module.{n}": array for n, array in weights(kind).items()},
    ),
    (
      "qwen2",
      lambda kind: {
        f"base_model.{name}": array for name, array in _bare(kind).items()
      },
    ),
  ],
)
def test_name_variants_give_the_same_logits(tmp_path, kind, change):
  check_logits(write(tmp_path, kind, change(kind)), kind)


def test_kernels_of_both_layouts_are_turned_into_ours(tmp_path):
  _, params = decoders.load(write(tmp_path, "gpt2"))
  fused = weights("gpt2")["transformer.h.1.attn.c_attn.weight"]
  for number, name in enumerate(("query", "key", "value")):
    kernel = params["layer_1"]["attention"][name]["kernel"]
    np.testing.assert_array_equal(
      kernel, fused[:, 16 * number : 16 * (number + 1)]
    )
  (tmp_path / "llama").mkdir()
  _, params = decoders.load(write(tmp_path / "llama", "llama"))
  down = weights("llama")["model.layers.0.mlp.down_proj.weight"]
  np.testing.assert_array_equal(params["layer_0"]["output"]["kernel"], down.T)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tied_head_is_no_leaf(tmp_path, kind):
  config, params = decoders.load(write(tmp_path, kind))
  heads = [path for path in trees.leaves_by_path(params) if "head" in path]
  assert config.tied == (kind != "llama")
  assert heads == ([] if config.tied else ["head/kernel"])


def test_sizes_of_older_files(tmp_path):
  """Rotary settings have another place, and other fields are missing."""
  fields = json.loads(str(golden()["llama/config"]))
  (tmp_path / "config.json").write_text(json.dumps(fields))
  new = decoders.read_sizes(fields)
  del fields["rope_parameters"], fields["head_dim"], fields["attention_bias"]
  fields |= {"rope_theta": 500000, "rope_scaling": None}
  old = decoders.read_sizes(fields)
  assert (old.rotary_base, new.rotary_base) == (500000.0, 100.0)
  assert new.rotary_stretch == (8.0, 1.0, 3.0, 40.0)
  assert (old.head_size, new.head_size) == (4, 6)
  # A window is a limit to the positions that are computed alike.
  window = {"model_type": "mistral", "sliding_window": 5}
  assert decoders.read_sizes({**fields, **window}).max_positions == 5
  assert decoders.read_sizes({**fields, "sliding_window": 5}).max_positions > 5


@pytest.mark.parametrize(
  ("kind", "change", "message"),
  [
    ("gpt2", {"model_type": "bloom"}, "'bloom' is no decoder .*one of gpt2, l"),
    ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "inverse_layer_idx is"),
    ("gpt2", {"n_embd": 17}, r"gives shape .*config\.json says"),
    ("gpt2", {"n_layer": 1}, r"tensor 'h\.1\..* does not provide for"),
    ("gpt2", {"n_layer": 3}, "no tensor 'h.2.* under the prefix 'transformer."),
    ("gpt2", {"n_head": "4"}, "num_heads is '4'; give a positive integer"),
    ("gpt2", {"n_embd": None}, "has no 'n_embd'"),
    ("gpt2", {"tie_word_embeddings": False}, r"no tensor 'lm_head\.weight'"),
    ("llama", {"tie_word_embeddings": True}, "'lm_head.weight' differs from"),
    ("llama", {"num_key_value_heads": 3}, "4 is no multiple of num_key_heads"),
    ("llama", {"head_dim": 5}, "head_size 5 is odd"),
    ("llama", {"hidden_act": "gelu"}, "only 'silu' is supported"),
    (
      "llama",
      {"rope_parameters": None, "rope_scaling": {"type": "linear"}},
      "positions are of type 'linear'; only 'default'",
    ),
    (
      "llama",
      {"rope_parameters": None, "rope_scaling": {"rope_type": "llama3"}},
      "of type 'llama3' lack a number",
    ),
    ("qwen2", {"use_sliding_window": True}, "use_sliding_window is True"),
  ],
)
def test_unsupported_checkpoints_are_refused(tmp_path, kind, change, message):
  write(tmp_path, kind, **change)
  with pytest.raises(UserError, match=message) as raised:
    decoders.load(tmp_path)
  assert "\n" not in str(raised.value)
