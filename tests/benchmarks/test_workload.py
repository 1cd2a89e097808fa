"""The steps that benchmarks time are those of a search."""

import chex
import numpy as np
import pytest

from benchmarks import mask_search, search_table
from benchmarks.workload import Workload, load_study
from structcomp_jax.engine import cost

LANGUAGE = "configs/language/sv_singular.py:smoke"
VISION = "configs/vision/inside_contact.py:smoke"


@pytest.fixture(scope="module")
def workload():
  return Workload.make(load_study(VISION), batch_size=4, num_batches=2)


def test_cached_and_uncached_steps_have_the_same_loss(workload):
  states = [
    workload.search("stage_2", is_cached=is_cached, num_candidates=2).run(2)[0]
    for is_cached in (False, True)
  ]
  chex.assert_trees_all_close(states[0].loss_sum, states[1].loss_sum, rtol=1e-4)
  assert np.all(states[0].loss_sum > 0)


def test_sums_are_over_all_steps_even_beyond_an_epoch(workload):
  one_batch = workload.with_batch(4)
  for steps in (one_batch.search("stage_2"), one_batch.training()):
    one, three = (float(steps.run(number)[0].loss_sum[0]) for number in (1, 3))
    assert three == pytest.approx(3 * one, rel=0.1)


def test_training_steps_change_weights(workload):
  state, _ = workload.training().run(2)
  assert state.step.tolist() == [2]
  before = workload.params["head"]["dense_1"]["kernel"]
  after = state.params["head"]["dense_1"]["kernel"][0]
  assert np.all(np.isfinite(after))
  assert np.any(np.asarray(after) != np.asarray(before))


def test_useful_flops_leave_out_what_is_cached_and_frozen(workload):
  everywhere = workload.useful_flops("first", is_cached=False)
  late = workload.useful_flops("stage_2", is_cached=False)
  cached = workload.useful_flops("stage_2", is_cached=True)
  assert 0 < cached < late < everywhere


def test_useful_flops_are_in_proportion_to_the_batch(workload):
  one, four = (
    workload.with_batch(size).useful_flops("first", is_cached=False)
    for size in (1, 4)
  )
  assert four == pytest.approx(4 * one, rel=0.05)


def test_a_network_is_measured(monkeypatch):
  monkeypatch.setattr(cost, "YARDSTICK", {"cpu": (64, 1)})
  monkeypatch.setattr(mask_search, "_LEAST_SECONDS", 0.0)
  # One way to search is enough.
  monkeypatch.setattr(Workload, "can_be_cached", lambda *_: False)
  arguments = mask_search.parser().parse_args(
    ["--repeats=1", "--candidates=1", "--auto=", "--batch_size=8"]
  )
  network = mask_search.measure_network(LANGUAGE, arguments)
  head, *lines = search_table.lines({"networks": [network]})
  assert {len(line) for line in lines} == {len(head)}
  assert 0 < network["host"]["share"] < 1
  assert "8 problems a step" in search_table.about(network)
