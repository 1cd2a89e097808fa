"""What a network is here: small, and many of them are rows of one tree.

A network says what lies along the axes of its leaves. Two networks can then be
joined, their units be permuted or removed, and linear parts be turned, whatever
the architecture. `networks` has the architectures.
"""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import masks, trees, types
from structcomp_jax.tasks.odd_one_out import metrics

# Weights are masked, biases and the embeddings of symbols stay.
RULES = [(".*kernel", "weight"), (".*", "frozen")]
# The space of what a network returns.
OUTPUT = "output"
# What lies along each axis of a leaf: the units of a space (of a hidden layer,
# say), or None, for axes that belong to no unit.
Axes = tuple[str | None, ...]


class Network(Protocol):
  """An architecture; implementations are frozen dataclasses."""

  @property
  def axes(self) -> Mapping[str, Axes]:
    """{path of a leaf: spaces of its axes}; one space of them is `OUTPUT`.

    A unit returns nothing if all entries of leaves at its place are 0.
    """

  @property
  def linear(self) -> frozenset[str]:
    """Spaces that may be turned: nothing nonlinear is done by their units."""

  def embed(self, params: types.Params, bits: jax.Array) -> jax.Array:
    """Returns f32[..., outputs] of items f32[..., bits]."""

  def init(self, num_networks: int, seed: int) -> types.Params:
    """Returns untrained networks as rows."""

  @property
  def rules(self) -> list[tuple[str, str]]:
    """Rules of `masks.select`."""
    return RULES

  def spec(self, params: types.Params) -> masks.MaskSpec:
    """Returns the masked leaves of networks that are rows."""
    return masks.select(trees.row(params, 0), self.rules)


def draw(
  shapes: Mapping[str, tuple[int, ...]],
  spreads: Mapping[str, float],
  num_networks: int,
  seed: int,
) -> types.Params:
  """Returns networks as rows, normal weights of mean 0.

  Args:
    shapes: {"layer/leaf": shape}.
    spreads: {path: standard deviation}; all other leaves are 0.
    num_networks: rows.
    seed: of the draws.
  """
  random = np.random.default_rng(seed)
  return nested(
    {
      path: jnp.asarray(
        random.normal(0, spreads[path], (num_networks, *shape))
        if path in spreads
        else np.zeros((num_networks, *shape)),
        jnp.float32,
      )
      for path, shape in shapes.items()
    }
  )


def nested(leaves: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
  """Returns the tree of leaves by path.

  >>> nested({"layer/kernel": 1, "layer/bias": 2})
  {'layer': {'kernel': 1, 'bias': 2}}

  Args:
    leaves: {"layer/leaf": leaf}.
  """
  tree: dict[str, dict[str, Any]] = {}
  for path, leaf in leaves.items():
    layer, name = path.split("/")
    tree.setdefault(layer, {})[name] = leaf
  return tree


def zeros(network: Network) -> dict[str, np.ndarray]:
  """Returns {path: zeros} of the leaves of one network, to be written into.

  Args:
    network: the architecture.
  """
  return {
    f"{layer}/{name}": np.zeros(leaf.shape[1:])
    for layer, of_layer in network.init(1, 0).items()
    for name, leaf in of_layer.items()
  }


@dataclass(frozen=True)
class Metrics:
  """Loss, accuracy and margin of every problem."""

  network: Network

  def __call__(
    self, params: types.Params, batch: types.Batch
  ) -> dict[str, jax.Array]:
    """Returns {metric: f32[problems]}."""
    return metrics.problem_metrics(self.network.embed(params, batch["bits"]))


@dataclass(frozen=True)
class Loss:
  """The mean loss of problems."""

  network: Network

  def __call__(self, params: types.Params, batch: types.Batch) -> jax.Array:
    """Returns an f32 scalar."""
    return Metrics(self.network)(params, batch)["loss"].mean()


@functools.partial(jax.jit, static_argnums=0)
def accuracy(
  network: Network, params: types.Params, problems: types.Batch
) -> jax.Array:
  """Returns f32[rows], the accuracy of networks that are rows."""
  of_problem = jax.vmap(Metrics(network), in_axes=(0, None))(params, problems)
  return of_problem["accuracy"].mean(axis=1)


def sizes(network: Network, params: types.Params) -> dict[str, int]:
  """Returns {space: units} of networks that are rows."""
  leaves = trees.leaves_by_path(params)
  return {
    space: size
    for path, axes in network.axes.items()
    for space, size in zip(axes, leaves[path].shape[1:], strict=True)
    if space is not None
  }


def remove(
  network: Network, params: types.Params, space: str, units: Iterable[int]
) -> types.Params:
  """Returns networks whose units, the same of each, return 0.

  Args:
    network: the architecture.
    params: networks as rows.
    space: of the units.
    units: their places.
  """
  places = np.array(list(units), int)
  leaves = trees.leaves_by_path(params)
  changed = {}
  for path, axes in network.axes.items():
    for axis, name in enumerate(axes):
      if name == space:
        moved = jnp.moveaxis(jnp.asarray(leaves[path]), axis + 1, 0)
        changed[path] = jnp.moveaxis(moved.at[places].set(0), 0, axis + 1)
  return trees.replace_leaves(params, changed)


def unit_costs(
  network: Network,
  params: types.Params,
  problems: types.Batch,
  spaces: Iterable[str] | None = None,
) -> np.ndarray:
  """Returns the accuracy that each hidden unit's removal costs.

  Args:
    network: the architecture.
    params: networks as rows.
    problems: of one task.
    spaces: whose units; None: of all but the output.

  Returns:
    f32[hidden units, rows], units in the order of the spaces.
  """
  whole = accuracy(network, params, problems)
  found = []
  counts = sizes(network, params)
  for space in spaces or (name for name in counts if name != OUTPUT):
    for unit in range(counts[space]):
      removed = remove(network, params, space, [unit])
      found.append(whole - accuracy(network, removed, problems))
  return np.asarray(found)
