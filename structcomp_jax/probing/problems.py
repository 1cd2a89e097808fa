"""Whether what probes are to read, and to tell apart, is as it should be."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax.engine import data
from structcomp_jax.types import UserError

_TASK = ("labels", "types")


def check_splits(splits: Mapping[str, Any]) -> int:
  """Returns the number of classes of a task.

  >>> examples = {"x": np.ones(3), "labels": np.array([0, 1, 1])}
  >>> check_splits({"dataset": examples, "test": examples})
  2

  Args:
    splits: {name: {"labels": i[N], "types": i[N] or absent, ...}}, the training
      set first.

  Raises:
    UserError: a split is no data set; labels are no classes, there is but one,
      a class has no training example; some splits have types and others none,
      or no type of a split is one of the training set.
  """
  first, *others = splits
  for name, split in splits.items():
    data.check(split, name)
    if "labels" not in split:
      raise UserError(
        f"{name} has no 'labels'; give the class of each example, from 0"
      )
    for field in _TASK:
      if field in split:
        _check_whole(f"{name} {field!r}", split[field])
  counts = np.bincount(np.asarray(splits[first]["labels"]))
  if len(counts) < 2:
    raise UserError(
      f"{first} 'labels' are all 0, one class; give at least two classes"
    )
  if not counts.all():
    missing = int(np.argmin(counts))
    raise UserError(
      f"{first} has labels up to {len(counts) - 1} and no example of class "
      f"{missing}; number the classes that occur 0, 1, ..."
    )
  for name in others:
    _check_others(name, splits[name], splits[first], first, len(counts))
  return len(counts)


def _check_whole(what: str, array: Any) -> None:
  """Raises unless an array has an integer of at least 0 for each example."""
  if array.ndim != 1 or not jnp.issubdtype(array.dtype, jnp.integer):
    raise UserError(
      f"{what} is {array.dtype} of shape {array.shape}; give one integer for "
      "each example"
    )
  least = int(array.min())
  if least < 0:
    raise UserError(f"{what} has the value {least}; count from 0")


def _check_others(name, split, training, first, num_classes):
  """Raises unless a held-out split fits the training set."""
  largest = int(split["labels"].max())
  if largest >= num_classes:
    raise UserError(
      f"{name} has label {largest} and {first} none above {num_classes - 1}; "
      f"give examples of every class in {first}"
    )
  if ("types" in split) != ("types" in training):
    raise UserError(
      f"of {first} and {name} one has 'types' and the other has none; give "
      "types to both or to neither"
    )
  if "types" in split and not share_seen(split, training):
    raise UserError(
      f"no type of {name} is one of {first}, so that nothing learned of the "
      "control task could be seen; give coarser types, such as the word that "
      "carries the label"
    )


def share_seen(split: Any, training: Any) -> float:
  """Returns the part of a split's examples whose type training has as well.

  >>> share_seen({"types": np.array([1, 2])}, {"types": np.array([2, 2])})
  0.5
  """
  return float(np.isin(split["types"], np.asarray(training["types"])).mean())


def check_sites(splits: Mapping[str, Any]) -> None:
  """Raises UserError unless all splits have the same sites, for linear probes.

  >>> check_sites({"dataset": {"features": {"hidden": np.ones((3, 2))}}})

  Args:
    splits: {name: {"features": {site: float[N, width]}, ...}}.
  """
  first, *_ = splits
  widths = {name: _widths(name, split) for name, split in splits.items()}
  for name, found in widths.items():
    for site in {**found, **widths[first]}:
      here, there = found.get(site, "no"), widths[first].get(site, "no")
      if here != there:
        raise UserError(
          f"{name} has {here} features of site {site!r} and {first} has "
          f"{there}; give both the same sites"
        )


def _widths(name: str, split: Any) -> dict[str, int]:
  """Returns {site: number of features} of a split."""
  features = split.get("features") if isinstance(split, Mapping) else None
  if not isinstance(features, Mapping) or not features:
    raise UserError(
      f"{name} has no 'features' {{site: array [examples, width]}}; compute "
      "them with probing.compute_features"
    )
  for site, array in features.items():
    if not isinstance(array, (np.ndarray, jax.Array)):
      found = f"a {type(array).__name__}"
    elif array.ndim != 2 or not jnp.issubdtype(array.dtype, jnp.floating):
      found = f"{array.dtype} of shape {array.shape}"
    else:
      continue
    raise UserError(
      f"{name} 'features/{site}' is {found}; give float[examples, width], "
      "e.g. of one position"
    )
  return {site: array.shape[1] for site, array in features.items()}


def majority(labels: Any, training_labels: Any) -> float:
  """Returns the accuracy of the most frequent training label.

  >>> majority(np.array([0, 1]), np.array([1, 1, 0]))
  0.5
  """
  most = np.bincount(np.asarray(training_labels)).argmax()
  return float((np.asarray(labels) == most).mean())
