"""Frozen networks on the devices of a search, for more than that search."""

from collections.abc import Sequence
from typing import Any

from structcomp_jax import masks, trees, types
from structcomp_jax.engine import model_axis, parallel
from structcomp_jax.search.config import SearchConfig


def place_network(
  params: types.Params,
  config: SearchConfig,
  *,
  devices: Sequence[Any] | None = None,
) -> types.Params:
  """Returns a network where a search will want it: cut over its devices.

  What is then given to `search.run` is not copied, several searches can share
  it, and `masks.merge` makes a masked network that is cut likewise.

  >>> import jax, numpy as np
  >>> config = SearchConfig(model_devices=2)
  >>> params = {"kernel": np.zeros((3, 4), np.float32)}
  >>> placed = place_network(params, config, devices=jax.devices()[:2])
  >>> [part.data.shape for part in placed["kernel"].addressable_shards]
  [(3, 2), (3, 2)]

  Args:
    params: one network, as for `search.run`.
    config: of the searches; which devices share the network, and the number of
      candidates.
    devices: as for `search.run`.

  Raises:
    UserError: a leaf is no array of numbers, or rules or devices do not fit.
  """
  masks.check_network(params)
  mesh = parallel.row_mesh(
    trees.num_rows(config.candidates()),
    devices,
    config.data_devices,
    config.model_devices,
  )
  cuts = model_axis.cut(params, config.model_devices, config.model_axes)
  if config.model_devices == 1:
    return parallel.replicate(params, mesh)
  return parallel.Layout(mesh, parallel.EVERYWHERE, cuts).place(params)
