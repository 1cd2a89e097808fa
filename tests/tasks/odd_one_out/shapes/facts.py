"""Compares samples with what is known of the pictures of Lepori et al. 2023.

Percentiles and means were measured on the generator that the paper used, with
samples of some thousand shapes. A tolerance is four standard errors of the
difference of two samples, plus the rounding of the known numbers.
"""

import numpy as np

PERCENTS = (1, 5, 25, 50, 75, 95, 99)
# The least size of the samples from which the known numbers come.
_KNOWN_SAMPLE = 3000


def assert_percentiles(sample, known, rounding):
  """Checks how much of a sample lies below each known percentile."""
  sample = np.asarray(sample)
  for percent, value in zip(PERCENTS, known, strict=True):
    if value is None:  # It is not known.
      continue
    share = percent / 100
    error = np.sqrt(share * (1 - share) * (1 / sample.size + 1 / _KNOWN_SAMPLE))
    below = np.mean(sample <= value - rounding) - 4 * error
    above = np.mean(sample <= value + rounding) + 4 * error
    assert below <= share <= above, (percent, value, np.mean(sample <= value))


def assert_mean(sample, known, rounding, known_sample=None):
  sample = np.asarray(sample, float)
  size = known_sample or _KNOWN_SAMPLE
  error = sample.std() * np.sqrt(1 / sample.size + 1 / size)
  assert abs(sample.mean() - known) <= 4 * error + rounding, (
    sample.mean(),
    known,
  )
