"""Names, prefixes and shards of checkpoints, and weights written back."""

import json
import shutil

import chex
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from structcomp_jax.models.pretrained import hugging_face, layouts, weight_files
from structcomp_jax.types import UserError
from tests.models import checkpoints

QUERY = "encoder.layer.1.attention.self.query.weight"
# As data parallel training, compiling, sentence embeddings and adapters name
# what they hold.
PREFIXES = (
  "model.", "module.", "0.auto_model.", "_orig_mod.", "base_model.model.",
  "transformer.", "bert.", "module._orig_mod.bert.",
)  # fmt: skip


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
  """A checkpoint's directory, and its parameters."""
  directory = checkpoints.write(tmp_path_factory.mktemp("plain"))
  return directory, hugging_face.load(directory)[1]


def _with_weights(directory, plain, weights):
  """Writes the plain checkpoint with other weights."""
  for name in ("config.json", "tokenizer.json"):
    shutil.copy(plain[0] / name, directory)
  save_file(weights, directory / "model.safetensors")
  return directory


@pytest.mark.parametrize("prefix", PREFIXES)
def test_any_prefix_is_found(tmp_path, plain, prefix):
  weights = {
    prefix + name: array for name, array in checkpoints.golden_weights().items()
  }
  weights["cls.predictions.bias"] = np.zeros(40, np.float32)
  _with_weights(tmp_path, plain, weights)
  chex.assert_trees_all_equal(hugging_face.load(tmp_path)[1], plain[1])


def test_layers_that_were_compiled_one_by_one(tmp_path, plain):
  weights = {
    name.replace("layer.1.", "layer.1._orig_mod."): array
    for name, array in checkpoints.golden_weights().items()
  }
  _with_weights(tmp_path, plain, weights)
  chex.assert_trees_all_equal(hugging_face.load(tmp_path)[1], plain[1])


def test_two_encoders_are_told_apart_by_the_user(tmp_path, plain):
  weights = checkpoints.golden_weights()
  both = {f"student.{name}": 2 * array for name, array in weights.items()}
  both |= {f"teacher.{name}": array for name, array in weights.items()}
  _with_weights(tmp_path, plain, both)
  message = "under 'student.' and 'teacher.'; say which .*prefix='student.'"
  with pytest.raises(UserError, match=message):
    hugging_face.load(tmp_path)
  found = hugging_face.load(tmp_path, prefix="teacher.")[1]
  chex.assert_trees_all_equal(found, plain[1])
  with pytest.raises(UserError, match=r"no tensor .* under the prefix 'x\.'"):
    hugging_face.load(tmp_path, prefix="x.")


def test_what_is_missing_names_the_prefix(tmp_path, plain):
  weights = {
    f"model.{name}": array
    for name, array in checkpoints.golden_weights().items()
    if name != QUERY
  }
  _with_weights(tmp_path, plain, weights)
  message = f"no tensor '{QUERY}' under the prefix 'model.'; take the weights"
  with pytest.raises(UserError, match=message):
    hugging_face.load(tmp_path)
  weights[f"model.{QUERY.replace('query', 'query.base_layer')}"] = np.ones(2)
  weights[f"model.{QUERY.replace('query', 'query.lora_A')}"] = np.ones(2)
  _with_weights(tmp_path, plain, weights)
  with pytest.raises(UserError, match="merge its adapters"):
    hugging_face.load(tmp_path)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.bool_, np.int64])
def test_other_dtypes_are_no_weights(tmp_path, plain, dtype):
  weights = checkpoints.golden_weights()
  weights[QUERY] = weights[QUERY].astype(dtype)
  _with_weights(tmp_path, plain, weights)
  name = np.dtype(dtype).name
  with pytest.raises(UserError, match=f"'{QUERY}' is of dtype {name}; quant"):
    hugging_face.load(tmp_path)


def test_float8_is_refused(tmp_path):
  """Its name is written into a file of bytes: no library writes it here."""
  path = tmp_path / "model.safetensors"
  save_file({"x": np.zeros(4, np.uint8)}, path)
  content = path.read_bytes()
  header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
  header["x"]["dtype"] = "F8_E4M3"
  text = json.dumps(header).encode()
  path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))
  with pytest.raises(UserError, match=r"'x' is of dtype F8_E4M3; quantised"):
    weight_files.read(path)


def test_every_dtype_is_read_and_written_as_it_is(tmp_path):
  tensors = {
    "half": np.array([[1.5, -2.0]], np.float16),
    "brain": np.array([1.5, -2.0, 3.0], jnp.bfloat16),
    "long": np.array([2**40, -1]),
    "switch": np.array([True, False]),
    "scalar": np.array(7.0),
    "turned": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "empty": np.zeros((0, 3), np.float32),
  }
  weight_files.write(tmp_path, {"pytorch_model.bin": tensors})
  found = weight_files.read(tmp_path / "model.safetensors")
  assert found.keys() == tensors.keys()
  for name, array in tensors.items():
    assert found[name].dtype == array.dtype
    np.testing.assert_array_equal(found[name], array)


def _in_shards(directory):
  """Writes the golden checkpoint in two shards."""
  checkpoints.write(directory)
  (directory / "model.safetensors").unlink()
  weights = checkpoints.golden_weights()
  names = sorted(weights)
  weight_files.write(
    directory,
    {
      f"model-{number + 1:05d}-of-00002.safetensors": {
        name: weights[name] for name in names[number::2]
      }
      for number in range(2)
    },
  )
  return directory


def test_shards_give_the_same_parameters(tmp_path, plain):
  _in_shards(tmp_path)
  chex.assert_trees_all_equal(hugging_face.load(tmp_path)[1], plain[1])
  index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
  total = sum(array.nbytes for array in checkpoints.golden_weights().values())
  assert index["metadata"]["total_size"] == total


def _index(directory, change):
  path = directory / "model.safetensors.index.json"
  index = json.loads(path.read_text())
  change(index["weight_map"])
  path.write_text(json.dumps(index))


@pytest.mark.parametrize(
  ("damage", "message"),
  [
    (
      lambda d: (d / "model-00002-of-00002.safetensors").unlink(),
      "lists 'model-00002-of-00002.safetensors', which does not lie beside it",
    ),
    (
      lambda d: _index(d, lambda m: m.update(x="../other.safetensors")),
      r"lists '../other.safetensors', which does not lie beside it; copy all",
    ),
    (
      lambda d: _index(
        d, lambda m: m.update(x="model-00001-of-00002.safetensors")
      ),
      "has no tensor 'x', which model.safetensors.index.json says it has",
    ),
    (
      lambda d: (d / "model.safetensors.index.json").unlink(),
      "has model-00001-of-00002.safetensors but no index of such files; copy",
    ),
    (
      lambda d: (d / "model.safetensors.index.json").write_text("[]"),
      "is no index of shards",
    ),
    (
      lambda d: (d / "model.safetensors.index.json").write_text("{"),
      "is no index of shards",
    ),
  ],
)
def test_bad_shards_are_refused(tmp_path, damage, message):
  damage(_in_shards(tmp_path))
  with pytest.raises(UserError, match=message) as raised:
    hugging_face.load(tmp_path)
  assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
  ("names", "expected"),
  [
    (["a.w", "b.w"], ""),
    (["x.y.a.w", "x.y.b.w", "head.w"], "x.y."),
    (["xa.w", "xb.w"], ""),  # Another name, not a prefix and `a.w`.
    (["a.w", "b.w", "ema.a.w", "ema.b.w"], ""),
    (["x.a.w", "x.b.w", "y.a.w"], "x."),
  ],
)
def test_find_prefix(names, expected):
  assert layouts.find_prefix(names, ["a.w", "b.w"], "file") == expected
