"""What hides the structure of a network, and leaves what it does alone."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from structcomp_jax import trees, types
from structcomp_jax.studies.planted.network import Axes, Network, nested, sizes

# Spread of the noise over the weights of networks that are made by hand.
NOISE = 0.02
Orders = Mapping[str, np.ndarray]


def permuted(leaf: np.ndarray, spaces: Axes, orders: Orders) -> np.ndarray:
  """Returns a leaf whose units have another order.

  Args:
    leaf: of one network.
    spaces: of its axes.
    orders: {space: old places in the new order}.
  """
  for axis, space in enumerate(spaces):
    if space is not None:
      leaf = np.take(leaf, orders[space], axis)
  return leaf


def hide(
  leaves: Mapping[str, Any],
  axes: Mapping[str, Axes],
  random: Any,
  noise: float = NOISE,
) -> tuple[types.Params, Orders]:
  """Adds noise to the weights of a network and permutes its units.

  Args:
    leaves: {path: array} of one network; those that are kernels get noise.
    axes: {path: spaces}.
    random: generator of both.
    noise: its spread.

  Returns:
    The network, and {space: old places in the new order}.
  """
  orders: dict[str, np.ndarray] = {}
  changed = {}
  for path, spaces in axes.items():
    leaf = np.asarray(leaves[path], float)
    for space, size in zip(spaces, leaf.shape, strict=True):
      if space is not None and space not in orders:
        orders[space] = random.permutation(size)
    if path.endswith("kernel"):
      leaf = leaf + noise * random.normal(size=leaf.shape)
    changed[path] = permuted(leaf, spaces, orders).astype(np.float32)
  return nested(changed), orders


def places(orders: Orders, space: str, old: np.ndarray | range) -> np.ndarray:
  """Returns the new places of units.

  >>> places({"layer": np.array([2, 0, 1])}, "layer", range(2)).tolist()
  [1, 2]

  Args:
    orders: from `hide`.
    space: of the units.
    old: their places before.
  """
  return np.flatnonzero(np.isin(orders[space], old))


def mix(
  network: Network, params: types.Params, random: np.random.Generator
) -> types.Params:
  """Rotates the linear spaces of a network, the output among them.

  What reads a space is rotated with it, and odd-one-out compares directions
  alone: the answers stay what they are.

  Args:
    network: the architecture.
    params: a network.
    random: of the orthogonal maps.
  """
  counts = sizes(network, jax.tree.map(lambda leaf: leaf[None], params))
  turns = {
    space: np.linalg.qr(random.normal(size=(counts[space],) * 2))[0]
    for space in sorted(network.linear)
  }
  leaves = trees.leaves_by_path(params)
  turned = {}
  for path, spaces in network.axes.items():
    leaf = np.asarray(leaves[path])
    for axis, space in enumerate(spaces):
      if space in turns:
        along_last = np.moveaxis(leaf, axis, -1) @ turns[space]
        leaf = np.moveaxis(along_last, -1, axis)
    turned[path] = leaf.astype(np.float32)
  return trees.replace_leaves(params, turned)
