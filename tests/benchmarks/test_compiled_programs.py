"""What is said of programs for chips that are not there."""

import dataclasses
import json

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import compiled, compiled_page, measure, workload
from benchmarks.collectives import collectives
from structcomp_jax import target, trees
from structcomp_jax.engine import chips

TEXT = """
  %sum = f32[2,3]{1,0:T(2,128)} all-reduce(%y), channel_id=1, to_apply=%add
  %pair = (bf16[8]{0}, bf16[16]{0}) all-gather-start(%a, %b), dimensions={0}
  %end = bf16[16]{0} all-gather-done(%pair)
  ROOT %all-reduce-like = f32[4]{0} fusion(%sum), calls=%all-reduce.clone
"""


def test_collectives_are_counted_once_with_the_bytes_of_their_results():
  assert collectives(TEXT) == {
    "all-reduce": {"count": 1, "bytes": 24},
    "all-gather": {"count": 1, "bytes": 48},
  }


def test_every_topology_has_as_many_chips_as_it_says():
  for chip in chips.CHIPS.values():
    for number, layout in chip.layouts.items():
      assert np.prod([int(side) for side in layout.split("x")]) == number


@pytest.fixture(scope="module")
def two_layers():
  """A feed-forward network whose activations are easily counted."""
  with target.compiling_for("tpu"):
    study = workload.load_study("configs/arithmetic/add_mul.py:smoke")
    return workload.Workload.make(study, batch_size=4, num_batches=3)


def test_fewest_bytes_are_those_of_a_count_by_hand(two_layers):
  stage = two_layers.study.mask_search.masked_from[0]
  found = compiled.fewest_bytes(two_layers, stage, is_cached=False)
  larger = compiled.fewest_bytes(
    two_layers.with_batch(8), stage, is_cached=False
  )
  masked = two_layers.spec(stage).num_weights
  # Activations are in proportion to the batch, the state is not.
  state = 2 * found["each"] - larger["each"]
  assert state == pytest.approx(masked * 24, rel=0.02)
  widths = [
    leaf.shape[1]
    for path, leaf in two_layers.params.items()
    for leaf in [leaf["kernel"]]
  ]
  # At least the input of every hidden layer, written and read in float32.
  assert found["each"] - state >= 2 * 4 * 4 * sum(widths[:-1])


def test_a_line_says_what_bounds_a_program():
  case = compiled.Case(
    "configs/a.py:b", "search", 0, "v5e:1", 2, 1, 4, "bfloat16"
  )
  one = dataclasses.asdict(case) | {
    "stage": "0", "chips_used": 1, "useful_flops": 1e12, "counted_flops": 3e12,
    "bytes": 8.19e9, "bytes_anywhere": 9e9,
    "fewest": {"once": 19e7, "each": 2e9}, "seconds": 3.0,
    "memory": {"total": 17e9},
    "collectives": {"all-reduce": {"count": 2, "bytes": 3e6}},
  }  # fmt: skip
  head, line = compiled.lines([one])
  cells = dict(zip(head, line, strict=True))
  assert cells["fits"] == "no" and cells["bound by"] == "arithmetic"
  # Two candidates of 1 TFLOP that are useful, 3 that are counted.
  assert cells["roofline"] == "15.23 ms" and cells["MFU"] == "0.67"
  assert cells["fewest"] == "4.19 GB" and cells["ratio"] == "2.0"
  assert cells["anywhere"] == "9.00 GB"
  assert cells["at once"] == "1" and cells["parts"] == "4"
  assert cells["collectives"] == "2 all-reduce (3 MB)"
  head, line = compiled.lines([one | {"bytes": 81.9e9, "topology": "v5p:1"}])
  cells = dict(zip(head, line, strict=True))
  assert cells["fits"] == "yes" and cells["bound by"] == "bytes"


def test_what_the_compiler_counts_once_in_a_loop_is_multiplied():
  def repeats(width, micro_batches, chips_used=1):
    case = compiled.Case(
      "a.py", "search", 0, "v5e:1", 8, width, micro_batches, "bfloat16"
    )
    return compiled.repeats(case, chips_used)

  assert repeats(0, 1) == 1
  assert repeats(2, 1) == 4
  assert repeats(1, 4) == 32
  assert repeats(1, 4, chips_used=4) == 8


def test_a_training_step_learns_all_weights(two_layers):
  stage = two_layers.study.mask_search.masked_from[0]
  found = compiled.fewest_bytes_of_training(two_layers)
  searched = compiled.fewest_bytes(two_layers, stage, is_cached=False)
  rest = trees.num_elements(two_layers.params) - (
    two_layers.spec(stage).num_weights
  )
  assert found["each"] - searched["each"] == 24 * rest
  assert two_layers.useful_training_flops() >= two_layers.useful_flops(
    stage, is_cached=False
  )


def test_an_evaluation_tests_what_every_mask_keeps(two_layers):
  stage = two_layers.study.mask_search.masked_from[0]
  made, (rows, shared) = two_layers.evaluation(
    stage, num_networks=3, width=0, devices=jax.devices()[:1]
  )
  kept = jnp.array([1.0, 0.0, 1.0])
  shared["masks"] = jax.tree.map(
    lambda leaf: jnp.broadcast_to(
      kept.astype(bool).reshape(-1, *[1] * (leaf.ndim - 1)), leaf.shape
    ),
    shared["masks"],
  )
  found = made.program(rows, shared)
  dense = two_layers.network.metrics_fn(two_layers.params, two_layers.problems)
  for name, values in found.items():
    expected = np.asarray(dense[name])
    chex.assert_trees_all_close(values[0], expected, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_equal(values[0], values[2])
  assert not np.allclose(found["loss"][1], found["loss"][0])
  # A gradient needs the forward pass, and twice as much again.
  forward = two_layers.useful_evaluation_flops()
  assert 2 < two_layers.useful_training_flops() / forward < 4


def test_a_page_says_which_commits_compiled_its_programs(tmp_path):
  def program(number, commit):
    case = compiled.Case(
      "configs/a.py:b", "search", 0, "v5e:1", number, 0, 1, "bfloat16"
    )
    return dataclasses.asdict(case) | {
      "stage": "0", "chips_used": 1, "useful_flops": 1e12,
      "counted_flops": 1e12, "bytes": 1e9, "bytes_anywhere": 2e9,
      "fewest": {"once": 0, "each": 1e9}, "memory": {"total": 1e9},
      "collectives": {}, "seconds": 1.0, "commit": commit, "changed": "",
      "jax": "1.0", "libtpu": "2.0",
    }  # fmt: skip

  path = tmp_path / "found.json"
  measure.store({"programs": [program(1, "aaa"), program(4, "bbb")]}, str(path))
  found = measure.programs(str(path))
  assert [one["num_candidates"] for one in found] == [1, 4]
  text = compiled_page.tables(found)
  assert text.count("### a:b") == 1
  assert "commit aaa, jax 1.0, libtpu 2.0; commit bbb" in text
  assert measure.programs(str(tmp_path / "none.json")) == []


def test_a_program_is_compiled_once_or_again_on_demand(tmp_path, monkeypatch):
  @dataclasses.dataclass(frozen=True)
  class Case:
    name: str

  asked = []

  def elsewhere(module, argument):
    assert module == "some.module"
    asked.append(json.loads(argument.removeprefix("--worker="))["name"])
    return {"name": asked[-1], "turn": len(asked)}

  monkeypatch.setattr(measure, "elsewhere", elsewhere)
  path = str(tmp_path / "found.json")

  def turns(*names, **how):
    cases = map(Case, names)
    found = measure.compiled_elsewhere("some.module", cases, path, **how)
    return [one["turn"] for one in found]

  assert turns("a", "b") == [1, 2]
  assert turns("c", "a") == [3, 1]
  assert turns("a", again=True) == [4]
  assert asked == ["a", "b", "c", "a"]
  kept = {one["name"]: one["turn"] for one in measure.programs(path)}
  assert kept == {"a": 4, "b": 2, "c": 3}
