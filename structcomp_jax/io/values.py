"""Turns array scalars into Python values whose text names their exact bits."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
  """Returns a Python value for a Python, NumPy or JAX scalar.

  A float narrower than 64 bits becomes the Python float with the shortest
  decimal text that still identifies it: float32 0.1 gives 0.1, not
  0.10000000149. Casting it back to float32 returns the same bits.

  Args:
    value: None, str, bool, int, float, or an array of shape [].

  Returns:
    None, str, bool, int or float.

  Raises:
    TypeError: `value` is anything else.

  >>> plain(np.float32(0.1))
  0.1
  """
  if value is None or type(value) in (str, bool, int, float):
    return value
  array = np.asarray(value)
  if array.ndim or array.dtype.kind == "O":
    raise TypeError(f"expected a scalar, got {type(value).__name__} {value!r}")
  item = array.item()
  if isinstance(item, float) and array.dtype.itemsize < 8:
    return float(str(array[()]))
  if not isinstance(item, (str, bool, int, float)):
    raise TypeError(f"expected a scalar, got {type(value).__name__} {value!r}")
  return item


def json_value(value: Any) -> Any:
  """Returns what JSON can hold of scalars, dicts, lists and tuples.

  NaN and infinities become None: JSON has no numbers for them.

  >>> json_value({"loss": np.float32(0.1), "interval": (0.0, float("nan"))})
  {'loss': 0.1, 'interval': [0.0, None]}
  """
  if isinstance(value, Mapping):
    return {str(key): json_value(entry) for key, entry in value.items()}
  if isinstance(value, (list, tuple)):
    return [json_value(entry) for entry in value]
  value = plain(value)
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value
