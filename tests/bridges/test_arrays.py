"""What a bridge asks of arrays, tried without the other library."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax.bridges import arrays
from structcomp_jax.bridges import torch as torch_bridge
from structcomp_jax.types import UserError

SHAPES = {"bias": (3,), "weight": (3, 2)}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_a_leaf_keeps_its_dtype_and_bits(dtype):
  array = np.linspace(-1, 1, 7).astype(dtype)
  leaf = arrays.leaf("weight", array)
  assert isinstance(leaf, jax.Array)
  assert leaf.dtype == array.dtype
  assert np.asarray(leaf).tobytes() == array.tobytes()


def test_a_leaf_is_cast_where_that_is_asked_for():
  array = np.linspace(-1, 1, 7).astype(np.float64)
  leaf = arrays.leaf("weight", array, jnp.float32)
  assert leaf.dtype == jnp.float32
  np.testing.assert_array_equal(leaf, array.astype(np.float32))


def test_a_leaf_is_a_copy():
  # 64-byte aligned memory is what JAX would take as it is.
  memory = np.zeros(4096 + 16, np.float32)
  start = -memory.ctypes.data % 64 // 4
  array = memory[start : start + 4096]
  leaf = arrays.leaf("weight", array)
  array[:] = 7
  assert float(jnp.max(leaf)) == 0


def test_64_bits_are_not_cut_without_a_word():
  with pytest.raises(UserError, match=r"'h.weight' would be float64.*float32"):
    arrays.leaf("h.weight", np.ones(2))
  with jax.enable_x64(True):
    assert arrays.leaf("h.weight", np.ones(2)).dtype == np.float64


def test_a_dtype_of_whole_numbers_is_refused():
  with pytest.raises(UserError, match="int32 is not floating; give"):
    arrays.leaf("weight", np.ones(2, np.float32), jnp.int32)


def test_leaves_that_fit_pass():
  arrays.check_fit(SHAPES, SHAPES, all_of=True)
  arrays.check_fit({"bias": (3,)}, SHAPES)


@pytest.mark.parametrize(
  ("given", "all_of", "message"),
  [
    ({"other": (3,)}, False, "no weights or buffers 'other'; give"),
    ({"weight": (2, 3)}, False, r"'weight' has shape \(2, 3\), .* \(3, 2\); "),
    ({"weight": (1, 3, 2)}, False, "'weight' has shape"),
    ({"weight": (3, 2)}, True, r"lack leaf 'bias' \(1 missing in all\); give"),
  ],
)
def test_leaves_that_do_not_fit_are_refused(given, all_of, message):
  with pytest.raises(UserError, match=message):
    arrays.check_fit(given, SHAPES, all_of)


class Foreign:
  """Stands for an array of another library."""

  def __init__(self, value):
    self.value = value


def plain(value):
  """Returns what JAX sees of outputs with `Foreign` in them."""
  return arrays.plain(
    value,
    lambda one: isinstance(one, Foreign),
    lambda one: jnp.asarray(one.value),
  )


def test_outputs_become_what_jax_can_return():
  outputs = plain(
    {
      "logits": Foreign(1.0),
      "states": (Foreign(2.0), [Foreign(3.0), None]),
      "cache": object(),
      "loss": None,
      "size": 4,
    }
  )
  assert outputs == {"logits": 1.0, "states": (2.0, (3.0, None)), "size": 4}
  assert all(
    isinstance(leaf, (jax.Array, int)) for leaf in jax.tree.leaves(outputs)
  )
  assert plain(Foreign(5.0)) == 5.0


def test_without_pytorch_one_line_says_what_to_install(monkeypatch):
  monkeypatch.setitem(sys.modules, "torch", None)
  for function in (torch_bridge.from_module, torch_bridge.write_back):
    with pytest.raises(UserError, match="needs torch; pip install") as caught:
      function(None, {})
    assert "\n" not in str(caught.value)
