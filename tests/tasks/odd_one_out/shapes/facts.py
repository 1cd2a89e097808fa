"""Published facts about the pictures, and how to compare samples with them.

Percentiles and means were measured on the generator that the paper used, with
samples of some thousand shapes; a tolerance is four standard errors of the
difference of two samples, plus what the published digits are rounded by.
"""

import numpy as np

PERCENTS = (1, 5, 25, 50, 75, 95, 99)
# Size of the samples of which the published numbers are known, at least.
_PUBLISHED_SAMPLE = 3000


def assert_percentiles(sample, published, rounding):
  """Checks how much of a sample lies below each published percentile."""
  sample = np.asarray(sample)
  for percent, value in zip(PERCENTS, published, strict=True):
    if value is None:  # Not published.
      continue
    share = percent / 100
    error = np.sqrt(
      share * (1 - share) * (1 / sample.size + 1 / _PUBLISHED_SAMPLE)
    )
    below = np.mean(sample <= value - rounding) - 4 * error
    above = np.mean(sample <= value + rounding) + 4 * error
    assert below <= share <= above, (percent, value, np.mean(sample <= value))


def assert_mean(sample, published, rounding, published_sample=None):
  sample = np.asarray(sample, float)
  size = published_sample or _PUBLISHED_SAMPLE
  error = sample.std() * np.sqrt(1 / sample.size + 1 / size)
  assert abs(sample.mean() - published) <= 4 * error + rounding, (
    sample.mean(),
    published,
  )
