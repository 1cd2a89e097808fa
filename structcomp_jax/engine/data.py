"""What a data set, a loss and metrics must be, checked before compiling.

Checking reads the whole data set once. It costs less than an epoch, and what
it finds would otherwise end in a number that is wrong or blamed on the network.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import trees
from structcomp_jax.engine import index_ranges
from structcomp_jax.types import Batch, Params, UserError

# Elements that are looked at together, so that a file need not fit in memory.
_ELEMENTS = 2**24


def check(dataset: Batch, name: str) -> None:
  """Raises UserError unless a data set is one.

  >>> check({"x": np.ones((3, 2)), "label": np.arange(3)}, "dataset")

  Args:
    dataset: {name: array [examples, ...]}, or dicts of those: all of one
      length, of numbers or random keys, finite as float32 and int32.
    name: what the error calls it.
  """
  if not isinstance(dataset, Mapping):
    raise UserError(
      f"{name} is a {type(dataset).__name__}; give a dict of arrays "
      "[examples, ...]"
    )
  if not dataset:
    raise UserError(f"{name} has no arrays; give {{name: array}}")
  leaves = _leaves(dataset)
  for path, leaf in leaves.items():
    _check_kind(f"{name} {path!r}", leaf)
  lengths = {path: leaf.shape[0] for path, leaf in leaves.items()}
  shortest = min(lengths, key=lambda path: lengths[path])
  longest = max(lengths, key=lambda path: lengths[path])
  if lengths[shortest] != lengths[longest]:
    raise UserError(
      f"{name} has {lengths[longest]} examples of {longest!r} and "
      f"{lengths[shortest]} of {shortest!r}; give as many of each"
    )
  if not lengths[shortest]:
    raise UserError(f"{name} has no examples; give at least one")
  for path, leaf in leaves.items():
    _check_values(f"{name} {path!r}", leaf)


def _leaves(dataset: Any) -> dict[str, Any]:
  """Returns {path: array}; a list or an empty dict is no array, but a leaf."""
  return {
    trees.path_string(path): leaf
    for path, leaf in jax.tree_util.tree_leaves_with_path(
      dataset, is_leaf=lambda part: not (isinstance(part, Mapping) and part)
    )
  }


def _check_kind(what: str, leaf: Any) -> None:
  """Raises unless a part of a data set is an array with examples."""
  if not isinstance(leaf, (np.ndarray, jax.Array)):
    raise UserError(
      f"{what} is a {type(leaf).__name__}, not an array; convert it with "
      "numpy.asarray"
    )
  if not trees.is_array(leaf):
    raise UserError(
      f"{what} holds {leaf.dtype} and no numbers; encode it as numbers"
    )
  if not leaf.ndim:
    raise UserError(
      f"{what} is a single number; give one for each example, along the first "
      "axis"
    )


def _check_values(what: str, leaf: Any) -> None:
  """Raises if a number is not finite, or not as JAX stores it."""
  if trees.is_key(leaf) or leaf.dtype == bool or not leaf.size:
    return
  stored = dtype_of(leaf)
  is_stored = stored == leaf.dtype
  if jnp.issubdtype(stored, jnp.integer) and is_stored:
    return
  for start, part in _parts(leaf):
    if is_stored or not jnp.issubdtype(stored, jnp.integer):
      with np.errstate(over="ignore"):
        is_right = jnp.isfinite(part) if isinstance(part, jax.Array) else (
          np.isfinite(part.astype(stored, copy=False))
        )  # fmt: skip
    else:
      limits = jnp.iinfo(stored)
      is_right = (part >= limits.min) & (part <= limits.max)
    if not is_right.all():
      place = tuple(np.argwhere(~np.asarray(is_right))[0])
      raise UserError(
        f"{what} is {part[place]} in example {start + place[0]}, which is no "
        f"finite number of dtype {stored}; mend or leave out such examples"
      )


def _parts(leaf):
  """Yields (first example, examples): NumPy, unless on an accelerator."""
  leaf = _in_numpy(leaf)
  step = max(_ELEMENTS * len(leaf) // max(leaf.size, 1), 1)
  for start in range(0, len(leaf), step):
    yield start, leaf[start : start + step]


def _in_numpy(leaf):
  """Returns an array of the host as a NumPy array, which copies nothing."""
  if isinstance(leaf, jax.Array) and not trees.is_key(leaf):
    is_here = leaf.is_fully_addressable or leaf.is_fully_replicated
    if is_here and all(one.platform == "cpu" for one in leaf.devices()):
      return np.asarray(leaf)
  return leaf


def check_loss(
  loss_fn: Callable[[Params, Batch], Any],
  params: Params,
  batch_size: int,
  datasets: Mapping[str, Batch],
) -> None:
  """Raises UserError unless a loss is one number, and reads data as it is.

  Args:
    loss_fn: (params, batch) -> scalar.
    params: of one network, arrays or shapes.
    batch_size: examples that the loss sees at a time.
    datasets: {name: data set that `check` accepted}, alike but for the number
      of examples.
  """
  result, limits = _traced("loss_fn", loss_fn, params, batch_size, datasets)
  shape = getattr(result, "shape", None)
  if shape != () or not jnp.issubdtype(result.dtype, jnp.floating):
    found = "a " + type(result).__name__
    if shape is not None:
      found = f"{result.dtype} of shape {shape}"
    raise UserError(
      f"loss_fn returns {found}, not one number; return the mean over the "
      "examples alone"
    )
  _check_indices("loss_fn", limits, datasets)


def check_metrics(
  metrics_fn: Callable[[Params, Batch], Any],
  params: Params,
  batch_size: int,
  datasets: Mapping[str, Batch],
  *,
  needs: str | None = None,
) -> None:
  """Raises UserError unless metrics are per example, and read data as it is.

  Args:
    metrics_fn: (params, batch) -> {name: number[batch, ...]}.
    params, batch_size, datasets: as for `check_loss`.
    needs: a metric that must be there.
  """
  result, limits = _traced(
    "metrics_fn", metrics_fn, params, batch_size, datasets
  )
  if not isinstance(result, Mapping) or not result:
    raise UserError(
      f"metrics_fn returns a {type(result).__name__}; return a dict "
      "{name: one number for each example}"
    )
  for name, value in result.items():
    shape = getattr(value, "shape", None)
    if not shape or shape[0] != batch_size:
      found = type(value).__name__ if shape is None else f"shape {shape}"
      raise UserError(
        f"metrics_fn returns {name!r} as {found} for {batch_size} examples; "
        "return one number for each example and no mean"
      )
  if needs is not None and needs not in result:
    raise UserError(
      f"metrics_fn returns {', '.join(map(repr, result))} and no {needs!r}; "
      f"return {needs!r} of each example, too"
    )
  if needs is not None and len(result[needs].shape) > 1:
    raise UserError(
      f"metrics_fn returns {needs!r} of shape {result[needs].shape}; return "
      "one number for each example"
    )
  _check_indices("metrics_fn", limits, datasets)


def check_features(
  feature_fn: Callable[[Params, Batch], Any],
  params: Params,
  batch_size: int,
  datasets: Mapping[str, Batch],
) -> None:
  """Raises UserError unless features are vectors, and read data as it is.

  Args:
    feature_fn: (params, batch) -> float[batch, features], or a dict of those.
    params, batch_size, datasets: as for `check_loss`.
  """
  result, limits = _traced(
    "feature_fn", feature_fn, params, batch_size, datasets
  )
  is_dict = isinstance(result, Mapping) and bool(result)
  for name, value in (result if is_dict else {"": result}).items():
    shape = getattr(value, "shape", None)
    if (
      shape is None
      or len(shape) != 2
      or shape[0] != batch_size
      or not jnp.issubdtype(value.dtype, jnp.floating)
    ):
      found = f"a {type(value).__name__}"
      if shape is not None:
        found = f"{value.dtype} of shape {shape}"
      raise UserError(
        f"feature_fn returns {f'{name!r} as ' if name else ''}{found} for "
        f"{batch_size} examples; return float[examples, features]"
      )
  _check_indices("feature_fn", limits, datasets)


def _traced(name, function, params, batch_size, datasets):
  """Returns the shapes that a function returns, and what it indexes with."""
  try:
    hash(function)
  except TypeError as error:
    raise UserError(
      f"{name} has no hash, by which compiled programs are found (it is a "
      "network, or a method of one?); give a function of (params, batch)"
    ) from error
  first = next(iter(datasets.values()))
  batch = jax.tree.map(
    lambda array: jax.ShapeDtypeStruct(
      (batch_size, *array.shape[1:]), dtype_of(array)
    ),
    dict(first),
  )
  arguments = jax.eval_shape(lambda *both: both, params, batch)
  leaves, structure = jax.tree.flatten(arguments)
  return _trace(function, structure, tuple(leaves))


def dtype_of(array: Any) -> Any:
  """Returns the dtype in which JAX computes with an array.

  >>> dtype_of(np.zeros(2))
  dtype('float32')
  """
  if trees.is_key(array):
    return array.dtype
  return jax.dtypes.canonicalize_dtype(array.dtype)


@functools.lru_cache(maxsize=64)
def _trace(function, structure, leaves):
  """Traces a function once for all searches that share it."""
  arguments = jax.tree.unflatten(structure, leaves)
  traced, result = jax.make_jaxpr(function, return_shape=True)(*arguments)
  with_paths = jax.tree_util.tree_leaves_with_path(arguments)
  fields = [
    trees.path_string(path[1:])
    if path[0].idx == 1 and jnp.issubdtype(leaf.dtype, jnp.integer)
    else None
    for path, leaf in with_paths
  ]
  return result, index_ranges.limits(traced.jaxpr, fields)


def _check_indices(name, limits, datasets):
  """Raises if a data set has an index that does not exist."""
  for title, dataset in datasets.items():
    leaves = _leaves(dataset)
    for field, limit in limits.items():
      for start, part in _parts(leaves[field]):
        wrong = index_ranges.describe(field, start, np.asarray(part), limit)
        if wrong is not None:
          raise UserError(
            f"{title}: {wrong} in {name}; mend the data, or clip it in "
            f"{name} if such examples do not count"
          )
