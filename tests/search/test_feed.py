"""Batches from the host: the same bits, whatever the way they take."""

import dataclasses
import threading

import chex
import jax
import numpy as np
import pytest

from structcomp_jax import search
from structcomp_jax.engine import feed, parallel, programs
from structcomp_jax.engine.learner import Setup
from structcomp_jax.engine.plan import Machine, Plan

from . import tiny

pytestmark = pytest.mark.usefixtures("optimised")

# 3 steps an epoch.
CONFIG = search.SearchConfig(
  num_epochs=3, batch_size=4, learning_rates=(0.2,), seeds=(0, 1, 2, 3)
)
DATASET = jax.tree.map(lambda array: np.asarray(array)[:14], tiny.DATASET)


def run(*, dataset=DATASET, num_devices=1, **changes):
  """Returns the result of a search and the step at the end of each call."""
  steps = []
  result = tiny.run(
    dataclasses.replace(CONFIG, **changes),
    dataset=dataset,
    devices=jax.devices()[:num_devices],
    on_call=lambda state, _: steps.append(int(state.step[0])),
  )
  return result, steps


def assert_same(result, other):
  chex.assert_trees_all_equal(result.mask_logits, other.mask_logits)
  assert result.history == other.history


@pytest.mark.parametrize(
  ("data_order", "num_devices"), [("per_candidate", 1), ("shared", 2)]
)
def test_both_feeds_give_the_same_bits(data_order, num_devices):
  settings = {"data_order": data_order, "num_devices": num_devices}
  from_device, _ = run(**settings)
  from_host, _ = run(**settings, feed="host")
  assert_same(from_device, from_host)


def test_memory_mapped_file_gives_the_same_bits(tmp_path):
  mapped = {}
  for name, array in DATASET.items():
    np.save(tmp_path / f"{name}.npy", array)
    mapped[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
  assert_same(run()[0], run(feed="host", dataset=mapped)[0])


def test_calls_are_as_long_as_the_bytes_allow(monkeypatch):
  expected, _ = run()
  step_bytes = 4 * sum(a[:4].nbytes for a in jax.tree.leaves(DATASET))
  for steps, calls in ((0.5, [1] * 9), (2, [2, 1] * 3)):
    monkeypatch.setattr(feed, "_BYTES_PER_CALL", int(steps * step_bytes))
    result, ends = run(feed="host")
    assert np.diff([0, *ends]).tolist() == calls
    chex.assert_trees_all_equal(result.mask_logits, expected.mask_logits)


def test_run_goes_on_in_the_middle_of_an_epoch_with_the_same_bits():
  states = []
  config = dataclasses.replace(CONFIG, steps_per_call=2)
  expected = tiny.run(
    config,
    dataset=DATASET,
    on_call=lambda state, _: states.append(tiny.copy(state)),
  )
  config = dataclasses.replace(config, feed="host", steps_per_call=0)
  resumed = tiny.run(config, dataset=DATASET, state=states[2])
  chex.assert_trees_all_equal(resumed.mask_logits, expected.mask_logits)


def test_every_example_of_a_step_is_the_one_of_the_order():
  dataset = {"index": np.arange(14)}
  config = dataclasses.replace(CONFIG, feed="host", steps_per_call=2)
  setup = Setup(
    learner=search.MaskLearner(None, None, tiny.SPEC, config.objective()),
    plan=Plan.of(config),
    machine=Machine.of(config),
    mesh=parallel.row_mesh(4, jax.devices()[:4]),
    steps_per_epoch=3,
  )
  seeds = np.array(CONFIG.seeds, np.int32)
  host = feed.make_feed(dataset, setup, tiny.KEY, seeds)
  (shapes,) = host.shapes()
  for start in (0, 2, 3):
    (batches,) = host.batches(start)
    chex.assert_trees_all_equal_shapes_and_dtypes(batches, shapes)
    for row, seed in enumerate(CONFIG.seeds):
      order = programs.epoch_order(setup, tiny.KEY, seed, start // 3, 14)
      first = start % 3
      np.testing.assert_array_equal(
        batches["index"][row, : 3 - first],
        order.reshape(3, 4)[first : first + 2],
      )
  host.close()


def test_no_thread_is_left_behind():
  before = threading.active_count()
  run(feed="host")
  assert threading.active_count() == before
