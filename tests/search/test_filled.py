"""Candidates that devices cannot share evenly find what they find on one."""

import dataclasses

import chex
import jax
import numpy as np
import pytest

from structcomp_jax import search, trees

from . import tiny

pytestmark = pytest.mark.usefixtures("optimised")

# Every candidate runs the same program wherever it is.
CONFIG = search.SearchConfig(
  **tiny.SETTINGS,
  learning_rates=(0.1,),
  seeds=tuple(range(7)),
  vmap_width=1,
)
VALIDATION = {"validation": tiny.DATASET, "metrics_fn": tiny.metrics_fn}


def run(num_devices, config=CONFIG, **kwargs):
  return tiny.run(
    config, devices=jax.devices()[:num_devices], **VALIDATION, **kwargs
  )


@pytest.fixture(scope="module")
def alone():
  return run(1)


def test_seven_candidates_on_four_devices_are_those_of_one(alone):
  meshes = []
  found = run(
    4, on_call=lambda state, rows: meshes.append(state.finite.sharding.mesh)
  )
  assert {mesh.size for mesh in meshes} == {4}
  chex.assert_trees_all_equal(
    jax.device_get(found.mask_logits), jax.device_get(alone.mask_logits)
  )
  chex.assert_trees_all_equal(found.mask, alone.mask)
  assert trees.num_rows(found.masks) == len(found.finite) == 7
  assert found.best == alone.best


def test_nobody_sees_the_candidates_that_fill_up(alone):
  rows = []
  found = run(4, on_call=lambda state, new: rows.extend(new))
  assert [row["candidate"] for row in rows] == 3 * list(range(7))
  for row, expected in zip(found.history, alone.history, strict=True):
    assert row == pytest.approx(expected)


@pytest.mark.parametrize("num_devices", [1, 3, 4, 8])
def test_a_search_goes_on_with_another_number_of_devices(alone, num_devices):
  states = []
  run(4, on_call=lambda state, rows: states.append(tiny.copy(state)))
  assert trees.num_rows(states[0]) == 8
  found = run(num_devices, state=states[0])
  chex.assert_trees_all_equal(
    jax.device_get(found.mask_logits), jax.device_get(alone.mask_logits)
  )


def test_candidates_stop_as_they_would_alone():
  config = dataclasses.replace(
    CONFIG, num_epochs=12, patience=1, learning_rates=(2.0,)
  )
  expected, found = run(1, config), run(4, config)
  assert len(found.history) == len(expected.history) < 12 * 7
  chex.assert_trees_all_equal(
    jax.device_get(found.mask_logits), jax.device_get(expected.mask_logits)
  )


def test_every_candidate_keeps_its_own_network():
  scales = np.linspace(0.5, 1.5, 7, dtype=np.float32)
  networks = jax.tree.map(
    lambda leaf: scales.reshape(-1, *[1] * np.ndim(leaf)) * np.asarray(leaf),
    tiny.NETWORK.params,
  )
  expected, found = (
    run(num_devices, params=networks, params_have_rows=True).mask_logits
    for num_devices in (1, 4)
  )
  chex.assert_trees_all_equal(jax.device_get(found), jax.device_get(expected))
