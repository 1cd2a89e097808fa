"""Pictures: the published division, and the digits that come along."""

import hashlib
import importlib.resources
import importlib.util

import numpy as np
import pytest

from structcomp_jax.tasks import images
from structcomp_jax.tasks.images import digits, sources


@pytest.mark.parametrize(
  ("count", "kept", "held"), [(50_000, 40_053, 9947), (60_000, 48_017, 11_983)]
)
def test_division_is_the_published_one(count, kept, held):
  is_held = sources.held_out(count)
  assert (int((~is_held).sum()), int(is_held.sum())) == (kept, held)
  draws = np.random.RandomState(0xC1CAFA52).rand(count)
  np.testing.assert_array_equal(is_held, draws <= 0.2)


def test_division_keeps_the_official_order():
  training = np.arange(50_000)[:, None]
  test = np.arange(7)[:, None] - 7
  found = sources.divide("cifar10", training, test)
  is_held = sources.held_out(50_000)
  assert {name: len(rows) for name, rows in found.items()} == {
    "train": 40_053,
    "validation": 9947,
    "test": 7,
  }
  for name, mask in (("train", ~is_held), ("validation", is_held)):
    np.testing.assert_array_equal(found[name][:, 0], np.flatnonzero(mask))
  np.testing.assert_array_equal(found["test"], test)


def test_all_of_cifar10_is_validated_on_the_test_split():
  training, test = np.zeros((5, 2)), np.ones((3, 2))
  found = sources.divide("cifar10_all", training, test)
  assert [len(found[name]) for name in ("train", "validation", "test")] == [
    5, 3, 3,
  ]  # fmt: skip


def test_digits_are_the_known_ones():
  path = importlib.resources.files("structcomp_jax.tasks.images") / "digits.csv"
  assert hashlib.sha256(path.read_bytes()).hexdigest() == (
    "a6ab1f14e35b175b699c7b4380755160ad04035db2041a828577fda87a63ac63"
  )
  records = digits.load()
  assert records.shape == (1797, 65)
  assert np.bincount(records[:, 0]).tolist() == [
    178, 182, 177, 183, 181, 182, 181, 179, 174, 180,
  ]  # fmt: skip
  assert records[0, 1:9].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
  assert records[:, 1:].max() == 16
  source = images.SOURCES["digits"]
  np.testing.assert_allclose(records[:, 1:].mean(), source.mean[0], rtol=1e-6)
  np.testing.assert_allclose(records[:, 1:].std(), source.std[0], rtol=1e-6)


@pytest.mark.skipif(
  not importlib.util.find_spec("sklearn"), reason="needs scikit-learn"
)
def test_digits_are_those_of_scikit_learn():
  from sklearn.datasets import load_digits

  pixels, labels = load_digits(return_X_y=True)
  expected = np.concatenate([labels[:, None], pixels], axis=1)
  np.testing.assert_array_equal(digits.load(), expected)


def test_every_digit_is_in_one_split():
  splits = sources.digits_splits()
  assert {name: len(rows) for name, rows in splits.items()} == dict(
    images.SOURCES["digits"].split_sizes
  )
  rows = [row.tobytes() for split in splits.values() for row in split]
  assert sorted(rows) == sorted(row.tobytes() for row in digits.load())
  for split in splits.values():
    assert set(split[:, 0]) == set(range(10))
  assert "0 of 376" in images.separation("digits")[0]


def test_pixels_come_back_row_by_row():
  record = np.arange(65, dtype=np.uint8)[None]
  pixels, labels = images.pixels_and_labels("digits", record)
  assert pixels.shape == (1, 8, 8, 1)
  assert labels.tolist() == [0]
  assert pixels[0, 1, 2, 0] == 1 + 8 + 2
