"""Control tasks: labels that a network cannot have learned.

A probe that is accurate may have learned the task by itself, from what tells
the inputs apart. In a control task (Hewitt and Liang 2019, arXiv 1909.03368,
section 2) every type of input has a label drawn at random. A probe can only
learn it by heart, so that selectivity,

    accuracy of the task - accuracy of the control task,

is high where labels can be read and types cannot be told apart as easily.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import trees
from structcomp_jax.types import UserError

# What results call the task and its control.
TASKS = ("labels", "control")
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


def target_labels(
  splits: Mapping[str, Any],
  seeds: Sequence[int],
  *,
  key: jax.Array,
) -> dict[str, np.ndarray]:
  """Returns the labels that probes learn, {split: i32[N, 1 + seeds]}.

  Column 0 is the task. The others are the control task of every seed; they are
  left out where there are no types.

  >>> split = {"labels": np.array([0, 1])}
  >>> target_labels({"dataset": split}, (0,), key=jax.random.key(0))
  {'dataset': array([[0],
         [1]], dtype=int32)}

  Args:
    splits: {name: {"labels": i[N], "types": i[N] or absent}}, the training set
      first: control labels are drawn as often as its labels occur.
    seeds: of the probes.
    key: base key of the control tasks, folded with the seed.
  """
  counts = np.bincount(next(iter(splits.values()))["labels"])
  found = {}
  for name, split in splits.items():
    columns = [np.asarray(split["labels"], np.int32)]
    if "types" in split:
      columns += [
        control_labels(
          split["types"],
          counts / counts.sum(),
          key=jax.random.fold_in(key, seed),
        )
        for seed in seeds
      ]
    found[name] = np.stack(columns, axis=1)
  return found


def tasks_of(split: Mapping[str, Any]) -> tuple[str, ...]:
  """Returns what is learned from a split: the task, and the control task.

  >>> tasks_of({"labels": np.zeros(1), "types": np.zeros(1)})
  ('labels', 'control')
  """
  return TASKS if "types" in split else TASKS[:1]


def target_of(task: str, seed: int, seeds: Sequence[int]) -> int:
  """Returns the column of `target_labels` that a probe learns.

  >>> target_of("labels", 7, (6, 7)), target_of("control", 7, (6, 7))
  (0, 2)
  """
  return 0 if task == TASKS[0] else 1 + seeds.index(seed)
