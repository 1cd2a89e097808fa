"""How much each weight of a network matters to what it says."""

import functools

import jax
import jax.numpy as jnp

from structcomp_jax import trees, types
from structcomp_jax.studies.planted.network import Network
from structcomp_jax.studies.planted.problems import ITEMS


@functools.partial(jax.jit, static_argnums=0)
def output_changes(network: Network, params: types.Params) -> types.MaskLogits:
  """Returns how much the output changes without one weight.

  It is the mean over all items of the squared change, divided by the mean
  squared length of the output.

  Args:
    network: the architecture.
    params: networks as rows.

  Returns:
    {path: f32[rows, ...]} of all masked leaves; 0 for weights that are 0.
  """
  items = jnp.asarray(ITEMS)

  def of_network(row):
    whole = network.embed(row, items)

    def change(path, leaf, place):
      without = leaf.ravel().at[place].set(0).reshape(leaf.shape)
      changed = trees.replace_leaves(row, {path: without})
      return ((network.embed(changed, items) - whole) ** 2).sum()

    leaves = trees.leaves_by_path(row)
    return {
      path: jax.lax.map(
        functools.partial(change, path, leaves[path]),
        jnp.arange(leaves[path].size),
      ).reshape(leaves[path].shape)
      / (whole**2).sum()
      for path in network.spec(params).paths
    }

  return jax.lax.map(of_network, params)
