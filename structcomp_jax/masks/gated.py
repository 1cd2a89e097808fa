"""A network with gates, and where the weights of a gate's units lie.

Whoever makes or uses gates needs `masks.gates`; this is what rules, fills and
baselines know about them.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax.trees import leaves_by_path
from structcomp_jax.types import Params, UserError

# How paths of a `Gated` network begin: those of its gates, and all others.
GATES, NETWORK = "gates/", "network/"


class Part(NamedTuple):
  """The weights that the units of a gate have in one leaf.

  Attributes:
    path: of the leaf, in the network.
    axes: the n-th axis of the gate lies along this axis of the leaf, every
      place of the gate over as many neighbouring places of the leaf; (): the
      whole leaf is one unit's.
  """

  path: str
  axes: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Gate:
  """Units of one kind at one place of a network, such as heads of a layer.

  Attributes:
    name: the gate's path is `gates/<name>`.
    shape: of the gate, one element per unit; () is a single unit.
    scaled: weights that the gate multiplies. Where a unit's are zero, the unit
      has no effect.
    implied: the unit's other weights, which then have no effect either. They
      are not multiplied; sizes and `gates.expand` count them.
  """

  name: str
  shape: tuple[int, ...]
  scaled: tuple[Part, ...]
  implied: tuple[Part, ...] = ()

  @property
  def path(self) -> str:
    """The gate's path in a `Gated` network."""
    return f"{GATES}{self.name}"

  @property
  def parts(self) -> tuple[Part, ...]:
    """All weights of the units."""
    return self.scaled + self.implied


@functools.partial(
  jax.tree_util.register_dataclass,
  data_fields=("network", "gates"),
  meta_fields=("layout",),
)
@dataclasses.dataclass(frozen=True)
class Gated:
  """A network and its gates: a tree as any other network is.

  Its paths begin with `network/` and `gates/`.

  Attributes:
    network: weights, any container.
    gates: {name: f32[shape of the gate]}; a unit is on at 1 and off at 0.
    layout: where the weights of the units lie.
  """

  network: Params
  gates: dict[str, Any]
  layout: tuple[Gate, ...]


def check_gate(gate: Gate, leaves: Mapping[str, Any]) -> None:
  """Raises UserError unless a network has the weights of a gate's units.

  >>> gate = Gate("heads", (2,), scaled=(Part("output", (0,)),))
  >>> check_gate(gate, {"output": np.ones((4, 3))})

  Args:
    gate: the units.
    leaves: {path: leaf} of the network; arrays or abstract shapes.
  """
  lengths = [_unit_lengths(gate, part, leaves) for part in gate.parts]
  for part, length in zip(gate.parts, lengths, strict=True):
    if length != lengths[0]:
      raise UserError(
        f"a unit of gate {gate.name!r} has {math.prod(lengths[0])} "
        f"neighbouring places in leaf {gate.parts[0].path!r} and "
        f"{math.prod(length)} in {part.path!r}; give leaves that units share, "
        "or that hold several things side by side, a gate of their own or none"
      )


def _unit_lengths(
  gate: Gate, part: Part, leaves: Mapping[str, Any]
) -> tuple[int, ...]:
  """Returns how many places of a leaf a unit has along each axis.

  Raises:
    UserError: the leaf does not exist, cannot be masked or cut into the units.
  """
  if part.path not in leaves:
    raise UserError(
      f"gate {gate.name!r} covers leaf {part.path!r}, which the network does "
      "not have; find gates in the network that they are added to"
    )
  leaf = leaves[part.path]
  shape, dtype = tuple(np.shape(leaf)), jnp.result_type(leaf)
  if not jnp.issubdtype(dtype, jnp.floating):
    raise UserError(
      f"gate {gate.name!r} covers leaf {part.path!r} of dtype {dtype}; only "
      "floating leaves can be masked, let the regexes leave it out"
    )
  fits = len(part.axes) == len(gate.shape) and all(
    axis < len(shape) and shape[axis] and shape[axis] % count == 0
    for axis, count in zip(part.axes, gate.shape, strict=True)
  )
  if not fits:
    units = " x ".join(map(str, gate.shape)) or "one"
    raise UserError(
      f"leaf {part.path!r} of shape {shape} cannot be cut along its axes "
      f"{part.axes} into equal parts for the {units} units of gate "
      f"{gate.name!r}; give the num_units and axes of the network"
    )
  return tuple(
    shape[axis] // count
    for axis, count in zip(part.axes, gate.shape, strict=True)
  )


def spread(units: jax.Array, part: Part, shape: tuple[int, ...]) -> jax.Array:
  """Returns every unit's value at the places of its weights in a leaf.

  >>> heads = jnp.array([1, 2])
  >>> spread(heads, Part("query", (1,)), (3, 4)).tolist()
  [[1, 1, 2, 2]]

  Args:
    units: [shape of the gate], any dtype.
    part: the leaf's part in the gate.
    shape: of the leaf.

  Returns:
    An array that broadcasts to the leaf, of its rank.
  """
  for index, axis in enumerate(part.axes):
    block = shape[axis] // units.shape[index]
    units = jnp.repeat(units, block, axis=index)
  units = jnp.transpose(units, np.argsort(part.axes).tolist())
  return units.reshape(
    [size if axis in part.axes else 1 for axis, size in enumerate(shape)]
  )


def weights_per_unit(params: Params) -> dict[str, int]:
  """Returns {path of a gate: weights of each of its units}.

  >>> gate = Gate("heads", (2,), scaled=(Part("output", (0,)),))
  >>> gates = {"heads": np.ones(2)}
  >>> weights_per_unit(Gated({"output": np.ones((4, 3))}, gates, (gate,)))
  {'gates/heads': 6}

  Args:
    params: weights; a network without gates has none.
  """
  if not isinstance(params, Gated):
    return {}
  leaves = leaves_by_path(params.network)
  return {
    gate.path: sum(math.prod(np.shape(leaves[path])) for path, _ in gate.parts)
    // max(math.prod(gate.shape), 1)
    for gate in params.layout
  }


def norms(params: Params) -> dict[str, jax.Array]:
  """Returns {path of a gate: Euclidean norm of each unit's weights, f32}.

  >>> gate = Gate("heads", (2,), scaled=(Part("output", (0,)),))
  >>> gates = {"heads": np.ones(2)}
  >>> network = {"output": np.array([3.0, 4.0, 1.0, 0.0])}
  >>> norms(Gated(network, gates, (gate,)))["gates/heads"].tolist()
  [5.0, 1.0]

  Args:
    params: weights; a network without gates has none.
  """
  if not isinstance(params, Gated):
    return {}
  leaves = leaves_by_path(params.network)
  return {
    gate.path: jnp.sqrt(
      sum(_squares(leaves[part.path], part, gate.shape) for part in gate.parts)
    )
    for gate in params.layout
  }


def _squares(leaf: Any, part: Part, shape: Sequence[int]) -> jax.Array:
  """Returns the sum of squares of each unit's weights in a leaf."""
  weights = jnp.asarray(leaf).astype(jnp.float32)
  weights = jnp.moveaxis(weights, part.axes, range(len(shape)))
  blocks = [
    length
    for units, size in zip(shape, weights.shape, strict=False)
    for length in (units, size // units)
  ]
  return jnp.sum(
    weights.reshape(*blocks, -1) ** 2, axis=(*range(1, len(blocks), 2), -1)
  )
