"""From a function of one row to a program over many, on many devices.

A row is one candidate of a mask search or one seed of a base network. Rows
never talk to each other, so splitting them over devices needs no
communication. Only a second mesh axis, which cuts the batches of every row
among several devices, makes them talk.

The devices may be those of several processes. All of them then call the same
functions of this module, in the same order, with the same values.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from structcomp_jax import trees, types, varying

ROW_AXIS = "candidate"
DATA_AXIS = "data"
# How an argument lies on a mesh: rows are spread, all else is everywhere.
ROWS = PartitionSpec(ROW_AXIS)
EVERYWHERE = PartitionSpec()


def row_mesh(
  num_rows: int,
  devices: Sequence[Any] | None = None,
  data_devices: int = 1,
) -> Mesh:
  """Returns a mesh over as many devices as divide `num_rows` evenly.

  >>> row_mesh(6, jax.devices()[:4]).size
  3

  Where the devices belong to several processes, as many of each; if the rows
  do not divide that way, every process computes all of them by itself.

  Args:
    num_rows: rows of the program.
    devices: default: all of `jax.devices()`.
    data_devices: devices that share the batches of a row. With more than one,
      the mesh has a second axis of that length, within one process.

  Raises:
    UserError: a process has fewer than `data_devices` devices.
  """
  devices = list(jax.devices() if devices is None else devices)
  of_process: dict[int, list[Any]] = {}
  for device in devices:
    of_process.setdefault(device.process_index, []).append(device)
  shares = list(of_process.values())
  if len(shares) > 1 and num_rows % len(shares):
    shares = [of_process[jax.process_index()]]
  num_groups = min(map(len, shares)) // data_devices
  if not num_groups:
    raise types.UserError(
      f"data_devices {data_devices} is more than the {min(map(len, shares))} "
      "devices of a process; choose at most as many"
    )
  rows_each = num_rows // len(shares)
  size = max(n for n in range(1, num_groups + 1) if rows_each % n == 0)
  chosen = np.array(
    [device for share in shares for device in share[: size * data_devices]]
  )
  if data_devices == 1:
    return Mesh(chosen, (ROW_AXIS,))
  return Mesh(chosen.reshape(-1, data_devices), (ROW_AXIS, DATA_AXIS))


def place(tree: Any, sharding: jax.sharding.Sharding) -> Any:
  """Returns a PyTree whose arrays lie where a sharding says.

  >>> mesh = row_mesh(4, jax.devices()[:2])
  >>> rows = place({"seed": np.arange(4)}, NamedSharding(mesh, ROWS))
  >>> [shard.data.tolist() for shard in rows["seed"].addressable_shards]
  [[0, 1], [2, 3]]

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

  >>> fetch({"loss": jax.numpy.array([0.5, 0.25])})
  {'loss': array([0.5 , 0.25], dtype=float32)}

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


def largest(number: float) -> float:
  """Returns the largest of what all processes give, for one decision of all.

  >>> largest(2.5)  # Of a single process.
  2.5
  """
  if jax.process_count() == 1:
    return number
  return float(np.max(multihost_utils.process_allgather(np.float32(number))))


def replicate(tree: Any, mesh: Mesh) -> Any:
  """Returns a PyTree whose arrays lie on every device of a mesh, ready for use.

  >>> params = replicate({"kernel": np.ones(3)}, row_mesh(2, jax.devices()[:2]))
  >>> [shard.data.shape for shard in params["kernel"].addressable_shards]
  [(3,), (3,)]

  What a program reads at every call is copied once this way, not each time.
  """
  return place(tree, NamedSharding(mesh, EVERYWHERE))


def spread(rows: Any, mesh: Mesh) -> Any:
  """Returns rows that lie on the devices of a mesh, and on no others.

  >>> rows = spread({"seed": np.arange(4)}, row_mesh(4, jax.devices()[:2]))
  >>> [shard.data.tolist() for shard in rows["seed"].addressable_shards]
  [[0, 1], [2, 3]]

  JAX arrays are given away: all rows would stay on the device they came from.
  """
  spread_rows = place(rows, NamedSharding(mesh, ROWS))
  if mesh.shape[ROW_AXIS] > 1:  # A part is a copy; all may be the same memory.
    for leaf in jax.tree.leaves(rows):
      if isinstance(leaf, jax.Array) and len(leaf.devices()) == 1:
        leaf.delete()
  return spread_rows


@dataclasses.dataclass(frozen=True)
class Program:
  """A compiled function of rows; call it like the function.

  Attributes:
    function: the jitted function of all rows.
    shardings: one per argument.
  """

  function: jax.stages.Wrapped
  shardings: tuple[NamedSharding, ...]

  def __call__(self, *arguments: Any) -> Any:
    # Arguments that lie elsewhere are another type to JAX, which would compile
    # the program again.
    placed = map(place, arguments, self.shardings)
    return self.function(*placed)

  def compile(self, *arguments: Any) -> jax.stages.Compiled:
    """Compiles without running; a later call uses what was compiled.

    Args:
      *arguments: arrays, or `jax.ShapeDtypeStruct` in their place.
    """
    shapes = jax.eval_shape(lambda *arrays: arrays, *arguments)
    placed = [
      jax.tree.map(lambda leaf, to=to: leaf.update(sharding=to), argument)
      for argument, to in zip(shapes, self.shardings, strict=True)
    ]
    return self.function.lower(*placed).compile()


def over_rows(
  fn: Callable[..., Any],
  mesh: Mesh,
  *,
  specs: Sequence[PartitionSpec] = (ROWS, EVERYWHERE),
  width: int = 0,
  donate: bool = False,
  in_place: bool = False,
) -> Program:
  """Compiles a function of one row into a program over many.

  >>> program = over_rows(lambda row, shared: row["x"] + shared, row_mesh(4))
  >>> program({"x": np.arange(4)}, 10).tolist()
  [10, 11, 12, 13]

  With the default `specs`, `fn(row, shared)` becomes `program(rows, shared)`:
  `row` is any PyTree without the row axis, and `shared` is stored once however
  many rows there are.

  Args:
    fn: the function.
    mesh: from `row_mesh`; its row axis divides the number of rows.
    specs: one per argument of `fn`. What begins with `ROW_AXIS` has rows, and
      `fn` sees one at a time; the first argument does.
    width: rows computed at once on a device (`vmap`); the others follow in a
      loop inside the same program. 0: all of them.
    donate: the memory of the first argument is reused for the result.
    in_place: `donate`, and `fn` returns two things: a row like its first
      argument, and results. The loop then writes the row where it was: there
      is no second copy of all rows.

  Returns:
    The program; its result has the row axis in front.
  """
  varying.mend_polynomials()
  has_rows = [bool(spec) and spec[0] == ROW_AXIS for spec in specs]

  def local_rows(*arguments):
    def one_row(rows):
      rest = iter(rows)
      return fn(
        *(
          next(rest) if is_rows else argument
          for is_rows, argument in zip(has_rows, arguments, strict=True)
        )
      )

    rows = tuple(
      argument
      for is_rows, argument in zip(has_rows, arguments, strict=True)
      if is_rows
    )
    num_local = trees.num_rows(rows)
    if width == 0 or width >= num_local:
      return _at_once(one_row, rows)
    if in_place:
      return _one_chunk_after_the_other(one_row, rows, width)
    return jax.lax.map(one_row, rows, batch_size=width if width > 1 else None)

  # The name under which JAX reports what it compiles.
  local_rows.__name__ = getattr(fn, "__name__", "rows")
  split = jax.shard_map(
    local_rows, mesh=mesh, in_specs=tuple(specs), out_specs=ROWS
  )
  return Program(
    jax.jit(split, donate_argnums=(0,) if donate or in_place else ()),
    tuple(NamedSharding(mesh, spec) for spec in specs),
  )


def _at_once(one_row, rows):
  """A single row does without the batch axis, which costs speed."""
  if trees.num_rows(rows) == 1:
    return jax.tree.map(lambda leaf: leaf[None], one_row(trees.row(rows, 0)))
  return jax.vmap(one_row)(rows)


def _one_chunk_after_the_other(one_row, rows, width):
  """Writes new rows, `width` at a time, over the first argument."""
  first, *others = rows
  num_local = trees.num_rows(rows)

  def compute(first, start, size):
    chunk = jax.tree.map(
      lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, size),
      (first, *others),
    )
    new_rows, results = _at_once(one_row, chunk)
    first = jax.tree.map(
      lambda leaf, new: jax.lax.dynamic_update_slice_in_dim(
        leaf, new, start, axis=0
      ),
      first,
      new_rows,
    )
    return first, results

  num_chunks, remainder = divmod(num_local, width)
  first, results = jax.lax.scan(
    lambda first, i: compute(first, i * width, width),
    first,
    jnp.arange(num_chunks),
  )
  results = jax.tree.map(
    lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), results
  )
  if remainder:
    first, rest = compute(first, num_local - remainder, remainder)
    results = jax.tree.map(lambda *parts: jnp.concatenate(parts), results, rest)
  return first, results
