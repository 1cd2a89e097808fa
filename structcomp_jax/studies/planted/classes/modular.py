"""Two networks side by side in one."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from structcomp_jax import trees, types
from structcomp_jax.studies.planted.classes import hiding
from structcomp_jax.studies.planted.network import (
  OUTPUT,
  Axes,
  Network,
  nested,
)
from structcomp_jax.studies.planted.problems import ITEMS, SUBROUTINES

# Spread of the weights from the input to units that nothing needs.
_IDLE = 0.3
_NO_BLOCK = 2


def join(
  first: types.Params,
  second: types.Params,
  axes: Mapping[str, Axes],
  random: np.random.Generator,
  *,
  cross: float = 0.0,
  num_idle: Mapping[str, int] | None = None,
) -> tuple[types.Params, dict[str, types.Mask]]:
  """Joins two networks block by block and permutes the units of every space.

  Args:
    first: a network that does subroutine A.
    second: a network with the same leaves that does B.
    axes: {path: spaces}, see `Network`; what has no space is the input.
    random: of permutations and of the weights below.
    cross: spread of the weights between the blocks, and of those between units
      of a block and idle units.
    num_idle: {space: further units that belong to no block}.

  Returns:
    The network, and {subroutine: mask} of the weights of each block.
  """
  blocks = [trees.leaves_by_path(one) for one in (first, second)]
  labels = _labels(blocks, axes, num_idle or {})
  orders = {
    space: random.permutation(len(owners)) for space, owners in labels.items()
  }
  leaves = {}
  truth: dict[str, types.Mask] = {name: {} for name in SUBROUTINES}
  for path, spaces in axes.items():
    shape = [
      size if space is None else len(labels[space])
      for space, size in zip(spaces, np.shape(blocks[0][path]), strict=True)
    ]
    owner = _owner(shape, spaces, labels)
    leaf = np.zeros(shape)
    if path.endswith("kernel"):
      is_input = len(spaces) - spaces.count(None) == 1
      leaf = random.normal(size=shape) * (_IDLE if is_input else cross)
      for index, subroutine in enumerate(SUBROUTINES):
        of_block = hiding.permuted(owner == index, spaces, orders)
        truth[subroutine][path] = jnp.asarray(of_block)
    for index, block in enumerate(blocks):
      leaf[owner == index] = np.ravel(block[path])
    leaves[path] = hiding.permuted(leaf, spaces, orders).astype(np.float32)
  return nested(leaves), truth


def _labels(blocks, axes, num_idle):
  """Returns {space: the block of each unit}."""
  counts: dict[str, list[int]] = {}
  for path, spaces in axes.items():
    for axis, space in enumerate(spaces):
      if space is not None:
        counts[space] = [np.shape(block[path])[axis] for block in blocks]
  return {
    space: np.repeat([0, 1, _NO_BLOCK], [*of_blocks, num_idle.get(space, 0)])
    for space, of_blocks in counts.items()
  }


def _owner(shape, spaces, labels):
  """Returns the block of every weight: the one of all units it belongs to."""
  along = [
    np.expand_dims(labels[space], [*range(axis), *range(axis + 1, len(shape))])
    for axis, space in enumerate(spaces)
    if space is not None
  ]
  owner = np.broadcast_to(along[0], shape)
  for other in along[1:]:
    owner = np.where(owner == other, owner, _NO_BLOCK)
  return owner


def unit_outputs(network: Network, params: types.Params) -> types.Params:
  """Returns blocks whose outputs have length 1 on average over all items.

  The answers of a block stay what they are, and none drowns the other one.

  Args:
    network: the architecture.
    params: blocks as rows.
  """
  outputs = jax.vmap(network.embed, in_axes=(0, None))(
    params, jnp.asarray(ITEMS)
  )
  length = jnp.linalg.norm(outputs, axis=-1).mean(axis=1)
  leaves = trees.leaves_by_path(params)
  scaled = {
    path: leaves[path] / length.reshape(-1, *[1] * len(spaces))
    for path, spaces in network.axes.items()
    if OUTPUT in spaces
  }
  return trees.replace_leaves(params, scaled)
