"""Tests for structcomp_jax.io.mask_files."""

import os
import time
import zipfile

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import masks, trees
from structcomp_jax.io import mask_files
from structcomp_jax.types import UserError


@pytest.fixture
def path(tmp_path):
  """Where the mask file goes."""
  return tmp_path / "masks.npz"


@pytest.fixture
def mask():
  """A mask that keeps a third of a convolution and half the neurons."""
  conv = np.arange(30).reshape(3, 2, 5) % 3 == 0
  neurons = np.array([[True, False, False, True]])
  return {"conv": jnp.asarray(conv), "dense/kernel": jnp.asarray(neurons)}


def test_round_trip(path, mask):
  metadata = {"subroutine": "verb", "seeds": [0, 1]}
  mask_files.save(path, mask, fingerprint="f0", metadata=metadata)
  loaded, loaded_metadata = mask_files.load(path, "f0")
  chex.assert_trees_all_equal(loaded, mask)
  assert all(units.dtype == jnp.bool_ for units in loaded.values())
  assert loaded_metadata == metadata


def test_round_trip_of_stacked_masks(path, mask):
  stacked = jax.tree.map(
    lambda *rows: jnp.stack(rows), mask, masks.complement(mask), mask
  )
  mask_files.save(path, stacked, fingerprint="f0", stacked=True)
  loaded, metadata = mask_files.load(path)
  chex.assert_trees_all_equal(loaded, stacked)
  assert metadata == {}


def test_odd_paths_and_empty_or_scalar_leaves(path):
  mask = {
    "../a b/ü": jnp.ones(9, jnp.bool_),
    "empty": jnp.zeros((0, 3), jnp.bool_),
    "header": jnp.asarray(True),
  }
  mask_files.save(path, mask, fingerprint="f0")
  chex.assert_trees_all_equal(mask_files.load(path)[0], mask)


def test_one_bit_per_unit(path):
  mask_files.save(path, {"leaf": np.ones(800_000, bool)}, fingerprint="f0")
  assert 100_000 <= path.stat().st_size < 102_000


def test_equal_masks_give_equal_bytes(tmp_path, mask, monkeypatch):
  first, second = tmp_path / "first.npz", tmp_path / "second.npz"
  mask_files.save(first, mask, fingerprint="f0", metadata={"a": 1, "b": 2})
  monkeypatch.setattr(time, "time", lambda: 2e9)
  reordered = dict(reversed(mask.items()))
  mask_files.save(
    second, reordered, fingerprint="f0", metadata={"b": 2, "a": 1}
  )
  assert first.read_bytes() == second.read_bytes()
  with zipfile.ZipFile(first) as archive:
    assert {entry.date_time[0] for entry in archive.infolist()} == {1980}


def test_other_network_is_refused(path, mask):
  mask_files.save(path, mask, fingerprint="f0")
  with pytest.raises(UserError, match=r"another network .*f0, not f1"):
    mask_files.load(path, "f1")


def _weights(dtype):
  """Weights that the masks above fit; float16 can hold them."""
  return {
    "conv": jnp.linspace(-1, 1, 30, dtype=jnp.float16)
    .reshape(3, 2, 5)
    .astype(dtype),
    "dense": {"kernel": jnp.ones((7, 4), dtype)},
  }


@pytest.mark.parametrize("num_rows", [None, 3])
def test_masks_of_the_same_weights_in_another_dtype(path, mask, num_rows):
  if num_rows:
    mask = jax.tree.map(lambda leaf: jnp.stack([leaf] * num_rows), mask)
  searched, narrow = _weights(jnp.float32), _weights(jnp.bfloat16)
  fingerprint = trees.fingerprint(searched)
  stacked = num_rows is not None
  mask_files.save(path, mask, fingerprint=fingerprint, stacked=stacked)
  chex.assert_trees_all_equal(mask_files.load_for(path, searched)[0], mask)
  with pytest.raises(UserError, match=r"other bits; .* say other_dtype=True"):
    mask_files.load_for(path, narrow)
  found, _ = mask_files.load_for(path, narrow, other_dtype=True)
  chex.assert_trees_all_equal(found, mask)


@pytest.mark.parametrize(
  ("name", "shape", "message"),
  [
    ("conv", (3, 2, 6), r"'conv' of shape \(3, 2, 5\) is \(3, 2, 6\) here"),
    ("conv", (2, 5), r"'conv' of shape \(3, 2, 5\) is \(2, 5\) here"),
    ("other", (3, 2, 5), r"'conv' of shape \(3, 2, 5\) is missing here"),
  ],
)
def test_another_network_is_no_other_dtype(path, mask, name, shape, message):
  mask_files.save(path, mask, fingerprint="f0")
  params = {**_weights(jnp.float32), name: jnp.ones(shape)}
  if name == "other":
    del params["conv"]
  with pytest.raises(UserError, match=message):
    mask_files.load_for(path, params, other_dtype=True)


def test_other_version_is_refused(path, mask, monkeypatch):
  with monkeypatch.context() as patch:
    patch.setattr(mask_files, "_VERSION", 2)
    mask_files.save(path, mask, fingerprint="f0")
  with pytest.raises(UserError, match="version 2, this program reads"):
    mask_files.load(path)


@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.5, 0.9, 0.99])
def test_torn_file_is_refused(path, mask, fraction):
  mask_files.save(path, mask, fingerprint="f0")
  content = path.read_bytes()
  path.write_bytes(content[: int(fraction * len(content))])
  with pytest.raises(UserError, match="torn or not a mask file"):
    mask_files.load(path)


def test_flipped_bit_is_noticed(path):
  mask_files.save(path, {"leaf": np.ones(8000, bool)}, fingerprint="f0")
  content = bytearray(path.read_bytes())
  place = content.rfind(b"\xff" * 500)
  content[place + 100] ^= 1
  path.write_bytes(bytes(content))
  with pytest.raises(UserError, match="torn or not a mask file"):
    mask_files.load(path)


def test_archive_of_something_else_is_refused(path):
  np.savez(path, weights=np.ones(3))
  with pytest.raises(UserError, match="torn or not a mask file"):
    mask_files.load(path)


def test_missing_file(path):
  with pytest.raises(UserError, match=r"no mask file .*delete its directory"):
    mask_files.load(path)


def test_failed_write_keeps_the_old_file(path, mask, monkeypatch):
  mask_files.save(path, mask, fingerprint="f0")

  def full_disk(descriptor):
    raise OSError(28, "No space left on device")

  monkeypatch.setattr(os, "fsync", full_disk)
  with pytest.raises(UserError, match=r"cannot write .*No space left"):
    mask_files.save(path, masks.complement(mask), fingerprint="f0")
  chex.assert_trees_all_equal(mask_files.load(path)[0], mask)
  assert [file.name for file in path.parent.iterdir()] == ["masks.npz"]


def test_reader_of_the_old_file_keeps_the_old_bytes(path, mask):
  mask_files.save(path, mask, fingerprint="f0")
  old = path.read_bytes()
  with open(path, "rb") as reader:
    mask_files.save(path, masks.complement(mask), fingerprint="f0")
    assert reader.read() == old
  assert path.read_bytes() != old


def test_directory_that_is_a_file(tmp_path, mask):
  (tmp_path / "none").touch()
  with pytest.raises(UserError, match=r"cannot write .*a file"):
    mask_files.save(tmp_path / "none" / "masks.npz", mask, fingerprint="f0")


def test_soft_mask_is_refused(path):
  with pytest.raises(UserError, match="'leaf' has dtype float32; binarize"):
    mask_files.save(path, {"leaf": jnp.ones(3)}, fingerprint="f0")


def test_ragged_rows_are_refused(path):
  ragged = {"a": np.ones((2, 3), bool), "b": np.ones((1, 3), bool)}
  with pytest.raises(UserError, match="different numbers of candidate rows"):
    mask_files.save(path, ragged, fingerprint="f0", stacked=True)
