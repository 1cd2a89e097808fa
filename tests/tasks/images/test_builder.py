"""Official files: read in order, checked, and asked for where they are not."""

import gzip
import hashlib
import io
import struct
import tarfile

import numpy as np
import pytest

from structcomp_jax.tasks import datasets
from structcomp_jax.tasks.images import builder, official, sources
from structcomp_jax.types import UserError

FIRST = official.FIRST_LABELS["cifar10"]


def cifar_archive(path, labels=FIRST):
  """Writes an archive whose pictures are of one colour a channel."""
  record = [
    bytes([label]) + b"".join(bytes([10 * c + label]) * 1024 for c in range(3))
    for label in labels
  ]
  with tarfile.open(path, "w:gz") as archive:
    for name in (
      *(f"data_batch_{n}.bin" for n in range(1, 6)),
      "test_batch.bin",
    ):
      content = b"".join(record)
      member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
      member.size = len(content)
      archive.addfile(member, io.BytesIO(content))


def test_channels_of_a_pixel_lie_side_by_side(tmp_path):
  cifar_archive(tmp_path / "a.tar.gz")
  training, test = official.read("cifar10", {"a": tmp_path / "a.tar.gz"})
  assert training.shape == (5 * len(FIRST), 3073)
  assert test[:, 0].tolist() == list(FIRST)
  for record in training:
    label = int(record[0])
    np.testing.assert_array_equal(
      record[1:].reshape(-1, 3), [[label, 10 + label, 20 + label]] * 1024
    )


def test_another_order_is_refused(tmp_path):
  cifar_archive(tmp_path / "a.tar.gz", FIRST[::-1])
  with pytest.raises(UserError, match="order is not the official one"):
    official.read("cifar10", {"a": tmp_path / "a.tar.gz"})


def idx(array):
  header = struct.pack(">BBBB", 0, 0, 8, array.ndim)
  shape = struct.pack(f">{array.ndim}I", *array.shape)
  return gzip.compress(header + shape + array.tobytes())


def test_mnist_is_read_from_its_four_files(tmp_path):
  labels = np.array(official.FIRST_LABELS["mnist"], np.uint8)
  pixels = np.arange(len(labels) * 784, dtype=np.int64).astype(np.uint8)
  pixels = pixels.reshape(-1, 28, 28)
  paths = {}
  for split in ("train", "t10k"):
    for kind, array in (("images-idx3", pixels), ("labels-idx1", labels)):
      name = f"{split}-{kind}-ubyte.gz"
      (tmp_path / name).write_bytes(idx(array))
      paths[name] = tmp_path / name
  training, test = official.read("mnist", paths)
  np.testing.assert_array_equal(training, test)
  np.testing.assert_array_equal(training[:, 0], labels)
  np.testing.assert_array_equal(training[:, 1:], pixels.reshape(-1, 784))


def test_digits_are_prepared_and_read_back(tmp_path):
  datasets.prepare("images/digits", tmp_path)
  for split, records in sources.digits_splits().items():
    found = datasets.load("images/digits", tmp_path, split)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, records)


def refuse(file):
  raise OSError("no such host")


def test_without_a_network_the_files_are_asked_for(tmp_path, monkeypatch):
  monkeypatch.setattr(official, "check_host", refuse)
  with pytest.raises(UserError, match=r"no such host.*; put train-images") as e:
    datasets.prepare("images/mnist", tmp_path)
  message = str(e.value)
  assert "\n" not in message
  for file in official.ARCHIVES["mnist"]:
    assert file.name in message
  assert str(tmp_path / "downloads" / "manual") in message


def test_a_file_that_somebody_put_there_is_checked(tmp_path):
  manual = tmp_path / "downloads" / "manual"
  manual.mkdir(parents=True)
  cifar_archive(manual / "cifar-10-binary.tar.gz")
  with pytest.raises(UserError, match="is not the official file"):
    datasets.prepare("images/cifar10", tmp_path)


def test_files_that_somebody_put_there_are_used(tmp_path, monkeypatch):
  """Of the wrong number of pictures, which is noticed."""
  manual = tmp_path / "downloads" / "manual"
  manual.mkdir(parents=True)
  path = manual / "cifar-10-binary.tar.gz"
  cifar_archive(path)
  file = official.File(
    official.ARCHIVES["cifar10"][0].url,
    path.stat().st_size,
    hashlib.sha256(path.read_bytes()).hexdigest(),
  )
  monkeypatch.setattr(official, "ARCHIVES", {"cifar10": (file,)})
  monkeypatch.setattr(official, "check_host", refuse)
  with pytest.raises(UserError, match=r"divided into .*'test': 10\}"):
    datasets.prepare("images/cifar10", tmp_path)


def test_downloads_have_checksums():
  for files in official.ARCHIVES.values():
    for file in files:
      info = builder.Images.url_infos[file.url]
      assert (info.checksum, info.filename) == (file.sha256, file.name)
      assert len(file.sha256) == 64
