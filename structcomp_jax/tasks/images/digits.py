"""1,797 handwritten digits of 8 x 8 pixels, which are part of this package.

They are the test set of "Optical Recognition of Handwritten Digits" of the UCI
Machine Learning Repository (E. Alpaydin and C. Kaynak, 1998, doi
10.24432/C50P49, CC BY 4.0), the digits of scikit-learn's `load_digits`, in the
same order. A pixel is a number from 0 to 16: how many points of a square of 4 x
4 were black. In digits.csv a picture is one letter for each pixel.
"""

import csv
import functools
import importlib.resources

import numpy as np

SIDE = 8
_LETTERS = "0123456789abcdefg"


@functools.cache
def load() -> np.ndarray:
  """Returns uint8[1797, 65]: the class, then the pixels, of every picture."""
  text = (importlib.resources.files(__package__) / "digits.csv").read_text()
  return np.array(
    [
      [int(row["label"]), *map(_LETTERS.index, row["pixels"])]
      for row in csv.DictReader(text.splitlines())
    ],
    np.uint8,
  )
