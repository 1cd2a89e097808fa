"""The official files of CIFAR-10 and MNIST, read in their own order.

TFDS has builders of both, which store pictures in an order of their own; the
published division is one of the official order.
"""

import dataclasses
import gzip
import hashlib
import pathlib
import socket
import tarfile
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping

import numpy as np

from structcomp_jax.types import UserError

# Records for training and for testing.
_Splits = tuple[np.ndarray, np.ndarray]
_SIDE = 32
# To wait for a host.
_SECONDS = 10
_TRAIN_BATCHES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))


@dataclasses.dataclass(frozen=True)
class File:
  """One file to download.

  Attributes:
    url: where it lies.
    size: bytes.
    sha256: of its bytes.
  """

  url: str
  size: int
  sha256: str

  @property
  def name(self) -> str:
    """Its own name."""
    return self.url.rpartition("/")[2]


_MNIST_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"
ARCHIVES: Mapping[str, tuple[File, ...]] = {
  "cifar10": (
    File(
      "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
      170_052_171,
      "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    ),
  ),
  "mnist": (
    File(
      f"{_MNIST_URL}train-images-idx3-ubyte.gz",
      9_912_422,
      "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    File(
      f"{_MNIST_URL}train-labels-idx1-ubyte.gz",
      28_881,
      "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    File(
      f"{_MNIST_URL}t10k-images-idx3-ubyte.gz",
      1_648_877,
      "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    File(
      f"{_MNIST_URL}t10k-labels-idx1-ubyte.gz",
      4542,
      "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
  ),
}
# The first labels for training, by which the order is recognised.
FIRST_LABELS = {
  "cifar10": (6, 9, 9, 4, 1, 1, 2, 7, 8, 3),
  "mnist": (5, 0, 4, 1, 9, 2, 1, 3, 1, 4),
}


def check(path: pathlib.Path, file: File) -> pathlib.Path:
  """Returns the path of a file that somebody put there.

  Raises:
    UserError: its bytes are not those of the official file.
  """
  with path.open("rb") as opened:
    found = hashlib.file_digest(opened, "sha256").hexdigest()
  if found != file.sha256:
    raise UserError(
      f"{path} is not the official file (SHA-256 {found[:12]}..., wanted"
      f" {file.sha256[:12]}...); fetch {file.url} again"
    )
  return path


def check_host(file: File) -> None:
  """Raises OSError at once where the host of a file cannot be reached.

  TFDS would try for minutes. A proxy is asked by TFDS alone.
  """
  if not urllib.request.getproxies():
    host = urllib.parse.urlsplit(file.url).hostname
    socket.create_connection((host, 443), _SECONDS).close()


def read(
  archive: str, paths: Mapping[str, pathlib.Path]
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the records for training and for testing, in official order.

  Args:
    archive: a key of `ARCHIVES`.
    paths: {name of a file: where it lies}.

  Returns:
    uint8[pictures, 1 + pixels] of both splits.

  Raises:
    UserError: the files hold something else.
  """
  training, test = _READERS[archive](paths)
  first = FIRST_LABELS[archive]
  if tuple(training[: len(first), 0]) != first:
    raise UserError(
      f"the first pictures of {archive} are of the classes"
      f" {training[: len(first), 0].tolist()}, not {list(first)}, so their"
      " order is not the official one; fetch the files again"
    )
  return training, test


def _read_cifar(paths: Mapping[str, pathlib.Path]) -> _Splits:
  (path,) = paths.values()
  found = {}
  with tarfile.open(path) as archive:
    for member in archive:
      content = archive.extractfile(member)
      if content is not None:
        found[pathlib.PurePosixPath(member.name).name] = content.read()
  return (
    np.concatenate([_cifar_records(found[name]) for name in _TRAIN_BATCHES]),
    _cifar_records(found["test_batch.bin"]),
  )


def _cifar_records(content: bytes) -> np.ndarray:
  """Returns records whose channels lie side by side, not one after another."""
  records = np.frombuffer(content, np.uint8).reshape(-1, 1 + 3 * _SIDE**2)
  planes = records[:, 1:].reshape(-1, 3, _SIDE**2)
  pixels = planes.swapaxes(1, 2).reshape(len(records), -1)
  return np.concatenate([records[:, :1], pixels], axis=1)


def _read_mnist(paths: Mapping[str, pathlib.Path]) -> _Splits:
  def records(split: str) -> np.ndarray:
    pixels = _read_idx(paths[f"{split}-images-idx3-ubyte.gz"])
    labels = _read_idx(paths[f"{split}-labels-idx1-ubyte.gz"])
    return np.concatenate(
      [labels[:, None], pixels.reshape(len(pixels), -1)], axis=1
    )

  return records("train"), records("t10k")


def _read_idx(path: pathlib.Path) -> np.ndarray:
  """Returns the array of a file of bytes in the IDX format.

  Its header is: two zeros, the type (8: bytes), the number of axes, and the
  length of every axis, four bytes each with the highest first.
  """
  with gzip.open(path) as file:
    content = file.read()
  num_axes = content[3]
  end = 4 + 4 * num_axes
  shape = np.frombuffer(content[4:end], ">u4").astype(int)
  return np.frombuffer(content[end:], np.uint8).reshape(shape)


_READERS: Mapping[str, Callable[[Mapping[str, pathlib.Path]], _Splits]] = {
  "cifar10": _read_cifar,
  "mnist": _read_mnist,
}
