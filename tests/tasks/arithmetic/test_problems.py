"""Arithmetic by name: stored, read back, and what the splits share."""

import re
import time

import numpy as np
import pytest

from structcomp_jax.tasks import arithmetic, datasets
from structcomp_jax.tasks.arithmetic import (
  add_mul,
  builder,
  double_addition,
  problems,
)
from structcomp_jax.types import UserError

_SIZES = {"train": 300, "validation": 20, "test": 30}
# {part: (test inputs, of them in training, in the other order)}
_LINE = re.compile(
  r"[\w.]+: (\d+) of (\d+) distinct test inputs of ([\w ]+) occur in training, "
  r"and (\d+) of them with the two numbers in the other order"
)


def _counts(name):
  found = {}
  for line in arithmetic.separation(name):
    shared, total, part, exchanged = _LINE.fullmatch(line).groups()
    found[part] = int(shared), int(total), int(exchanged)
  return found


def test_every_name_is_a_config_with_a_task():
  assert list(builder.Arithmetic.builder_configs) == [
    "add_mul",
    "double_addition",
    "add_mul.disjoint",
    "double_addition.disjoint",
  ]
  assert problems.task_module("add_mul.disjoint") is add_mul
  assert problems.task_module("double_addition") is double_addition


@pytest.mark.parametrize(
  ("name", "draw"),
  [
    ("add_mul", add_mul.published),
    ("add_mul.disjoint", add_mul.disjoint),
    ("double_addition", double_addition.published),
    ("double_addition.disjoint", double_addition.disjoint),
  ],
)
def test_round_trip_keeps_the_first_problems_of_the_whole_draw(
  tmp_path, name, draw
):
  stored = datasets.prepare(f"arithmetic/{name}", tmp_path, _SIZES)
  assert stored.info.metadata["separation"] == arithmetic.separation(name)
  for split, count in _SIZES.items():
    loaded = datasets.load(f"arithmetic/{name}", tmp_path, split)
    made = draw(split)[:count]
    assert (loaded.dtype, loaded.shape) == (np.uint8, made.shape)
    assert (loaded == made).all()


def test_plain_tfds_reads_the_files(tmp_path):
  import tensorflow_datasets as tfds

  datasets.prepare("arithmetic/add_mul", tmp_path, _SIZES)
  stored = tfds.builder_from_directory(
    tmp_path / "arithmetic" / "add_mul" / "1.0.0"
  )
  source = stored.as_data_source("train")
  assert (len(source), source[1]["numbers"].tolist()) == (300, [0, 59, 1])


def test_sizes_are_the_published_ones(tmp_path):
  with pytest.raises(UserError, match="ask for 1 to 1000000"):
    datasets.prepare("arithmetic/add_mul", tmp_path, {"train": 1_000_001})
  with pytest.raises(UserError, match="ask for 1 to 10000"):
    datasets.prepare("arithmetic/add_mul", tmp_path, {"validation": 10_001})


def test_every_published_input_is_in_training():
  for name, parts in (
    ("add_mul", add_mul.OPERATIONS),
    ("double_addition", double_addition.PAIRS),
  ):
    counts = _counts(name)
    for part in parts:
      shared, total, exchanged = counts[part]
      assert shared == total == exchanged > 3800
  shared, total, _ = _counts("double_addition")["both pairs together"]
  assert shared == pytest.approx(total / 100, rel=0.2)


def test_no_disjoint_input_is_in_training_but_many_in_the_other_order():
  for name, parts in (
    ("add_mul.disjoint", add_mul.OPERATIONS),
    ("double_addition.disjoint", double_addition.PAIRS),
  ):
    counts = _counts(name)
    for part in parts:
      shared, total, exchanged = counts[part]
      assert shared == 0
      assert 950 < total < 1050
      assert exchanged == pytest.approx(0.8 * total, rel=0.1)


def test_separation_counts_what_is_in_the_data(monkeypatch):
  splits = {
    "train": np.array([[1, 2, 0], [3, 4, 1], [4, 5, 0]], np.uint8),
    "test": np.array([[1, 2, 0], [1, 2, 0], [2, 1, 0], [1, 2, 1]], np.uint8),
  }
  monkeypatch.setattr(add_mul, "published", splits.get)
  problems._separation.cache_clear()
  try:
    assert _counts("add_mul") == {"add": (1, 2, 1), "mul": (0, 1, 0)}
  finally:
    problems._separation.cache_clear()


def test_separation_takes_seconds():
  problems._separation.cache_clear()
  start = time.process_time()
  arithmetic.separation("double_addition")
  assert time.process_time() - start < 3


def test_unknown_names_are_refused():
  for call in (
    arithmetic.separation,
    lambda name: arithmetic.make_problems(name, "test"),
  ):
    with pytest.raises(UserError, match=r"'add'; use one of add_mul, double"):
      call("add")
