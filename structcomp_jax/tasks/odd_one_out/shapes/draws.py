"""Random numbers that depend on a key and nothing else.

A key is a uint64. `fold_in` makes a new one from it and a label. So a draw has
an address such as (problem, picture, object, "size"), and does not depend on
what else is drawn, in which order, or how many at a time. A key serves one
draw: two draws from the same key are not independent.

The hash is splitmix64 (Steele, Lea & Flood 2014). The arithmetic is limited to
operations that IEEE 754 rounds exactly (no sine, no sum over an axis), so that
draws are the same bits on every machine.
"""

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
# Rejection sampling tries about this many draws at a time.
_WAVE = 8192


def mix(keys: np.ndarray) -> np.ndarray:
  """Returns a bijective hash of uint64[...]."""
  keys = keys ^ (keys >> np.uint64(30))
  keys *= _FIRST
  keys ^= keys >> np.uint64(27)
  keys *= _SECOND
  keys ^= keys >> np.uint64(31)
  return keys


def fold_in(keys: np.ndarray, label: str | int | np.ndarray) -> np.ndarray:
  """Derives new keys from `keys` and a label.

  Args:
    keys: uint64[...].
    label: a text, or non-negative integers, which broadcast against `keys`.

  Returns:
    uint64[...].
  """
  if isinstance(label, str):
    # Greater than all integer labels in use, so that no text equals an integer.
    label = zlib.crc32(label.encode()) + (1 << 32)
  # An array, because NumPy warns of overflow in scalars but not in arrays.
  label = np.atleast_1d(label).astype(np.uint64)
  return mix(keys + GOLDEN * (label + np.uint64(1)))


def uniform(
  keys: np.ndarray, low: float | np.ndarray = 0.0, high: float | np.ndarray = 1
) -> np.ndarray:
  """Returns float64[keys.shape], uniform from `low` to `high`."""
  unit = (mix(keys + GOLDEN) >> np.uint64(11)) * 2.0**-53
  return low + unit * (high - low)


def points(
  keys: np.ndarray, low: float | np.ndarray = 0.0, high: float | np.ndarray = 1
) -> np.ndarray:
  """Returns float64[..., 2], uniform in a rectangle whose corners broadcast."""
  halves = mix(keys + GOLDEN).view(np.uint32).reshape(*keys.shape, 2)
  return low + halves * 2.0**-32 * (high - low)


def choice(keys: np.ndarray, count: int) -> np.ndarray:
  """Returns int64[keys.shape], uniform on 0 .. count - 1."""
  return (uniform(keys) * count).astype(np.int64)


def coin(keys: np.ndarray) -> np.ndarray:
  """Returns bool[keys.shape], True with probability 1/2."""
  return choice(keys, 2) == 1


def direction(keys: np.ndarray) -> np.ndarray:
  """Returns float64[n, 2], uniform on the unit circle."""

  def draw(keys, rows):
    del rows
    candidate = points(keys, -1.0, 1.0)
    squared = candidate[:, 0] ** 2 + candidate[:, 1] ** 2
    return (squared <= 1) & (squared > 0), (candidate, squared)

  _, (vectors, squared) = first_accepted(keys, draw)
  return vectors / np.sqrt(squared)[:, None]


def first_accepted(
  keys: np.ndarray,
  draw: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, tuple[Any, ...]]],
  limit: int = 1 << 20,
  at_once: int = 8,
) -> tuple[np.ndarray, tuple[Any, ...]]:
  """Returns, for every key, the first of a sequence of draws that is accepted.

  Args:
    keys: uint64[n].
    draw: takes keys uint64[m] and rows int64[m], which say for which of the n
      keys each draw is. Returns whether each draw is accepted, bool[m], and a
      tuple of values, arrays or ragged arrays of length m.
    limit: draws per key before giving up.
    at_once: the most draws per key in one call; does not change the result.

  Returns:
    The rows int64[k] for which a draw was accepted, ascending, and the values
    of those draws.
  """
  pending = np.arange(len(keys))
  found_rows: list[np.ndarray] = []
  found_places: list[np.ndarray] = []
  collected: list[tuple[Any, ...]] = []
  tried = drawn = 0
  while (pending.size and tried < limit) or not collected:
    width = _WAVE // max(pending.size, 1)
    width = max(1, min(width, at_once, limit - tried))
    attempts = np.tile(np.arange(tried, tried + width), pending.size)
    rows = np.repeat(pending, width)
    accepted, values = draw(fold_in(keys[rows], attempts), rows)
    collected.append(values)
    accepted = accepted.reshape(-1, width)
    found = accepted.any(1)
    first = np.arange(0, accepted.size, width) + accepted.argmax(1)
    found_rows.append(pending[found])
    found_places.append(drawn + first[found])
    pending = pending[~found]
    tried += width
    drawn += accepted.size
  rows, places = np.concatenate(found_rows), np.concatenate(found_places)
  order = np.argsort(rows)
  joined = (_join(parts) for parts in zip(*collected, strict=True))
  return rows[order], tuple(value[places[order]] for value in joined)


def _join(parts: tuple[Any, ...]) -> Any:
  if isinstance(parts[0], np.ndarray):
    return np.concatenate(parts)
  return type(parts[0]).concatenate(parts)
