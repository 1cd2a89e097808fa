"""Nonsense properties: random bits of what items have, dealt into problems."""

import numpy as np

from structcomp_jax.tasks.odd_one_out import nonsense

ITEMS = np.array(
  [f"the {noun} {verb}" for noun in "abcdef" for verb in "uvwxyz"], object
).reshape(9, 4)
BITS = nonsense.random_bits("abcdef", seed=3)


def bit_of(item):
  return BITS[item.split()[1]]


def deal(items, seed):
  nouns = [item.split()[1] for item in items.ravel()]
  return items.ravel()[nonsense.deal(nouns, BITS, seed=seed)]


def test_half_of_the_values_have_the_property():
  values = [str(number) for number in range(100)]
  for seed in range(5):
    bits = nonsense.random_bits(values, seed)
    assert set(bits) == set(values)
    assert sum(bits.values()) == 50
    # A function of the set of values, wherever and how often they occur.
    assert bits == nonsense.random_bits(values[::-1] * 2, seed)
  first, second = (nonsense.random_bits(values, seed) for seed in (0, 1))
  agree = sum(first[value] == second[value] for value in values)
  assert 30 <= agree <= 70


def test_three_items_have_the_property_and_the_last_one_lacks_it():
  problems = deal(ITEMS, seed=0)
  assert problems.shape == ITEMS.shape
  bits = np.vectorize(bit_of)(problems)
  assert bits[:, :3].all()
  assert not bits[:, 3].any()
  assert set(problems.ravel()) <= set(ITEMS.ravel())


def test_the_same_items_are_dealt_the_same_way():
  first = deal(ITEMS, seed=0)
  np.testing.assert_array_equal(first, deal(ITEMS, seed=0))
  assert (first != deal(ITEMS, seed=1)).any()


def test_what_else_items_have_tells_nothing():
  items = np.tile(ITEMS, (100, 1))
  problems = deal(items, seed=0)
  for place in (0, 3):
    verbs = [item.split()[2] for item in problems[:, place]]
    _, counts = np.unique(verbs, return_counts=True)
    assert len(counts) == 6
    # 900 draws of 6 verbs: four standard deviations.
    np.testing.assert_allclose(counts / 900, 1 / 6, atol=0.05)
