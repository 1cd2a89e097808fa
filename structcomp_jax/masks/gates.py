"""Gates: units of many weights, such as heads, neurons, blocks and layers.

A mask has its elements within one leaf. A head has weights in several: columns
of queries, keys and values, and rows of the output. A *gate* is a new leaf of
ones, one for each such unit, and multiplies some of the unit's weights. It is
masked as any other leaf is, beside them in one search:

    found  = gates.find(params, "heads", {".*output/kernel": 0}, num_units=12)
    gated  = gates.add(params, found)
    spec   = masks.select(gated, [("gates/.*", "weight"), (".*", "frozen")])
    result = search.run(gates.wrap(loss_fn), gated, spec, ...)
    kept   = gates.expand(result.mask, gated)  # {path: bool[...]} of `params`

A gate multiplies the weights with which a unit writes (`Gate.scaled`), as a
head's rows of the output. Were it to multiply all of the unit's weights, a gate
at 0 would have no gradient, and the unit could never come back. `models.units`
knows where units of this package's networks lie.
"""

import dataclasses
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import settings
from structcomp_jax.masks import leaves as leaf_kinds
from structcomp_jax.masks.gated import (
  GATES,
  NETWORK,
  Gate,
  Gated,
  Part,
  check_gate,
  spread,
)
from structcomp_jax.masks.merge import check_mask_shape, merge
from structcomp_jax.trees import leaves_by_path
from structcomp_jax.types import AnyMask, Mask, Params, UserError

# Along which axis, or axes, of a leaf units lie; None: it is one unit's.
Axes = int | Sequence[int] | None


def find(
  params: Params,
  kind: str,
  scaled: Mapping[str, Axes],
  implied: Mapping[str, Axes] | None = None,
  *,
  num_units: int | Sequence[int] | None = None,
) -> list[Gate]:
  r"""Finds units by the paths of their leaves: one gate for every place.

  >>> shapes = {"out": (64, 64), "key": (64, 64), "value": (64, 64)}
  >>> params = {
  ...   f"layer.{layer}.{name}.weight": np.ones(shape)  # PyTorch: [out, in].
  ...   for layer in range(2)
  ...   for name, shape in shapes.items()
  ... }
  >>> for gate in find(
  ...   params,
  ...   "heads",
  ...   scaled={r"(layer\.\d+)\.out\.weight": 1},
  ...   implied={r"(layer\.\d+)\.(?:key|value)\.weight": 0},
  ...   num_units=4,
  ... ):
  ...   print(gate.name, gate.shape, len(gate.parts))
  layer.0/heads (4,) 3
  layer.1/heads (4,) 3

  Args:
    params: weights; arrays or abstract shapes.
    kind: what the units are called: a gate's name is <place>/<kind>.
    scaled: {regex: axis} of the leaves that the gate multiplies: those by which
      a unit acts on the rest of the network. The regex must match a whole path;
      what its first group matches is the place, and without a group there is
      but one. Along the axis, units lie side by side in equal parts; several
      axes are those of units in several directions, as (0, 2) for the heads of
      layers that one leaf [layers, in, heads, size] holds; None: the leaf is
      one unit's as a whole.
    implied: the same of the leaves that have no effect where those in `scaled`
      are zero. One that `scaled` has, too, is left out.
    num_units: how many lie along the axis, or each axis; None: as many as the
      leaf has places, each of which is a unit.

  Returns:
    The gates, in the order in which the network has their first leaves.

  Raises:
    UserError: a regex is invalid or matches nothing, a leaf has no such axes or
      cannot be cut into so many equal parts, parts of one unit differ in their
      length, or `implied` names a place that `scaled` does not.
  """
  leaves = leaves_by_path(params)
  leaf_kinds.check_arrays(leaves)
  places = _places(leaves, scaled, kind)
  others = _places(leaves, implied or {}, kind)
  lost = [place for place in others if place not in places]
  if lost:
    raise UserError(
      f"gate {kind!r}: at {lost[0]!r} there are implied leaves and no scaled "
      "ones; let the first group of every regex match the same place"
    )
  found = []
  for place, parts in places.items():
    known = {part.path for part in parts}
    rest = [part for part in others.get(place, []) if part.path not in known]
    name = f"{place}/{kind}" if place else kind
    shape = _shape(leaves, name, parts[0], num_units)
    gate = Gate(name, shape, tuple(parts), tuple(rest))
    check_gate(gate, leaves)
    found.append(gate)
  return found


def add(params: Params, layout: Iterable[Gate]) -> Gated:
  """Returns a network with gates, all of them open.

  >>> params = {"output": np.ones((4, 3), np.float32)}
  >>> gated = add(params, find(params, "heads", {"output": 0}, num_units=2))
  >>> list(leaves_by_path(gated))
  ['network/output', 'gates/heads']

  Args:
    params: weights, any container; left untouched.
    layout: gates that `find` found, of any number of kinds. Where several
      cover a weight, it stays if all are open.

  Returns:
    A tree for `masks.select`, `search.run`, `evaluation.evaluate` and others,
    with losses and metrics that went through `wrap`.

  Raises:
    UserError: two gates have one name, there is none, or a gate was found in
      another network.
  """
  layout = tuple(layout)
  leaves = leaves_by_path(params)
  for gate in layout:
    check_gate(gate, leaves)
  names = [gate.name for gate in layout]
  twice = {name for name in names if names.count(name) > 1}
  if twice:
    raise UserError(
      f"two gates are called {min(twice)!r}; give their kinds different names"
    )
  if not layout:
    raise UserError("there is no gate to add; give what gates.find returns")
  gates = {gate.name: np.ones(gate.shape, np.float32) for gate in layout}
  return Gated(params, gates, layout)


def apply(gated: Gated) -> Params:
  """Returns the network with the gates multiplied into it.

  >>> params = {"output": jnp.array([1.0, 2.0, 3.0, 4.0])}
  >>> gated = add(params, find(params, "heads", {"output": 0}, num_units=2))
  >>> mask = {"gates/heads": jnp.array([True, False])}
  >>> apply(merge(gated, mask))["output"].tolist()
  [1.0, 2.0, 0.0, 0.0]

  Args:
    gated: what `add` made, its gates and weights masked or not.

  Returns:
    A tree like the network; open gates leave the bits of its weights, and
    leaves that no gate scales are the same objects.

  Raises:
    UserError: `gated` has no gates.
  """
  _check_gated(gated)
  leaves = leaves_by_path(gated.network)
  factors: dict[str, jax.Array] = {}
  for gate in gated.layout:
    units = jnp.asarray(gated.gates[gate.name])
    for part in gate.scaled:
      factor = spread(units, part, np.shape(leaves[part.path]))
      _combine(factors, part.path, factor, operator.mul)
  return merge(gated.network, factors)


@dataclasses.dataclass(frozen=True)
class _Wrapped:
  """A function of a network as one of a network with gates; see `wrap`."""

  function: Callable[..., Any]

  def __call__(self, gated: Gated, *args: Any, **kwargs: Any) -> Any:
    return self.function(apply(gated), *args, **kwargs)


def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
  """Makes a function of a network one of a network with gates.

  >>> params = {"output": jnp.array([1.0, 2.0])}
  >>> gated = add(params, find(params, "neurons", {"output": 0}))
  >>> wrap(lambda params, batch: batch @ params["output"])(gated, jnp.ones(2))
  Array(3., dtype=float32)

  Args:
    function: its first argument is the network: a loss, metrics, a model. Two
      wraps of one function are equal, so that programs compile once.

  Returns:
    The same function, with what `add` returns as its first argument.
  """
  return _Wrapped(function)


def expand(mask: AnyMask, gated: Gated) -> Mask:
  """Returns which weights of the network itself a mask keeps.

  A weight is kept where its own mask keeps it and every gate that covers it is
  open; its other leaves are not in the mask. On masked networks with zeros both
  compute the same, so that the result can be exported, drawn and compared, and
  take fills that a gate cannot have.

  >>> params = {"key": jnp.ones((1, 4)), "output": jnp.ones(4)}
  >>> found = find(params, "heads", {"output": 0}, {"key": 1}, num_units=2)
  >>> mask = {"gates/heads": jnp.array([True, False])}
  >>> expand(mask, add(params, found))["key"].astype(int).tolist()
  [[1, 1, 0, 0]]

  Where a leaf has a mask of its own and a gate besides, the complement of the
  result is not the result of the complement: expand last.

  Args:
    mask: {path: bool[...]} of leaves of `gated`; `jax.vmap` it over candidates.
    gated: what `add` made.

  Returns:
    {path in the network: bool[shape of the leaf]}.

  Raises:
    UserError: the mask is not of such a network, or not of booleans.
  """
  _check_gated(gated)
  leaves = leaves_by_path(gated.network)
  _check_mask(mask, gated)
  kept = {
    path.removeprefix(NETWORK): jnp.asarray(units)
    for path, units in mask.items()
    if path.startswith(NETWORK)
  }
  for gate in gated.layout:
    if gate.path not in mask:
      continue
    units = jnp.broadcast_to(jnp.asarray(mask[gate.path]), gate.shape)
    for part in gate.parts:
      of_leaf = spread(units, part, np.shape(leaves[part.path]))
      _combine(kept, part.path, of_leaf, jnp.logical_and)
  return {
    path: jnp.broadcast_to(units, np.shape(leaves[path]))
    for path, units in kept.items()
  }


def _combine(
  arrays: dict[str, jax.Array],
  path: str,
  other: jax.Array,
  function: Callable[[Any, Any], jax.Array],
) -> None:
  """Combines an array with the one at a path, if there is any."""
  arrays[path] = function(arrays[path], other) if path in arrays else other


def _places(
  leaves: Mapping[str, Any], patterns: Mapping[str, Axes], kind: str
) -> dict[str, list[Part]]:
  """Returns {place: parts}; the first pattern that matches a leaf wins."""
  if not isinstance(patterns, Mapping):
    raise UserError(
      f"gate {kind!r}: {patterns!r} is not a dict; give {{regex: axis}}"
    )
  places: dict[str, list[Part]] = {}
  taken: set[str] = set()
  for regex, axes in patterns.items():
    matches = {
      path: match
      for path in leaves
      if (match := leaf_kinds.compiled(regex, f"gate {kind!r}").fullmatch(path))
    }
    if not matches:
      raise UserError(
        f"gate {kind!r}: {regex!r} matches nothing; leaves with close names: "
        f"{', '.join(leaf_kinds.close_paths(regex, list(leaves)))}"
      )
    for path, match in matches.items():
      if path not in taken:
        place = (match[1] if match.re.groups else "") or ""
        part = Part(path, _axes(path, np.shape(leaves[path]), axes))
        places.setdefault(place, []).append(part)
        taken.add(path)
  return places


def _axes(path: str, shape: tuple[int, ...], given: Axes) -> tuple[int, ...]:
  """Returns the axes that a pattern names, in its order, none negative."""
  if given is None:
    return ()
  leaf_kinds.neuron_axes(path, shape, given)
  return tuple(int(axis) % len(shape) for axis in np.atleast_1d(given))


def _shape(
  leaves: Mapping[str, Any],
  name: str,
  part: Part,
  num_units: int | Sequence[int] | None,
) -> tuple[int, ...]:
  """Returns the shape of a gate whose first part is given."""
  if num_units is None:
    shape = np.shape(leaves[part.path])
    return tuple(shape[axis] for axis in part.axes)
  counts: Any = num_units if np.ndim(num_units) else (num_units,)
  for count in counts:
    settings.whole(f"gate {name!r}: num_units", count, 1)
  return tuple(map(int, counts))


def _check_gated(gated: Any) -> None:
  """Raises UserError unless a network has gates."""
  if not isinstance(gated, Gated):
    raise UserError(
      f"the network is a {type(gated).__name__} without gates; give what "
      "gates.add returns"
    )


def _check_mask(mask: AnyMask, gated: Gated) -> None:
  """Raises UserError unless a hard mask is one of a network with gates."""
  leaves = leaves_by_path(gated)
  for path, units in mask.items():
    if path not in leaves:
      raise UserError(
        f"the mask names leaf {path!r}, which the network with gates does not "
        f"have; its paths begin with {NETWORK!r} or {GATES!r}"
      )
    if units.dtype != bool:
      raise UserError(
        f"the mask of leaf {path!r} has dtype {units.dtype}; give a hard mask "
        "of booleans"
      )
    check_mask_shape(path, np.shape(leaves[path]), units.shape)
