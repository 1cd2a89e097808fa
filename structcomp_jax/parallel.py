"""From a function of one row to a program over many, on many devices.

A row is one candidate of a mask search or one seed of a base network. Rows
never talk to each other, so splitting them over devices needs no
communication.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

ROW_AXIS = "candidate"


def row_mesh(num_rows: int, devices: Sequence[Any] | None = None) -> Mesh:
  """Returns a mesh over as many devices as divide `num_rows` evenly."""
  devices = list(jax.devices() if devices is None else devices)
  size = max(n for n in range(1, len(devices) + 1) if num_rows % n == 0)
  return Mesh(np.array(devices[:size]), (ROW_AXIS,))


def replicate(tree: Any, mesh: Mesh) -> Any:
  """Returns a PyTree whose arrays lie on every device of a mesh, ready for use.

  What a program reads at every call is copied once this way, not each time.
  """
  return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


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
    return compiled(jax.device_put(rows, sharding), shared)

  return program
