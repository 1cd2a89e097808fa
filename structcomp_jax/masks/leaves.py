"""What a leaf of a network is: weights, averages, keys, and where neurons lie.

A tree does not say what its leaves mean. What can be told from a path, a shape
and the object itself is told here; anything else is refused rather than
guessed.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from structcomp_jax import settings
from structcomp_jax.trees import is_array, is_key, leaves_by_path
from structcomp_jax.types import Params, UserError

# Parts of a path that name what a training averages, not what it learns.
_AVERAGES = re.compile(
  r"batch_stats|(running|moving)_(mean|var|variance)|num_batches_tracked"
)
# Two leaves of these names side by side are those of a norm.
_MEAN, _VARIANCE = "mean", "var"
# NNX ends a path with one of these.
_ENDS = ("value", "raw_value")
_PARTS = re.compile(r"[/.]")


def check_arrays(leaves: Mapping[str, Any]) -> None:
  """Raises UserError unless all leaves are arrays of numbers.

  >>> check_arrays({"kernel": np.ones(2)})

  Args:
    leaves: {path: leaf} of a network.
  """
  for path, leaf in leaves.items():
    if is_key(leaf):
      raise UserError(
        f"leaf {path!r} is a random key, which would draw the same numbers in "
        "every step; split it from the weights (nnx.split(model, nnx.Param, "
        "...)), and for a loss that draws set loss_draws=True and use "
        "batch['key']"
      )
    if not is_array(leaf):
      raise UserError(
        f"leaf {path!r} is a {type(leaf).__name__}, not an array; split it off "
        "(params, rest = equinox.partition(model, equinox.is_array))"
      )


def check_network(params: Params) -> None:
  """Raises UserError unless all leaves of a network are arrays of numbers.

  >>> check_network({"dense": {"kernel": np.ones(2)}})

  Args:
    params: weights, any container.
  """
  check_arrays(leaves_by_path(params))


def neuron_axes(
  path: str, shape: Sequence[int], given: Any = None
) -> tuple[int, ...]:
  """Returns the axes along which the neurons of a leaf lie, ascending.

  >>> neuron_axes("dense/kernel", (3, 4)), neuron_axes("weight", (4, 3), 0)
  ((1,), (0,))

  Known layouts are vectors, `kernel` of a dense layer ([in, out], as in Flax
  and Keras), and `kernel` of a convolution ([rows, columns, in, out]) below a
  part named `conv`.

  Args:
    path: of the leaf.
    shape: its shape, not ().
    given: an axis, a sequence of axes, or None to recognise the layout.

  Raises:
    UserError: the layout is not known, or the leaf has no such axis.
  """
  if given is not None:
    return _checked_axes(path, shape, given)
  if len(shape) == 1:
    return (0,)
  *parents, name = _without_end(path)
  above = " ".join(parents).lower()
  is_convolution = "conv" in above and "transpose" not in above
  if name == "kernel" and (
    len(shape) == 2 or (len(shape) == 4 and is_convolution)
  ):
    return (len(shape) - 1,)
  raise UserError(
    f"leaf {path!r} of shape {tuple(shape)} may have its neurons along any "
    "axis; name it in the rule, as (regex, 'neuron', 0) for [out, in] or "
    "(regex, 'neuron', (1, 2)) for [in, heads, out]"
  )


def _checked_axes(path, shape, given):
  is_sequence = isinstance(given, Iterable) and getattr(given, "ndim", 1) > 0
  axes = tuple(given) if is_sequence else (given,)
  for axis in axes:
    settings.whole(f"the axis of neurons of leaf {path!r},", axis, -len(shape))
  found = {int(axis) % max(len(shape), 1) for axis in axes}
  if not axes or max(axes) >= len(shape) or len(found) < len(axes):
    raise UserError(
      f"leaf {path!r} of shape {tuple(shape)} has no neurons along {given!r}; "
      f"give different ones of its {len(shape)} axes, counted from 0"
    )
  return tuple(sorted(found))


def compiled(regex: Any, what: str) -> re.Pattern[str]:
  """Returns a compiled regex.

  >>> compiled(".*/bias", "mask rule").fullmatch("dense/bias") is None
  False

  Args:
    regex: the text.
    what: what has it, for the error.

  Raises:
    UserError: it is not a valid regex.
  """
  try:
    return re.compile(regex)
  except (re.error, TypeError) as error:
    raise UserError(
      f"{what} {regex!r} is not a valid regex ({error}); mend the pattern"
    ) from error


def close_paths(regex: str, paths: Sequence[str]) -> list[str]:
  """Returns up to three paths that resemble a regex, most similar first.

  >>> close_paths(".*/kernle", ["dense/bias", "dense/kernel"])[0]
  'dense/kernel'

  Args:
    regex: which matches none of them.
    paths: of a network.
  """
  words = re.sub(r"[^\w/]+", "", regex)

  def similarity(path: str) -> float:
    return difflib.SequenceMatcher(None, words, path).ratio()

  return sorted(paths, key=similarity, reverse=True)[:3]


def check_averages(rules: Mapping[str, str]) -> None:
  """Raises UserError if a rule selects running averages without naming them.

  >>> check_averages({"bn/mean": "bn/mean", "dense/kernel": ".*"})

  Args:
    rules: {path: regex that selects it} of the selected leaves.
  """
  for path, regex in rules.items():
    named = _name_of_average(path, rules)
    if named is not None and named not in regex:
      raise UserError(
        f"mask rule {regex!r} selects leaf {path!r}, a running average and no "
        f"weight; add a rule such as ('.*{named}.*', 'frozen') above it"
      )


def _name_of_average(path, paths):
  """Returns the part of a path that names an average, or None."""
  parts = _without_end(path)
  for part in parts:
    if _AVERAGES.fullmatch(part):
      return part
  name = parts[-1]
  if name in (_MEAN, _VARIANCE):
    pair = {tuple(_without_end(other)) for other in paths}
    if {(*parts[:-1], _MEAN), (*parts[:-1], _VARIANCE)} <= pair:
      return name
  return None


def _without_end(path):
  """Returns the parts of a path, without what NNX adds."""
  parts = _PARTS.split(path)
  if len(parts) > 1 and parts[-1] in _ENDS:
    parts.pop()
  return parts


def check_ties(leaves: Mapping[str, Any]) -> None:
  """Raises UserError if one array is at two places.

  >>> check_ties({"embed": np.ones(2), "head": np.ones(2)})

  Each place would have a mask of its own, and the weights would be tied no
  more.

  Args:
    leaves: {path: leaf} of the selected leaves.
  """
  places: dict[Any, str] = {}
  for path, leaf in leaves.items():
    first = places.setdefault(_memory(leaf), path)
    if first != path:
      raise UserError(
        f"leaves {first!r} and {path!r} are one array, and a mask for each "
        f"would untie them; leave {path!r} out of the tree and let the loss "
        f"use {first!r} in its place, or give a copy of it if they are two"
      )


def _memory(leaf: Any) -> Any:
  """Returns the same value for the same array."""
  if isinstance(leaf, np.ndarray):
    begin = leaf.__array_interface__["data"][0]
    return begin, leaf.shape, leaf.strides, leaf.dtype.str
  if isinstance(leaf, jax.Array):
    return id(leaf)
  return object()  # A number, or an abstract shape.
