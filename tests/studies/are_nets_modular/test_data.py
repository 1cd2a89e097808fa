"""Tasks of an experiment: which problems they are, and how they are read."""

import numpy as np
import pytest

from configs.arithmetic import add_mul as add_mul_config
from configs.arithmetic import double_addition as double_addition_config
from configs.scan import scan as scan_config
from structcomp_jax.studies.are_nets_modular import (
  arithmetic_networks,
  study,
)
from structcomp_jax.tasks import arithmetic
from structcomp_jax.tasks.scan import splits
from structcomp_jax.types import UserError

ADD_MUL = np.array([[67, 36, 0], [5, 99, 1], [10, 2, 1]], np.uint8)
TWO_SUMS = np.array([[67, 36, 5, 50], [99, 1, 33, 20]], np.uint8)


@pytest.fixture(scope="module")
def add_mul():
  return study.make(add_mul_config.get_config("smoke"))


@pytest.fixture(scope="module")
def double_addition():
  return study.make(double_addition_config.get_config("smoke"))


@pytest.fixture(scope="module")
def scan():
  return study.make(scan_config.get_config("smoke"))


def encode(made, task, problems):
  return made.datasets[task].encode(problems)


def test_masks_learn_their_own_task(add_mul, double_addition, scan):
  assert dict(add_mul.domain.subroutines) == {
    "control": "all",
    "add": "add",
    "mul": "mul",
  }
  # Masks of a pair do not see the other one; tests have both there.
  assert dict(double_addition.domain.subroutines) == {
    "control": "all",
    "pair_1": "pair_1.alone",
    "pair_2": "pair_2.alone",
  }
  assert dict(scan.domain.subroutines) == {
    "control": "simple",
    "jump": "jump",
    "length": "length",
    "turn_left": "turn_left",
  }
  assert add_mul.test_tasks == ("add", "mul")
  assert double_addition.test_tasks == ("pair_1", "pair_2")
  assert scan.test_tasks == ("simple", "jump", "length", "turn_left")
  # The first data set is that of the base networks.
  for made, first in (
    (add_mul, "all"),
    (double_addition, "all"),
    (scan, "simple"),
  ):
    assert next(iter(made.datasets)) == first
    assert set(made.datasets) == {
      *made.domain.subroutines.values(),
      *made.test_tasks,
    }


def test_all_tasks_of_arithmetic_are_parts_of_one_data_set(
  add_mul, double_addition
):
  for made, name in (
    (add_mul, "add_mul"),
    (double_addition, "double_addition"),
  ):
    assert {one.name for one in made.datasets.values()} == {
      f"arithmetic/{name}"
    }
    sizes = {"train": 512, "validation": 64, "test": 64}
    assert made.data_to_prepare() == {f"arithmetic/{name}": sizes}
  config = add_mul_config.get_config("smoke")
  config.data.policy = "disjoint"
  config.data.num_problems.train = 0
  made = study.make(config)
  assert made.data_to_prepare() == {
    "arithmetic/add_mul.disjoint": {
      "train": 1_000_000,
      "validation": 64,
      "test": 64,
    }
  }
  assert made.about_data() == arithmetic.separation("add_mul.disjoint")


def test_digits_are_little_endian(add_mul):
  batch = encode(add_mul, "all", ADD_MUL)
  assert batch["numbers"].tolist() == [
    [7, 6, 6, 3],
    [5, 0, 9, 9],
    [0, 1, 2, 0],
  ]
  assert batch["operation"].tolist() == [0, 1, 1]
  # 103, 495, 20
  assert batch["target"].tolist() == [[3, 0], [5, 9], [0, 2]]
  assert batch["sum"].tolist() == [[3, 0], [4, 0], [2, 1]]
  assert batch["product"].tolist() == [[2, 1], [5, 9], [0, 2]]


@pytest.mark.parametrize(("task", "rows"), [("add", [0]), ("mul", [1, 2])])
def test_tasks_of_one_operation_are_its_problems(add_mul, task, rows):
  whole = encode(add_mul, "all", ADD_MUL)
  part = encode(add_mul, task, ADD_MUL)
  assert set(part) == set(whole)
  for name, values in whole.items():
    np.testing.assert_array_equal(part[name], values[rows])


def test_the_operation_stands_after_the_digits(add_mul):
  batch = encode(add_mul, "all", ADD_MUL)
  inputs = np.asarray(add_mul.network._inputs(batch)["features"])
  assert inputs.shape == (3, 42)
  units = [np.flatnonzero(row).tolist() for row in inputs]
  # Units, tens of the first number, of the second; the operation.
  assert units == [
    [7, 16, 26, 33, 40],
    [5, 10, 29, 39, 41],
    [0, 11, 22, 30, 41],
  ]
  assert inputs.max() == 1


NOT = [-1, -1]


@pytest.mark.parametrize(
  ("task", "numbers", "target"),
  [
    ("all", [[7, 6, 6, 3], [5, 0, 0, 5]], [[3, 0], [5, 5]]),
    ("pair_1", [[7, 6, 6, 3], [5, 0, 0, 5]], [[3, 0], NOT]),
    ("pair_2", [[7, 6, 6, 3], [5, 0, 0, 5]], [NOT, [5, 5]]),
    ("pair_1.alone", [[7, 6, 6, 3], 2 * NOT], [[3, 0], NOT]),
    ("pair_2.alone", [2 * NOT, [5, 0, 0, 5]], [NOT, [5, 5]]),
  ],
)
def test_pairs_are_hidden_and_not_asked_for(
  double_addition, task, numbers, target
):
  batch = encode(double_addition, task, TWO_SUMS)
  assert batch["numbers"][0].tolist() == numbers
  assert batch["target"][0].tolist() == target
  assert len(batch["target"]) == 2


def test_hidden_digits_are_zeros():
  found = arithmetic_networks.one_hot(np.array([[3, -1]]))
  assert np.flatnonzero(found).tolist() == [3]
  assert found.shape == (1, 20)


def test_scan_reads_commands_and_says_actions(scan):
  problems = np.array([["jump twice", "I_JUMP I_JUMP"]], object)
  for task in scan.datasets:
    batch = encode(scan, task, problems)
    # The longest command has 9 words, the longest answer 48; and the end.
    assert batch["source"].tolist() == [[8, 2, 13] + 7 * [-1]]
    assert batch["target"].tolist() == [[2, 2, 6] + 46 * [-1]]
    assert scan.datasets[task].name == f"scan/{task}"
  assert scan.about_data() == splits.separation()


def test_the_smaller_data_sets_of_scan_are_used_whole():
  config = scan_config.get_config("smoke")
  config.data.num_problems.train = 15_000
  config.data.num_problems.test = 4000
  config.data.num_problems.validation = 0
  sizes = {
    task: dict(one.sizes) for task, one in study.make(config).datasets.items()
  }
  assert {task: one["train"] for task, one in sizes.items()} == {
    "simple": 15_000,
    "jump": 14_670,
    "length": 15_000,
    "turn_left": 15_000,
  }
  assert {task: one["test"] for task, one in sizes.items()} == {
    "simple": 4000,
    "jump": 4000,
    "length": 3920,
    "turn_left": 1208,
  }
  assert {one["validation"] for one in sizes.values()} == {1000}


def test_no_more_problems_than_there_are():
  config = scan_config.get_config("smoke")
  config.data.num_problems.train = 17_000
  with pytest.raises(UserError, match=r"17000 is more than the 16728 .*lower"):
    study.make(config)


def test_a_task_has_at_least_one_problem(add_mul):
  with pytest.raises(UserError, match=r"none of 1 problems .* mul; raise data"):
    encode(add_mul, "mul", ADD_MUL[:1])


def test_what_one_piece_of_work_reads(double_addition):
  assert double_addition.used_together == [
    *(
      [(task, "train"), (task, "validation")]
      for task in ("all", "pair_1.alone", "pair_2.alone")
    ),
    [("pair_1", "test"), ("pair_2", "test")],
  ]
