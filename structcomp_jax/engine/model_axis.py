"""Along which axis the weights of a network too large for a device are cut.

Devices that share a network hold equal parts of each large weight, and of all
that is kept for it: its mask logits, their moments, their gradient. Programs
are written for whole arrays; the compiler derives from how the weights are cut
what each device computes, and what the devices send to each other.
"""

import dataclasses
import functools
import math
import re
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import PartitionSpec

from structcomp_jax import settings, trees
from structcomp_jax.types import UserError

AXIS = "model"

# (regex that must match the whole path of a weight, the axis along which it is
# cut; None: it is whole on every device).
Rule = tuple[str, int | None]


@dataclasses.dataclass(frozen=True)
class Cuts:
  """Where each weight is cut; equal by value.

  Attributes:
    num_devices: equal parts.
    axes: (path of a weight, axis counted from the last: -1, -2, ...). Weights
      that are not named are whole on every device.
  """

  num_devices: int
  axes: tuple[tuple[str, int], ...]

  @functools.cached_property
  def _by_path(self) -> dict[str, int]:
    return dict(self.axes)

  def specs(self, tree: Any, spec: PartitionSpec) -> Any:
    """Returns how the leaves of a tree lie: what belongs to a weight, like it.

    A leaf belongs to the weight whose path its own path ends with, such as
    `opt_state/mu/dense/kernel` to `dense/kernel`.

    >>> weight = np.zeros((3, 8, 6))  # The first axis has rows.
    >>> rows = PartitionSpec("candidate")
    >>> cuts = Cuts(2, (("kernel", -1),))
    >>> found = cuts.specs({"mu": {"kernel": weight}}, rows)
    >>> tuple(found["mu"]["kernel"])
    ('candidate', None, 'model')

    Args:
      tree: arrays or abstract shapes.
      spec: how all leaves lie, but for the cuts.
    """
    return jax.tree_util.tree_map_with_path(
      lambda path, leaf: self._spec(trees.path_string(path), leaf, spec), tree
    )

  def _spec(self, path: str, leaf: Any, spec: PartitionSpec) -> PartitionSpec:
    axis, shape = self._axis(path), np.shape(leaf)
    if axis is None or len(shape) + axis < len(spec):
      return spec
    # The mask of a weight by neuron has one element along other axes.
    if shape[axis] % self.num_devices:
      return spec
    place = len(shape) + axis
    between = [None] * (place - len(spec))
    return PartitionSpec(*spec, *between, AXIS)

  def _axis(self, path: str) -> int | None:
    """Returns the axis of the weight with the longest path that fits."""
    parts = path.split("/")
    for first in range(len(parts)):
      axis = self._by_path.get("/".join(parts[first:]))
      if axis is not None:
        return axis
    return None


def cut(
  params: Any,
  num_devices: int,
  rules: Sequence[Rule] = (),
  *,
  have_rows: bool = False,
) -> Cuts:
  """Returns where the weights of a network are cut.

  >>> params = {"kernel": np.zeros((4, 8)), "head": np.zeros((9, 4))}
  >>> cut(params, 2).axes
  (('head', -1), ('kernel', -1))
  >>> cut(params, 2, [("kernel", 0), (".*", None)]).axes
  (('kernel', -2),)

  Rules are ordered, and the first match wins. A weight that no rule names is
  cut along its longest axis that the devices divide, the last of equals; a
  vector, or a weight without such an axis, is whole on every device.

  Args:
    params: arrays or abstract shapes.
    num_devices: equal parts.
    rules: see `Rule`.
    have_rows: every leaf has a leading axis of rows, which does not count.

  Raises:
    UserError: a rule that is the first match of no weight, or names an axis
      that a weight does not have or that the devices do not divide.
  """
  compiled = [(_compiled(regex), regex, axis) for regex, axis in rules]
  unused = {regex for regex, _ in rules}
  axes = {}
  for path, leaf in trees.leaves_by_path(params).items():
    shape = tuple(np.shape(leaf))[1 if have_rows else 0 :]
    rule = next((rule for rule in compiled if rule[0].fullmatch(path)), None)
    if rule is None:
      axis = _longest(shape, num_devices)
    else:
      _, regex, axis = rule
      unused.discard(regex)
      axis = _checked(path, shape, axis, regex, num_devices)
    if axis is not None:
      axes[path] = axis
  if unused:
    regex = next(regex for regex, _ in rules if regex in unused)
    raise UserError(
      f"model_axes rule {regex!r} is the first match of no weight; it must "
      "match a whole path, and stand above rules that match the same ones"
    )
  return Cuts(num_devices, tuple(sorted(axes.items())))


def checked_rules(rules: Any) -> tuple[Rule, ...]:
  """Returns rules as a tuple of pairs, which has a hash.

  >>> checked_rules([["embedding", 0], [".*", None]])
  (('embedding', 0), ('.*', None))

  Raises:
    UserError: they are no pairs of a regex and an axis or None.
  """
  example = "(('.*/embedding', 0),)"
  pairs = settings.sequence("model_axes", rules, example)
  for pair in pairs:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
      raise UserError(
        f"model_axes {pair!r} is no pair of a regex and an axis; write it as "
        f"{example}"
      )
    regex, axis = pair
    _compiled(regex)
    if axis is not None:
      settings.whole(f"the axis of model_axes rule {regex!r},", axis, -64, 64)
  return tuple((regex, axis) for regex, axis in pairs)


def _compiled(regex: Any) -> re.Pattern[str]:
  try:
    return re.compile(regex)
  except (re.error, TypeError) as error:
    raise UserError(
      f"model_axes rule {regex!r} is no regular expression ({error}); mend it"
    ) from error


def _longest(shape: tuple[int, ...], num_devices: int) -> int | None:
  """Returns the longest axis that can be cut, or None."""
  if len(shape) < 2:
    return None
  fitting = [
    (length, axis - len(shape))
    for axis, length in enumerate(shape)
    if length and length % num_devices == 0
  ]
  return max(fitting)[1] if fitting else None


def _checked(
  path: str,
  shape: tuple[int, ...],
  axis: int | None,
  regex: str,
  num_devices: int,
) -> int | None:
  """Returns the axis of a rule, counted from the last."""
  if axis is None:
    return None
  if not -len(shape) <= axis < len(shape):
    raise UserError(
      f"model_axes rule {regex!r} cuts weight {path!r} of shape {shape} along "
      f"axis {axis}, which it does not have; add a rule ({path!r}, None) above"
    )
  if shape[axis] % num_devices:
    raise UserError(
      f"model_axes rule {regex!r} cuts weight {path!r} of shape {shape} along "
      f"axis {axis}, which {num_devices} devices do not divide; add a rule "
      f"({path!r}, None) above, or change model_devices"
    )
  return axis % len(shape) - len(shape)


def bytes_of_a_part(tree: Any, shardings: Any) -> int:
  """Returns the bytes of a tree that lie on one device.

  Args:
    tree: arrays or abstract shapes.
    shardings: of its leaves, a tree like it.
  """
  parts = jax.tree.map(
    lambda leaf, sharding: (
      math.prod(sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
    ),
    tree,
    shardings,
  )
  return sum(jax.tree.leaves(parts))
