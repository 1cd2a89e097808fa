"""Control tasks: labels that a network cannot have learned.

A probe that is accurate may have learned the task by itself, from what tells
the inputs apart. In a control task (Hewitt and Liang 2019, arXiv 1909.03368,
section 2) every type of input has a label drawn at random. A probe can only
learn it by heart, so that selectivity,

    accuracy of the task - accuracy of the control task,

is high where labels can be read and types cannot be told apart as easily.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import trees
from structcomp_jax.types import UserError

_LARGEST = 2**31 - 1


def type_ids(values: Any) -> np.ndarray:
  """Returns a number for every value; equal values have equal numbers.

  >>> type_ids(["cat", "dog", "cat"]).tolist()
  [991071082, 544292599, 991071082]

  A number depends on its value alone, so that the splits of a data set can be
  numbered one by one. Different values have the same number once in two
  billion pairs.

  Args:
    values: texts [N], or integers or booleans [N, ...], e.g. token ids of whole
      sentences.

  Returns:
    i32[N], not negative.

  Raises:
    UserError: the values are neither texts nor integers.
  """
  array = np.asarray(values)
  if array.ndim and array.dtype.kind in "OU":
    rows = [str(value).encode() for value in array.ravel()]
  elif array.ndim and array.dtype.kind in "iub":
    wide = array.reshape(len(array), -1).astype("<i8")
    rows = [row.tobytes() for row in wide]
  else:
    raise UserError(
      f"types of dtype {array.dtype} and shape {array.shape} cannot be "
      "numbered; give texts [N] or integers [N, ...]"
    )
  return np.array([_number(row) for row in rows], np.int32)


def _number(value: bytes) -> int:
  digest = hashlib.blake2b(value, digest_size=4).digest()
  return int.from_bytes(digest, "little") & _LARGEST


def control_labels(
  types: Any, shares: Sequence[float] | np.ndarray, *, key: jax.Array
) -> np.ndarray:
  """Returns a random label for every type, the same wherever it occurs.

  >>> control_labels([7, 8, 7, 9], [0.5, 0.5], key=jax.random.key(3)).tolist()
  [0, 1, 0, 0]

  Args:
    types: i32[N], not negative, e.g. of `type_ids`.
    shares: f32[classes]: how often each label is drawn.
    key: typed key. A label is a function of it, of its type and of the shares
      alone.

  Returns:
    i32[N].

  Raises:
    UserError: `key` is not one typed key.
  """
  trees.check_key(key)
  unique, place = np.unique(np.asarray(types), return_inverse=True)
  draws = jax.vmap(
    lambda one: jax.random.uniform(jax.random.fold_in(key, one))
  )(jnp.asarray(unique, jnp.uint32))
  limits = np.cumsum(np.asarray(shares, np.float64))[:-1]
  labels = np.searchsorted(limits, np.asarray(draws), side="right")
  return labels[place].astype(np.int32)


def with_controls(
  labels: np.ndarray,
  types: np.ndarray | None,
  shares: np.ndarray,
  seeds: Sequence[int],
  *,
  key: jax.Array,
) -> np.ndarray:
  """Returns i32[N, 1 + seeds]: the task, then the control of every seed.

  >>> with_controls(
  ...   np.array([0, 1]), None, np.ones(2) / 2, (0,), key=jax.random.key(0)
  ... ).tolist()
  [[0], [1]]

  Args:
    labels: i[N], of the task.
    types: i[N]; None: there is no control task.
    shares: f64[classes], of the training labels.
    seeds: of the probes.
    key: base key of the control tasks, folded with the seed.
  """
  columns = [np.asarray(labels, np.int32)]
  if types is not None:
    columns += [
      control_labels(types, shares, key=jax.random.fold_in(key, seed))
      for seed in seeds
    ]
  return np.stack(columns, axis=1)
