"""Two-digit numbers: how problems are drawn, and numbers written as digits."""

import numpy as np

# How many numbers have at most two digits. Results are modulo this.
NUM_NUMBERS = 100
# "published" draws as Csordás et al. 2021 did; "disjoint" tests on inputs that
# no network was trained on.
POLICIES = ("published", "disjoint")
SPLIT_SIZES = {"train": 1_000_000, "validation": 10_000, "test": 10_000}

# The seed of a published split is this and the place of the split in the order.
_PUBLISHED_SEED = 0x12345678
_PUBLISHED_ORDER = ("train", "test", "validation")
_DISJOINT_SEED = 2021
# Parts of the distinct inputs that are for training, and for validation.
_TRAIN_PART, _VALIDATION_PART = 0.8, 0.1


def published_stream(split: str) -> np.random.RandomState:
  """Returns the random numbers from which a published split is drawn."""
  return np.random.RandomState(_PUBLISHED_SEED + _PUBLISHED_ORDER.index(split))


def draw_disjoint(num_inputs: int, part: int, split: str) -> np.ndarray:
  """Draws inputs of one split, none of which is in another split.

  The distinct inputs are divided at random, 80 % for training, 10 % for
  validation, 10 % for test. A split has as many problems as the published one,
  drawn with replacement from its share.

  Args:
    num_inputs: how many distinct inputs there are.
    part: what is drawn, a number; each has a division and draws of its own.
    split: "train", "validation" or "test".

  Returns:
    int64[problems], each at least 0 and less than `num_inputs`.
  """
  # NumPy never changes what its legacy streams yield.
  division = np.random.RandomState([_DISJOINT_SEED, part])
  train = round(_TRAIN_PART * num_inputs)
  validation = train + round(_VALIDATION_PART * num_inputs)
  shares = dict(
    zip(
      SPLIT_SIZES,
      np.split(division.permutation(num_inputs), [train, validation]),
      strict=True,
    )
  )
  stream = np.random.RandomState(
    [_DISJOINT_SEED, part, 1 + list(SPLIT_SIZES).index(split)]
  )
  return stream.choice(shares[split], SPLIT_SIZES[split])


def digits(values: np.ndarray) -> np.ndarray:
  """Writes numbers as two digits, units first.

  >>> digits(np.array([67, 5])).tolist()
  [[7, 6], [5, 0]]

  Args:
    values: integers [...] from 0 to 99.

  Returns:
    int32[..., 2]: units, tens.
  """
  tens, units = np.divmod(values, 10)
  return np.stack([units, tens], axis=-1).astype(np.int32)
