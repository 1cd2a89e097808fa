"""Rows on devices: who computes what, and that it does not matter."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import parallel


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
