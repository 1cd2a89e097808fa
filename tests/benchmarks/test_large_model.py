"""What is said of a network that chips share."""

import dataclasses
import re

import jax
import numpy as np
import pytest

from benchmarks import large_model

ONE = {
  "topology": "v5e:8",
  "rules": "decoder",
  "readout": "every",
  "num_candidates": 1,
  "weights": 1_000_000_000,
  "masked": 1_000_000_000,
  "useful_flops": 8e12,
  "counted_flops": 1.97e12,
  "bytes": 8.19e9,
  "memory": {"arguments": 2e9, "temporary": 1e9, "total": 3e9},
  "collectives": {
    "all-reduce": {"count": 3, "bytes": 800_000_000},
    "all-gather": {"count": 1, "bytes": 80_000_000},
  },
  "seconds": 60.0,
  "commit": "abc",
  "jax": "0.10.2",
  "libtpu": "0.0.42",
  "machine": "x86_64",
}


def test_a_ring_sends_what_is_said():
  assert large_model.sent_bytes(ONE) == 7 / 8 * (2 * 800e6 + 80e6)


def test_the_slowest_part_bounds_a_step():
  head, line = large_model.lines([ONE])
  cells = dict(zip(head, line, strict=True))
  assert cells["roofline"] == "10.0 ms"  # arithmetic, bytes; links need 7.35
  assert cells["fewest"] == "3.25 GB"  # 26 bytes a weight on eight chips
  assert cells["mask state"] == "16.0 GB"
  assert cells["MFU"] == "0.51"
  slow = {**ONE, "collectives": {"all-gather": {"count": 1, "bytes": 16e9}}}
  cells = dict(zip(head, large_model.lines([slow])[1], strict=True))
  assert (cells["bound by"], cells["roofline"]) == ("links", "70.0 ms")


def test_the_page_lists_every_collective():
  page = large_model.page([ONE])
  assert "| v5e:8 | decoder | every | all-reduce | 3 | 800 MB |" in page
  assert "commit abc" in page


@pytest.mark.parametrize("readout", large_model.READOUTS)
def test_the_program_of_the_benchmark_is_one_that_runs(readout):
  config = dataclasses.replace(
    large_model.LLAMA_1B,
    vocab_size=64,
    hidden_size=32,
    num_layers=1,
    num_heads=8,
    num_key_heads=4,
    head_size=4,
    intermediate_size=64,
  )
  case = large_model.Case("", "decoder", readout, 1, 2, 4, 1, True)
  steps = large_model.search_of(config, case, jax.devices()[:4])
  fixed = jax.tree.map(
    lambda leaf: np.ones(leaf.shape, leaf.dtype), steps.job.fixed
  )
  state = steps.job.first_state()
  _, rows, _, shared = steps.argument_shapes()
  shared["num_steps"] = np.int32(1)
  state, _ = steps.program(state, rows, fixed, shared)
  assert state.step.tolist() == [1]
  assert state.finite.all()
  text = steps.compiled.as_text()
  assert re.search("all-reduce", text)
