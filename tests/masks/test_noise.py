"""The numbers that masks are drawn from look random, and are reproducible."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax.masks import noise

SHAPE = (256, 1024)
# Keys as a search makes them: of steps, of leaves, of samples, of seeds.
STEP_KEYS = jax.vmap(lambda i: jax.random.fold_in(jax.random.key(0), i))(
  jnp.arange(24)
)
SAMPLE_KEYS = jax.random.split(STEP_KEYS[0], 8)


@pytest.fixture(scope="module")
def words():
  """u32[32, 2^18]."""
  keys = jnp.concatenate([STEP_KEYS, SAMPLE_KEYS])
  return np.asarray(
    jax.jit(jax.vmap(lambda key: noise.bits(key, SHAPE)))(keys)
  ).reshape(len(keys), -1)


def test_every_bit_is_a_fair_coin(words):
  """And so is every pair of bits of a number: 528 tests of 1.6 M coins."""
  some = np.concatenate([words[:3], words[-3:]]).ravel()
  bits = np.unpackbits(some.view(np.uint8)).reshape(-1, 32)
  signs = 2 * bits.astype(np.float32) - 1
  products = signs.T @ signs / len(signs)
  np.fill_diagonal(products, signs.mean(axis=0))
  # Five standard deviations.
  assert np.abs(products).max() < 5 / np.sqrt(len(signs))


def test_values_are_uniform(words):
  """Chi-squared over 4096 bins, of each array and of all together."""
  for array in (*words, words.ravel()):
    counts = np.bincount(array >> 20, minlength=4096)
    expected = array.size / 4096
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert abs(statistic - 4095) < 5 * np.sqrt(2 * 4095)


def test_arrays_and_neighbours_are_independent(words):
  """Of steps and samples, at the same place and one or a row further on."""
  u = (words >> 8).astype(np.float64) / 2**24 - 0.5
  limit = 5 / np.sqrt(u.shape[1]) / 12
  between = u @ u.T / u.shape[1]
  np.fill_diagonal(between, 0)
  assert np.abs(between).max() < limit
  for shift in (1, 2, 16, SHAPE[1]):
    lagged = (u * np.roll(u, shift, axis=1)).mean(axis=1)
    assert np.abs(lagged).max() < limit
    shifted = np.roll(u, shift, axis=1) @ u.T / u.shape[1]
    np.fill_diagonal(shifted, 0)
    assert np.abs(shifted).max() < limit


def test_arrays_do_not_hold_the_same_numbers():
  """Two random sets of 2^18 of 2^32 words share 16 on average.

  One word of the key alone would make arrays permutations of one sequence, and
  first words are close to each other for some pair of steps in a long search.
  """
  keys = jax.random.wrap_key_data(
    jnp.array([[1, 2], [1, 3], [5, 77], [2**18, 2**31]], jnp.uint32)
  )
  arrays = [np.asarray(noise.bits(key, SHAPE)).ravel() for key in keys]
  for first in range(len(keys)):
    for second in range(first):
      common = np.intersect1d(arrays[first], arrays[second])
      assert len(common) < 40


def test_a_number_depends_on_its_place_and_key_alone():
  key = STEP_KEYS[3]
  flat = noise.bits(key, (24,))
  np.testing.assert_array_equal(noise.bits(key, (4, 6)).ravel(), flat)
  np.testing.assert_array_equal(noise.bits(key, (10,)), flat[:10])
  together = jax.vmap(lambda key: noise.bits(key, (24,)))(STEP_KEYS)
  np.testing.assert_array_equal(together[3], flat)
  # The same on every backend and in every version: by hand, in Python.
  mask = 2**32 - 1
  first, second = map(int, jax.random.key_data(key))
  for place in (0, 1, 23):
    word = (place + first) & mask
    word = ((word ^ (word >> 16)) * 0x7FEB352D) & mask
    word ^= second
    word = ((word ^ (word >> 15)) * 0x846CA68B) & mask
    assert int(flat[place]) == word ^ (word >> 16)
