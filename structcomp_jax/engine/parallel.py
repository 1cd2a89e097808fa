"""Turns a function of one row into a program over many, on many devices.

A row is, for example, one candidate of a mask search or one seed of a base
network. Rows do not depend on each other, so splitting them over devices needs
no communication. Only devices along further mesh axes communicate: they share
the batches of every row, or its weights.

The devices may belong to several processes. All processes must then call the
same functions of this module, in the same order, with the same values.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from structcomp_jax import trees, types, varying
from structcomp_jax.engine import model_axis

ROW_AXIS = "candidate"
DATA_AXIS = "data"
MODEL_AXIS = model_axis.AXIS
# How an argument lies on a mesh: split by rows, or whole on every device.
ROWS = PartitionSpec(ROW_AXIS)
EVERYWHERE = PartitionSpec()


def devices_of(devices: Sequence[Any] | None) -> list[Any]:
  """Returns the devices of an argument, which is None for all.

  >>> len(devices_of(jax.devices()[:1]))
  1

  Raises:
    UserError: there is none.
  """
  devices = list(jax.devices() if devices is None else devices)
  if not devices:
    raise types.UserError(
      "devices is empty; give at least one, or None for all of jax.devices()"
    )
  return devices


def row_mesh(
  num_rows: int,
  devices: Sequence[Any] | None = None,
  data_devices: int = 1,
  model_devices: int = 1,
) -> Mesh:
  """Returns a mesh over as many devices as divide `num_rows` evenly.

  >>> row_mesh(6, jax.devices()[:4]).size
  3

  If the devices belong to several processes, the mesh has as many devices of
  each. If the rows cannot be split evenly over the processes, every process
  computes all rows by itself. Only where a row needs more devices than a
  process has do several processes share its weights.

  Args:
    num_rows: rows of the program.
    devices: default: all of `jax.devices()`.
    data_devices: devices that share the batches of a row. If there are several,
      the mesh has a further axis of that length.
    model_devices: devices that share the weights of a row, likewise.

  Raises:
    UserError: there is no device, or there are fewer than a row needs.
  """
  needed = data_devices * model_devices
  shares = _shares(devices)
  if model_devices > 1 and needed > min(map(len, shares)):
    shares = [[device for share in shares for device in share]]
  if len(shares) > 1 and num_rows % len(shares):
    shares = [
      share for share in shares if share[0].process_index == jax.process_index()
    ]
  num_groups = min(map(len, shares)) // needed
  if not num_groups:
    raise types.UserError(_too_few(shares, data_devices, model_devices))
  rows_each = num_rows // len(shares)
  size = max(n for n in range(1, num_groups + 1) if rows_each % n == 0)
  chosen = np.array(
    [device for share in shares for device in share[: size * needed]]
  )
  lengths = {ROW_AXIS: -1}
  if data_devices > 1:
    lengths[DATA_AXIS] = data_devices
  if model_devices > 1:
    lengths[MODEL_AXIS] = model_devices
  return Mesh(chosen.reshape(*lengths.values()), tuple(lengths))


def num_filled(
  num_rows: int,
  devices: Sequence[Any] | None = None,
  data_devices: int = 1,
) -> int:
  """Returns the rows of a program in which no device has more than it must.

  The rows that are wanted may divide badly: 7 rows are all on one of 4 devices
  (`row_mesh`). With one row more, each has two.

  >>> num_filled(7, jax.devices()[:4]), num_filled(6, jax.devices()[:4])
  (8, 6)

  Args:
    num_rows: rows that are wanted.
    devices, data_devices: as for `row_mesh`.

  Returns:
    `num_rows` if no device can have fewer than it has with these; else the
    least number of rows that as many devices of every process share evenly,
    each with as few as can be.

  Raises:
    UserError: see `row_mesh`.
  """
  mesh = row_mesh(num_rows, devices, data_devices)
  shares = _shares(devices)
  num_groups = min(map(len, shares)) // data_devices
  rows_each = -(-num_rows // (num_groups * len(shares)))
  if rows_each >= num_rows // mesh.shape[ROW_AXIS]:
    return num_rows
  used = -(-num_rows // (rows_each * len(shares)))
  return rows_each * used * len(shares)


def fill_up(tree: Any, num_rows: int, num_filled: int) -> Any:
  """Returns so many rows, which are the first ones over and over.

  >>> fill_up({"seed": np.arange(3)}, num_rows=3, num_filled=4)
  {'seed': array([0, 1, 2, 0])}

  Args:
    tree: PyTree of arrays, or abstract shapes, with at least `num_rows` rows.
    num_rows: rows that are wanted; any further ones are left out.
    num_filled: see `num_filled`.
  """
  chosen = np.resize(np.arange(num_rows), num_filled)

  def repeat(leaf):
    if isinstance(leaf, jax.ShapeDtypeStruct):
      return leaf.update(shape=(num_filled, *leaf.shape[1:]))
    return leaf[chosen]

  return jax.tree.map(repeat, tree)


def _shares(devices: Sequence[Any] | None) -> list[list[Any]]:
  """Returns the devices of every process; see `devices_of`."""
  by_process: dict[int, list[Any]] = {}
  for device in devices_of(devices):
    by_process.setdefault(device.process_index, []).append(device)
  return list(by_process.values())


def _too_few(
  shares: list[list[Any]], data_devices: int, model_devices: int
) -> str:
  """Returns that a row needs more devices than there are."""
  number = min(map(len, shares))
  if model_devices == 1:
    return (
      f"data_devices {data_devices} is more than the {number} devices of a "
      "process; choose at most as many"
    )
  needed = f"model_devices {model_devices}"
  if data_devices > 1:
    needed += f" times data_devices {data_devices}"
  return f"{needed} is more than the {number} devices; choose at most as many"


def place(tree: Any, sharding: jax.sharding.Sharding) -> Any:
  """Returns a PyTree whose arrays lie on the devices that a sharding names.

  >>> mesh = row_mesh(4, jax.devices()[:2])
  >>> rows = place({"seed": np.arange(4)}, NamedSharding(mesh, ROWS))
  >>> [shard.data.tolist() for shard in rows["seed"].addressable_shards]
  [[0, 1], [2, 3]]

  Unlike `jax.device_put`, it does not exchange values between processes to
  check that they are the same.

  Args:
    tree: NumPy arrays, scalars, or JAX arrays, on devices of this process alone
      or of all processes.
    sharding: how every array is to lie.
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
  """Returns a PyTree of NumPy arrays with the rows of all processes.

  >>> fetch({"loss": jax.numpy.array([0.5, 0.25])})
  {'loss': array([0.5 , 0.25], dtype=float32)}

  Arrays that are split over processes are fetched one after the other, because
  each must fit on a device as a whole meanwhile.
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


def max_over_processes(number: float) -> float:
  """Returns the maximum of the numbers that the processes call this with.

  >>> max_over_processes(2.5)  # There is a single process.
  2.5

  All get the same number, from which all take the same decision.
  """
  if jax.process_count() == 1:
    return number
  return float(np.max(multihost_utils.process_allgather(np.float32(number))))


def replicate(tree: Any, mesh: Mesh) -> Any:
  """Returns a PyTree whose arrays lie on every device of a mesh.

  >>> params = replicate({"kernel": np.ones(3)}, row_mesh(2, jax.devices()[:2]))
  >>> [shard.data.shape for shard in params["kernel"].addressable_shards]
  [(3,), (3,)]

  What a program reads at every call is then copied once, and not at every call.
  """
  return place(tree, NamedSharding(mesh, EVERYWHERE))


def spread(rows: Any, mesh: Mesh) -> Any:
  """Returns rows that are split over the devices of a mesh.

  >>> rows = spread({"seed": np.arange(4)}, row_mesh(4, jax.devices()[:2]))
  >>> [shard.data.tolist() for shard in rows["seed"].addressable_shards]
  [[0, 1], [2, 3]]

  JAX arrays in `rows` are deleted if they lie on one device: otherwise that
  device would keep a copy of all rows.
  """
  spread_rows = place(rows, NamedSharding(mesh, ROWS))
  # Several devices have copies of their parts. A single one may have the same
  # memory as before, which must stay.
  if mesh.shape[ROW_AXIS] > 1:
    for leaf in jax.tree.leaves(rows):
      if isinstance(leaf, jax.Array) and len(leaf.devices()) == 1:
        leaf.delete()
  return spread_rows


@dataclasses.dataclass(frozen=True)
class Layout:
  """How the arrays of one argument lie on a mesh.

  Attributes:
    mesh: the devices.
    spec: how every array lies, but for the cuts.
    cuts: where weights, and what belongs to them, are cut; None: nowhere.
  """

  mesh: Mesh
  spec: PartitionSpec
  cuts: model_axis.Cuts | None = None

  def shardings(self, tree: Any) -> Any:
    """Returns the sharding of every leaf, a tree like it."""
    if self.cuts is None:
      one = NamedSharding(self.mesh, self.spec)
      return jax.tree.map(lambda leaf: one, tree)
    return jax.tree.map(
      lambda spec: NamedSharding(self.mesh, spec),
      self.cuts.specs(tree, self.spec),
      is_leaf=lambda leaf: isinstance(leaf, PartitionSpec),
    )

  def place(self, tree: Any) -> Any:
    """Returns the tree on the devices.

    Where weights are cut, a leaf may also be anything with a shape, a dtype
    and parts: `leaf[index]` is read for each device alone.

    Args:
      tree: as for `place`.
    """
    if self.cuts is None:
      return place(tree, NamedSharding(self.mesh, self.spec))
    return jax.tree.map(_place_parts, tree, self.shardings(tree))


def _place_parts(leaf: Any, sharding: NamedSharding) -> jax.Array:
  """Returns one array; no device ever holds more than its part."""
  if isinstance(leaf, jax.Array):
    return place(leaf, sharding)
  leaf = leaf if hasattr(leaf, "shape") else np.asarray(leaf)
  dtype = jax.dtypes.canonicalize_dtype(leaf.dtype)
  return jax.make_array_from_callback(
    leaf.shape,
    sharding,
    lambda index: np.asarray(leaf[index]).astype(dtype, copy=False),
  )


@dataclasses.dataclass(frozen=True)
class Program:
  """A compiled function of rows; call it like the function.

  Attributes:
    function: the jitted function of all rows.
    layouts: how each argument lies on the mesh.
  """

  function: jax.stages.Wrapped
  layouts: tuple[Layout, ...]

  def __call__(self, *arguments: Any) -> Any:
    # For arguments that lie elsewhere, JAX would compile the program again.
    placed = [
      layout.place(argument)
      for layout, argument in zip(self.layouts, arguments, strict=True)
    ]
    return self.function(*placed)

  def compile(self, *arguments: Any) -> jax.stages.Compiled:
    """Compiles the program without running it, for later calls as well.

    Args: those of `lower`.
    """
    return self.lower(*arguments).compile()

  def lower(self, *arguments: Any) -> jax.stages.Lowered:
    """Returns the program as the compiler gets it.

    Args:
      *arguments: arrays, or `jax.ShapeDtypeStruct` in their place.
    """
    placed = [
      jax.tree.map(
        lambda leaf, to: leaf.update(sharding=to),
        shapes,
        layout.shardings(shapes),
      )
      for layout, shapes in zip(self.layouts, shapes_of(arguments), strict=True)
    ]
    return self.function.lower(*placed)


def shapes_of(tree: Any) -> Any:
  """Returns a tree of `jax.ShapeDtypeStruct`, as JAX has its arrays.

  >>> shapes_of({"kernel": np.ones(3)})
  {'kernel': ShapeDtypeStruct(shape=(3,), dtype=float32)}

  Args:
    tree: arrays, abstract shapes, or anything with a shape and a dtype.
  """
  return jax.eval_shape(lambda tree: tree, tree)


def over_rows(
  fn: Callable[..., Any],
  mesh: Mesh,
  *,
  specs: Sequence[PartitionSpec] = (ROWS, EVERYWHERE),
  cuts: Sequence[model_axis.Cuts | None] = (),
  width: int = 0,
  donate: bool = False,
  in_place: bool = False,
) -> Program:
  """Compiles a function of one row into a program over many.

  >>> program = over_rows(lambda row, shared: row["x"] + shared, row_mesh(4))
  >>> program({"x": np.arange(4)}, 10).tolist()
  [10, 11, 12, 13]

  With the default `specs`, `fn(row, shared)` becomes `program(rows, shared)`:
  `row` is any PyTree without the row axis, and `shared` is stored once, however
  many rows there are.

  Args:
    fn: the function.
    mesh: from `row_mesh`; its row axis divides the number of rows.
    specs: one per argument of `fn`. An argument whose spec begins with
      `ROW_AXIS` has rows, and `fn` gets one of them; the first one must have
      rows.
    cuts: where each argument of `fn` is cut along the model axis; (): nowhere.
      `fn` sees whole arrays. What is returned is cut like the first argument.
    width: rows computed at once on a device (`vmap`); a loop inside the program
      computes so many after the other. 0: all rows at once.
    donate: the memory of the first argument is reused for the result.
    in_place: `donate`, and `fn` returns two things: a row like its first
      argument, and results. The loop then writes the row where it was: there
      is no second copy of all rows.

  Returns:
    The program; its result has the row axis in front.
  """
  varying.mend_primitives()
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

  # JAX reports what it compiles under this name.
  local_rows.__name__ = getattr(fn, "__name__", "rows")
  layouts = tuple(
    Layout(mesh, spec, where)
    for spec, where in zip(specs, cuts or [None] * len(specs), strict=True)
  )
  # Along the model axis the compiler splits the work.
  split = jax.shard_map(
    local_rows,
    mesh=mesh,
    in_specs=tuple(specs),
    out_specs=ROWS,
    axis_names=set(mesh.axis_names) - {MODEL_AXIS},
  )
  return Program(
    jax.jit(
      _with_result_like(layouts[0], split),
      donate_argnums=(0,) if donate or in_place else (),
    ),
    layouts,
  )


def _with_result_like(
  layout: Layout, function: Callable[..., Any]
) -> Callable[..., Any]:
  """Returns the function, whose result is cut as an argument is.

  Otherwise the compiler might choose another cut, and memory that is donated
  would not fit.
  """
  if layout.cuts is None:
    return function

  @functools.wraps(function)
  def constrained(*arguments):
    result = function(*arguments)
    return jax.lax.with_sharding_constraint(result, layout.shardings(result))

  return constrained


def _at_once(one_row, rows):
  """Computes all rows at once; without the batch axis one row is faster."""
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
