import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax.io.values import json_value, plain


@pytest.mark.parametrize(
  ("value", "expected"),
  [
    (None, None),
    ("none", "none"),
    (True, True),
    (3, 3),
    (0.1, 0.1),
    (np.float32(0.1), 0.1),
    (jnp.float32(0.1), 0.1),
    (jnp.bfloat16(0.1), 0.100097656),
    (np.float64(0.1), 0.1),
    (jnp.int32(3), 3),
    (np.bool_(True), True),
    (np.str_("x"), "x"),
  ],
)
def test_plain_values_and_types(value, expected):
  if expected == 0.100097656:
    assert jnp.bfloat16(plain(value)) == value
    return
  assert plain(value) == expected
  assert type(plain(value)) is type(expected)


def test_float32_bits_survive():
  bits = np.random.default_rng(0).integers(0, 2**32, 2000, dtype=np.uint32)
  floats = bits.view(np.float32)
  floats = floats[np.isfinite(floats)]
  again = np.array([plain(x) for x in floats]).astype(np.float32)
  np.testing.assert_array_equal(again.view(np.uint32), floats.view(np.uint32))


@pytest.mark.parametrize("value", [np.zeros(2), [1], object(), {}, 1j])
def test_others_are_refused(value):
  with pytest.raises(TypeError, match="expected a scalar"):
    plain(value)


def test_json_values_have_no_numbers_that_json_lacks():
  value = {"a": [np.float32(0.1), float("inf")], 2: (None, jnp.int32(3))}
  assert json_value(value) == {"a": [0.1, None], "2": [None, 3]}
  with pytest.raises(TypeError, match="expected a scalar"):
    json_value({"a": np.zeros(2)})
