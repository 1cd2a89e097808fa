"""Rows on devices: which device computes a row does not change the result."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax.engine import parallel
from structcomp_jax.types import UserError


def scaled_cumsum(row, shared):
  """A function of one row whose result depends on all of the row."""
  return {"sum": jnp.cumsum(row["values"]) * shared, "seed": row["seed"] + 1}


def make_rows(num_rows):
  """Returns rows of five values and a seed."""
  values = np.random.default_rng(0).normal(size=(num_rows, 5))
  return {
    "values": values.astype(np.float32),
    "seed": np.arange(num_rows, dtype=np.int32),
  }


@pytest.mark.parametrize(
  ("num_rows", "num_devices"),
  [(1, 1), (6, 6), (8, 8), (9, 3), (11, 1), (12, 6), (16, 8)],
)
def test_mesh_takes_the_most_devices_that_divide_the_rows(
  num_rows, num_devices
):
  mesh = parallel.row_mesh(num_rows)
  assert mesh.axis_names == (parallel.ROW_AXIS,)
  assert mesh.size == num_devices


def test_mesh_keeps_to_the_devices_it_is_given():
  devices = jax.devices()[2:4]
  mesh = parallel.row_mesh(8, devices)
  assert list(mesh.devices.flat) == devices


@pytest.mark.parametrize(
  ("num_rows", "num_devices", "data_devices", "filled"),
  [
    (1, 8, 1, 1), (6, 8, 1, 6), (8, 8, 1, 8), (7, 4, 1, 8), (9, 4, 1, 9),
    (9, 8, 1, 10), (11, 8, 1, 12), (17, 8, 1, 18), (3, 4, 2, 4), (5, 1, 1, 5),
  ],
)  # fmt: skip
def test_rows_are_filled_up_where_devices_then_have_less_to_do(
  num_rows, num_devices, data_devices, filled
):
  devices = jax.devices()[:num_devices]
  assert parallel.num_filled(num_rows, devices, data_devices) == filled
  before, after = (
    rows // parallel.row_mesh(rows, devices, data_devices).shape["candidate"]
    for rows in (num_rows, filled)
  )
  assert after < before or filled == num_rows
  # As few as can be.
  assert after == -(-num_rows // (num_devices // data_devices))


@pytest.mark.parametrize("width", [0, 1, 2, 5, 12])
@pytest.mark.parametrize("num_devices", [1, 8])
def test_every_split_gives_the_rows_of_a_plain_loop(width, num_devices):
  rows = make_rows(12)  # six devices with two rows each, or one with twelve
  mesh = parallel.row_mesh(12, jax.devices()[:num_devices])
  program = parallel.over_rows(scaled_cumsum, mesh, width=width)
  result = program(rows, jnp.float32(3))
  assert len(result["sum"].sharding.device_set) == mesh.size
  expected = {
    "sum": np.cumsum(rows["values"], axis=1) * 3,
    "seed": rows["seed"] + 1,
  }
  chex.assert_trees_all_close(jax.device_get(result), expected, rtol=1e-5)


@pytest.mark.parametrize(
  ("num_rows", "data_devices", "shape"),
  [(8, 2, (4, 2)), (6, 2, (3, 2)), (6, 4, (2, 4)), (5, 8, (1, 8))],
)
def test_mesh_has_a_second_axis_for_shared_batches(
  num_rows, data_devices, shape
):
  mesh = parallel.row_mesh(num_rows, data_devices=data_devices)
  assert mesh.axis_names == (parallel.ROW_AXIS, parallel.DATA_AXIS)
  assert mesh.devices.shape == shape


@pytest.mark.parametrize(
  ("num_rows", "data_devices", "model_devices", "shape"),
  [(8, 1, 2, (4, 2)), (6, 1, 4, (2, 4)), (3, 2, 4, (1, 2, 4))],
)
def test_mesh_has_a_last_axis_for_shared_weights(
  num_rows, data_devices, model_devices, shape
):
  mesh = parallel.row_mesh(num_rows, None, data_devices, model_devices)
  names = [parallel.ROW_AXIS, parallel.DATA_AXIS, parallel.MODEL_AXIS]
  if data_devices == 1:
    names.remove(parallel.DATA_AXIS)
  assert mesh.axis_names == tuple(names)
  assert mesh.devices.shape == shape
  # Neighbours share weights, which needs the most communication.
  first = mesh.devices.reshape(-1, model_devices)[0]
  assert list(first) == jax.devices()[:model_devices]


def test_more_data_devices_than_devices_are_refused():
  with pytest.raises(
    UserError, match="data_devices 3 is more than the 2 devices"
  ):
    parallel.row_mesh(4, jax.devices()[:2], data_devices=3)


@pytest.mark.parametrize("width", [0, 1, 2, 3, 4, 7])
@pytest.mark.parametrize("num_devices", [1, 2])
def test_rows_written_in_place_are_those_of_a_plain_loop(width, num_devices):
  def advance(row, offset, shared):
    new = {"values": row["values"] * shared + offset, "seed": row["seed"] + 1}
    return new, {"sum": row["values"].sum(), "offset": offset}

  rows, offsets = make_rows(14), np.arange(14, dtype=np.float32)
  program = parallel.over_rows(
    advance,
    parallel.row_mesh(14, jax.devices()[:num_devices]),
    specs=(parallel.ROWS, parallel.ROWS, parallel.EVERYWHERE),
    width=width,
    in_place=True,
  )
  placed = jax.tree.map(jnp.asarray, rows)
  result, sums = program(placed, offsets, np.float32(3))
  np.testing.assert_allclose(sums["sum"], rows["values"].sum(1), rtol=1e-6)
  np.testing.assert_array_equal(sums["offset"], offsets)
  expected = {
    "values": rows["values"] * 3 + offsets[:, None],
    "seed": rows["seed"] + 1,
  }
  chex.assert_trees_all_close(jax.device_get(result), expected, rtol=1e-6)
  memory = program.compile(rows, offsets, np.float32(3)).memory_analysis()
  row_bytes = 5 * 4 + 4
  assert memory.alias_size_in_bytes == 14 // num_devices * row_bytes


@pytest.mark.parametrize(("num_rows", "width"), [(1, 0), (4, 1)])
@pytest.mark.parametrize("in_place", [False, True])
def test_a_single_row_has_no_batch_axis(num_rows, width, in_place):
  batched = []

  @jax.custom_batching.custom_vmap
  def double(values):
    return values * 2

  @double.def_vmap
  def rule(axis_size, in_batched, values):
    batched.append(axis_size)
    return values * 2, True

  def fn(row, shared):
    return (double(row), {}) if in_place else double(row)

  program = parallel.over_rows(
    fn,
    parallel.row_mesh(num_rows, jax.devices()[:1]),
    width=width,
    in_place=in_place,
  )
  rows = np.ones((num_rows, 3), np.float32)
  result = program(rows, np.float32(0))
  np.testing.assert_array_equal(result[0] if in_place else result, rows * 2)
  assert not batched


def test_spread_rows_leave_the_device_they_came_from():
  rows, host_rows = jnp.arange(8.0), np.arange(8, dtype=np.float32)
  spread = parallel.spread((rows, host_rows), parallel.row_mesh(8))
  chex.assert_trees_all_equal(*jax.device_get(spread))
  assert all(len(leaf.devices()) == 8 for leaf in spread)
  assert rows.is_deleted()
  one = jnp.arange(8.0)
  parallel.spread(one, parallel.row_mesh(8, jax.devices()[:1]))
  np.testing.assert_array_equal(one, host_rows)


def test_rows_do_not_talk_to_each_other():
  program = parallel.over_rows(scaled_cumsum, parallel.row_mesh(8))
  text = program.compile(make_rows(8), np.float32(1)).as_text()
  assert "num_partitions=8" in text
  for operation in ("all-reduce", "all-gather", "all-to-all", "permute"):
    assert operation not in text


@pytest.mark.parametrize("donate", [False, True])
def test_rows_are_given_away_only_when_donated(donate):
  mesh = parallel.row_mesh(8)
  program = parallel.over_rows(scaled_cumsum, mesh, donate=donate)
  rows = program(make_rows(8), jnp.float32(1))
  rows = {"values": rows["sum"], "seed": rows["seed"]}
  shared = jnp.float32(1)
  program(rows, shared)
  assert rows["values"].is_deleted() == donate
  assert not shared.is_deleted()


@pytest.mark.parametrize("num_devices", [1, 8])
def test_a_loop_over_its_own_result_is_traced_once(num_devices):
  chex.clear_trace_counter()

  @chex.assert_max_traces(n=1)
  def advance(row, shared):
    return row * shared

  mesh = parallel.row_mesh(8, jax.devices()[:num_devices])
  program = parallel.over_rows(advance, mesh, donate=True)
  rows = jnp.arange(8.0)
  for _ in range(3):
    rows = program(rows, jnp.float32(2))
  program(np.arange(8, dtype=np.float32), jnp.float32(2))  # as restored
  np.testing.assert_array_equal(rows, np.arange(8) * 8)


def test_values_of_the_host_go_to_a_mesh_and_back():
  tree = {"rows": np.arange(16.0, dtype=np.float32), "key": jax.random.key(0)}
  mesh = parallel.row_mesh(8)
  placed = parallel.replicate(tree, mesh)
  assert placed["rows"].sharding.device_set == set(mesh.devices.flat)
  fetched = parallel.fetch({"rows": placed["rows"], "count": 3})
  assert isinstance(fetched["rows"], np.ndarray)
  chex.assert_trees_all_equal(fetched, {"rows": tree["rows"], "count": 3})
  chex.assert_trees_all_equal(
    jax.random.key_data(placed["key"]), jax.random.key_data(tree["key"])
  )


@pytest.mark.parametrize(
  "rank", [jnp.argsort, lambda x: jax.lax.top_k(x, 5)[1]]
)
@pytest.mark.parametrize(("num_devices", "width"), [(1, 0), (8, 0), (8, 1)])
def test_indices_of_a_sort_vary_as_its_keys_do(rank, num_devices, width):
  """JAX takes them for constants inside `shard_map`; see `varying`."""

  def ranked(row, scale):
    order = rank(row).astype(jnp.float32)
    return jax.lax.cond(
      row[0] > 0, lambda total: total + order, lambda total: total, scale * row
    )

  rows = np.random.default_rng(0).normal(size=(16, 5)).astype(np.float32)
  program = parallel.over_rows(
    ranked, parallel.row_mesh(16, jax.devices()[:num_devices]), width=width
  )
  expected = jax.vmap(ranked, in_axes=(0, None))(rows, 3.0)
  np.testing.assert_allclose(program(rows, np.float32(3)), expected, rtol=1e-6)


@pytest.mark.parametrize(
  "function",
  [
    jax.lax.erf,
    jax.lax.erfc,
    jax.lax.erf_inv,
    jnp.sinc,
    functools.partial(jax.nn.gelu, approximate=False),
  ],
)
@pytest.mark.parametrize(("num_devices", "width"), [(1, 0), (8, 0), (8, 1)])
def test_functions_written_as_polynomials_have_gradients(
  function, num_devices, width
):
  """JAX 0.12 refuses them inside `shard_map`; see `varying`."""

  def slope(row, scale):
    return jax.grad(lambda values: (function(values) * scale).sum())(row)

  rows = np.linspace(-0.9, 0.9, 80, dtype=np.float32).reshape(16, 5)
  program = parallel.over_rows(
    slope, parallel.row_mesh(16, jax.devices()[:num_devices]), width=width
  )
  expected = jax.jit(slope)(rows, 3.0)
  np.testing.assert_allclose(program(rows, np.float32(3)), expected, rtol=1e-5)
