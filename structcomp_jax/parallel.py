"""From a function of one row to a program over many, on many devices.

A row is one candidate of a mask search or one seed of a base network. Rows
never talk to each other, so splitting them over devices needs no
communication.

The devices may be those of several processes. All of them then call the same
functions of this module, in the same order, with the same values.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

ROW_AXIS = "candidate"


def row_mesh(num_rows: int, devices: Sequence[Any] | None = None) -> Mesh:
  """Returns a mesh over as many devices as divide `num_rows` evenly.

  Where the devices belong to several processes, as many of each; if the rows
  do not divide that way, every process computes all of them by itself.
  """
  devices = list(jax.devices() if devices is None else devices)
  of_process = {}
  for device in devices:
    of_process.setdefault(device.process_index, []).append(device)
  shares = list(of_process.values())
  if len(shares) > 1 and num_rows % len(shares):
    shares = [of_process[jax.process_index()]]
  rows_each = num_rows // len(shares)
  size = max(
    n for n in range(1, min(map(len, shares)) + 1) if rows_each % n == 0
  )
  return Mesh(
    np.array([device for share in shares for device in share[:size]]),
    (ROW_AXIS,),
  )


def place(tree: Any, sharding: jax.sharding.Sharding) -> Any:
  """Returns a PyTree whose arrays lie where a sharding says.

  Unlike `jax.device_put`, it sends nothing between processes to compare what
  they gave.

  Args:
    tree: NumPy arrays, scalars, or JAX arrays, those of this process alone or
      of all processes.
    sharding: of every array.
  """
  if sharding.is_fully_addressable:
    return jax.device_put(tree, sharding)

  def place_own_part(leaf):
    if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
      return jax.device_put(leaf, sharding)
    leaf = leaf if isinstance(leaf, jax.Array) else np.asarray(leaf)
    return jax.make_array_from_callback(leaf.shape, sharding, leaf.__getitem__)

  return jax.tree.map(place_own_part, tree)


def fetch(tree: Any) -> Any:
  """Returns a PyTree of NumPy arrays, also of rows that other processes hold.

  One array after the other, since each is whole on a device meanwhile.
  """

  def is_spread(leaf):
    return isinstance(leaf, jax.Array) and not (
      leaf.is_fully_addressable or leaf.is_fully_replicated
    )

  def fetch_array(leaf):
    if is_spread(leaf):
      return multihost_utils.process_allgather(leaf, tiled=True)
    return jax.device_get(leaf)

  if any(is_spread(leaf) for leaf in jax.tree.leaves(tree)):
    return jax.tree.map(fetch_array, tree)
  return jax.device_get(tree)


def replicate(tree: Any, mesh: Mesh) -> Any:
  """Returns a PyTree whose arrays lie on every device of a mesh, ready for use.

  What a program reads at every call is copied once this way, not each time.
  """
  return place(tree, NamedSharding(mesh, PartitionSpec()))


def over_rows(
  fn: Callable[..., Any],
  mesh: Mesh,
  *,
  width: int = 0,
  donate: bool = False,
) -> Callable[..., Any]:
  """Compiles `fn(row, shared)` into `program(rows, shared)`.

  Args:
    fn: a function of one row (any PyTree without the row axis) and of
      `shared` (any PyTree, stored once however many rows there are).
    mesh: from `row_mesh`; its size divides the number of rows.
    width: rows computed at once on a device (`vmap`); the others follow in a
      loop inside the same program. 0: all of them.
    donate: the memory of `rows` is reused for the result.

  Returns:
    The compiled program; its result has the row axis in front.
  """

  def local_rows(rows, shared):
    num_local = jax.tree.leaves(rows)[0].shape[0]
    if width == 0 or width >= num_local:
      return jax.vmap(fn, in_axes=(0, None))(rows, shared)
    return jax.lax.map(
      lambda row: fn(row, shared),
      rows,
      batch_size=width if width > 1 else None,
    )

  split = jax.shard_map(
    local_rows,
    mesh=mesh,
    in_specs=(PartitionSpec(ROW_AXIS), PartitionSpec()),
    out_specs=PartitionSpec(ROW_AXIS),
  )
  compiled = jax.jit(split, donate_argnums=(0,) if donate else ())
  sharding = NamedSharding(mesh, PartitionSpec(ROW_AXIS))

  def program(rows, shared):
    # Rows that are not yet spread over the mesh are another type to JAX: the
    # first call of a loop would compile the program a second time.
    return compiled(place(rows, sharding), shared)

  return program
