"""Where pictures come from, and how they are divided.

A stored picture is a record of bytes: its class, then its pixels, row by row,
the channels of a pixel side by side.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from structcomp_jax.tasks.images import digits

# Of the published division; every source is divided by a stream of its own.
_SEED = 0xC1CAFA52
_VALIDATION_SHARE = 0.2
# Of the digits, whose test pictures come from the same 1,797.
_DIGITS_TEST_SHARE, _DIGITS_VALIDATION_SHARE = 0.2, 0.1
_CIFAR_CLASSES = (
  *("airplane", "automobile", "bird", "cat", "deer"),
  *("dog", "frog", "horse", "ship", "truck"),
)
_DIGIT_CLASSES = tuple(f"digit_{number}" for number in range(10))


@dataclasses.dataclass(frozen=True)
class Source:
  """One data set of pictures.

  Attributes:
    side: pixels along both axes.
    channels: of a pixel.
    classes: their names, by number.
    split_sizes: {split: number of pictures}.
    mean, std: of every channel, over all pictures for training, in the units
      of the stored pixels.
    archive: name of the official files, a key of `official.ARCHIVES`; empty:
      the pictures are part of this package.
  """

  side: int
  channels: int
  classes: Sequence[str]
  split_sizes: Mapping[str, int]
  mean: Sequence[float]
  std: Sequence[float]
  archive: str = ""

  @property
  def num_pixels(self) -> int:
    """Numbers that make up a picture."""
    return self.side**2 * self.channels


# Per channel, over the 50,000 and the 60,000 pictures for training.
_CIFAR_MEAN = (125.30691805, 122.95039414, 113.86538318)
_CIFAR_STD = (62.99321928, 62.08870764, 66.70489964)
SOURCES: Mapping[str, Source] = {
  # The division of Csordás et al. 2021 for the network without batch norm.
  "cifar10": Source(
    32,
    3,
    _CIFAR_CLASSES,
    {"train": 40_053, "validation": 9947, "test": 10_000},
    _CIFAR_MEAN,
    _CIFAR_STD,
    archive="cifar10",
  ),
  # All 50,000 for training, as for their ResNet; validation is the test split.
  "cifar10_all": Source(
    32,
    3,
    _CIFAR_CLASSES,
    {"train": 50_000, "validation": 10_000, "test": 10_000},
    _CIFAR_MEAN,
    # As published for this network: a mean of the deviations of pictures.
    (51.5865, 50.847, 51.255),
    archive="cifar10",
  ),
  "mnist": Source(
    28,
    1,
    _DIGIT_CLASSES,
    {"train": 48_017, "validation": 11_983, "test": 10_000},
    (33.318421,),
    (78.567490,),
    archive="mnist",
  ),
  "digits": Source(
    digits.SIDE,
    1,
    _DIGIT_CLASSES,
    {"train": 1236, "validation": 185, "test": 376},
    (4.884165,),
    (6.016787,),
  ),
}
NAMES = tuple(SOURCES)


def held_out(count: int) -> np.ndarray:
  """Returns which pictures for training are those for validation.

  >>> int(held_out(50_000).sum()), int(held_out(60_000).sum())
  (9947, 11983)

  Args:
    count: pictures in the official split for training, in its order.

  Returns:
    bool[count], the division of Csordás et al. 2021.
  """
  return _stream(count) <= _VALIDATION_SHARE


def digits_splits() -> dict[str, np.ndarray]:
  """Returns {split: records of the digits}, divided by the same stream."""
  records = digits.load()
  draws = _stream(len(records))
  is_test = draws <= _DIGITS_TEST_SHARE
  limit = _DIGITS_TEST_SHARE + _DIGITS_VALIDATION_SHARE
  is_validation = ~is_test & (draws <= limit)
  return {
    "train": records[~is_test & ~is_validation],
    "validation": records[is_validation],
    "test": records[is_test],
  }


def divide(
  name: str, training: np.ndarray, test: np.ndarray
) -> dict[str, np.ndarray]:
  """Returns {split: records} of an official data set.

  Args:
    name: of the source, not `digits`.
    training: records of the official split for training, in its order.
    test: those of the official test split.
  """
  if name == "cifar10_all":
    return {"train": training, "validation": test, "test": test}
  is_held_out = held_out(len(training))
  return {
    "train": training[~is_held_out],
    "validation": training[is_held_out],
    "test": test,
  }


def pixels_and_labels(
  name: str, records: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Returns uint8[pictures, side, side, channels] and i32[pictures].

  Args:
    name: of the source.
    records: uint8[pictures, 1 + pixels], as they are stored.
  """
  source = SOURCES[name]
  shape = (-1, source.side, source.side, source.channels)
  return records[:, 1:].reshape(shape), records[:, 0].astype(np.int32)


def noise(name: str, num_pictures: int) -> np.ndarray:
  """Returns stored records of noise, of all classes by turns.

  Args:
    name: of a source.
    num_pictures: how many.
  """
  source = SOURCES[name]
  shape = (num_pictures, 1 + source.num_pixels)
  records = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
  records[:, 0] = np.arange(num_pictures) % len(source.classes)
  return records


def separation(name: str) -> list[str]:
  """Says what tests share with training, line by line."""
  if name == "cifar10_all":
    return [
      "cifar10_all: the validation split is the test split, which is looked at"
      " and by which nothing is chosen"
    ]
  if name != "digits":
    return [f"{name}: the test split is the official one"]
  splits = digits_splits()
  seen = {record.tobytes() for record in splits["train"]}
  shared = sum(record.tobytes() in seen for record in splits["test"])
  return [
    f"digits: {shared} of {len(splits['test'])} test pictures occur in"
    " training; the same 13 people wrote both"
  ]


def _stream(count: int) -> np.ndarray:
  return np.random.RandomState(_SEED).rand(count)
