"""Problems by name."""

import chex
import numpy as np
import pytest
from scipy import stats

from structcomp_jax.tasks.odd_one_out import shapes
from structcomp_jax.tasks.odd_one_out.shapes import (
  draws,
  problems,
  workers,
)
from structcomp_jax.tasks.odd_one_out.shapes.pixels import judge as judge_lib
from structcomp_jax.types import UserError


def test_sizes_of_splits():
  evaluation = {"validation": 500, "test": 1000}
  assert shapes.split_sizes("base") == {"train": 10_000, **evaluation}
  assert shapes.split_sizes("odd_both") == evaluation


@pytest.mark.parametrize(
  ("call", "message"),
  [
    (
      lambda: shapes.make_problems("inside_contact", "test", [0]),
      r"no shape data set 'inside_contact'; use EXPERIMENT\.ROLE",
    ),
    (
      lambda: shapes.make_problems("inside_contact.odd_both", "train", [0]),
      "has no split 'train'; use validation, test",
    ),
  ],
)
def test_unknown_names_are_refused(call, message):
  with pytest.raises(UserError, match=message):
    call()


_ALL = {(True, True), (True, False), (False, True), (False, False)}


@pytest.mark.parametrize(
  ("role", "rule", "odd"),
  [
    ("base", {(True, True)}, _ALL - {(True, True)}),
    ("inside", {(True, True), (True, False)}, {(False, True), (False, False)}),
    ("contact", {(True, True), (False, True)}, {(True, False), (False, False)}),
    ("odd_inside", {(True, True)}, {(False, True)}),
    ("odd_contact", {(True, True)}, {(True, False)}),
    ("odd_both", {(True, True)}, {(False, False)}),
  ],
)
def test_what_is_shared_and_what_is_broken(role, rule, odd):
  types = shapes.picture_types("inside_contact", role)
  assert tuple(map(set, types)) == (rule, odd)


def test_a_problem_depends_on_name_split_and_index_alone(monkeypatch):
  name = "inside_contact.base"
  whole = shapes.make_problems(name, "test", range(40))
  assert whole.shape == (40, 4, 128, 128, 3)
  order = np.array([39, 3, 17, 3])
  some = shapes.make_problems(name, "test", order)
  chex.assert_trees_all_equal(some, whole[order])
  monkeypatch.setattr(problems, "_BLOCK", 7)
  chex.assert_trees_all_equal(
    shapes.make_problems(name, "test", range(40)), whole
  )
  for other in (
    shapes.make_problems(name, "validation", range(2)),
    shapes.make_problems("inside_contact.inside", "test", range(2)),
    shapes.make_problems(f"{name}.balanced", "test", range(2)),
  ):
    assert (other != whole[:2]).any((1, 2, 3, 4)).all()


def test_pictures_of_a_problem_differ():
  pictures = shapes.make_problems("contact_count.base", "test", range(20))
  ink = (pictures != 255).any(4)
  for i in range(4):
    for j in range(i):
      assert (ink[:, i] != ink[:, j]).any((1, 2)).all()


@pytest.mark.parametrize("name", shapes.DATASET_NAMES)
def test_every_problem_is_right_by_its_pixels(name):
  parts = shapes.DATASET_NAMES[name]
  images = shapes.make_problems(name, "validation", range(8))
  assert judge_lib.judge(images, parts.experiment, parts.role).sound.all()


def test_doubtful_problems_are_drawn_again(monkeypatch):
  """The first try of every problem, and the second of some, is refused."""
  tries = []

  def judge(images, experiment, role):
    tries.append(len(images))
    sound = np.full(len(images), len(tries) > 1)
    sound[: 2 if len(tries) == 2 else 0] = False
    return judge_lib.Judgement(sound, ~sound, ~sound, *[None] * 3)

  first = shapes.make_problems("inside_count.count", "test", range(5))
  monkeypatch.setattr(judge_lib, "judge", judge)
  again = shapes.make_problems("inside_count.count", "test", range(5))
  assert tries == [5, 5, 2]
  assert (first != again).any((1, 2, 3, 4)).all()


def test_generator_gives_up_after_a_while(monkeypatch):
  def judge(images, experiment, role):
    sound = np.zeros(len(images), bool)
    return judge_lib.Judgement(sound, ~sound, ~sound, *[None] * 3)

  monkeypatch.setattr(judge_lib, "judge", judge)
  monkeypatch.setattr(problems, "_ATTEMPTS", 3)
  with pytest.raises(
    UserError,
    match=r"problem 6 of inside_contact\.base, test: .* in 3 tries",
  ):
    shapes.make_problems("inside_contact.base", "test", [6, 7])


# {data set: ({objects: share} of rule pictures, of odd pictures)}, from coins.
_NUMBERS = {
  "inside_count.base": (
    {4: 1 / 2, 6: 1 / 2},
    {2: 1, 3: 1, 4: 3, 5: 2, 6: 3, 7: 1, 8: 1},
  ),
  "inside_count.inside": (
    {2: 1, 4: 3, 6: 3, 8: 1},
    {3: 1, 4: 2, 5: 2, 6: 2, 7: 1},
  ),
  "inside_count.count": (
    {4: 1, 6: 1},
    {2: 1, 3: 1, 4: 1, 5: 2, 6: 1, 7: 1, 8: 1},
  ),
  "inside_count.odd_both": ({4: 1, 6: 1}, {3: 1, 5: 2, 7: 1}),
  "inside_count.odd_count": ({4: 1, 6: 1}, {2: 1, 4: 1, 6: 1, 8: 1}),
  "inside_count.odd_inside": ({4: 1, 6: 1}, {4: 1, 6: 1}),
  "contact_count.base": ({2: 1, 3: 1}, {2: 2, 3: 3, 4: 1}),
  "contact_count.contact": ({2: 3, 3: 4, 4: 1}, {2: 3, 3: 4, 4: 1}),
  "contact_count.count": ({2: 1, 3: 1}, {2: 1, 3: 2, 4: 1}),
  "contact_count.odd_both": ({2: 1, 3: 1}, {2: 1, 3: 2, 4: 1}),
  "contact_count.odd_count": ({2: 1, 3: 1}, {2: 1, 3: 2, 4: 1}),
  "contact_count.odd_contact": ({2: 1, 3: 1}, {2: 1, 3: 1}),
  "inside_contact.base": ({2: 1}, {2: 1}),
}


@pytest.mark.parametrize("name", _NUMBERS)
def test_numbers_of_objects(name):
  keys = draws.fold_in(np.full(1, 4, np.uint64), np.arange(250))
  objects = problems.sample_objects(keys, shapes.DATASET_NAMES[name])
  counts = np.bincount(objects.picture).reshape(-1, 4)
  # One rule picture of each problem: the three are not independent.
  for found, shares in zip(
    (counts[:, 0], counts[:, 3]), _NUMBERS[name], strict=True
  ):
    values, seen = np.unique(found, return_counts=True)
    assert values.tolist() == sorted(shares)
    if len(values) > 1:
      expected = np.array([shares[value] for value in values], float)
      expected *= len(found) / expected.sum()
      assert stats.chisquare(seen, expected).pvalue > 1e-4
  if name.split(".")[1] not in ("inside", "contact"):
    assert (counts[:, :3] == counts[:, :1]).all()


def test_stream_equals_the_problems():
  streamed = list(shapes.stream_problems("contact_count.base", "test", 5))
  made = shapes.make_problems("contact_count.base", "test", range(5))
  chex.assert_trees_all_equal(np.stack(streamed), made)


def test_processes_make_the_same_problems(monkeypatch):
  monkeypatch.setattr(workers, "_CHUNK", 4)
  name = "contact_count.base"
  streamed = shapes.stream_problems(name, "test", 10, processes=2)
  made = shapes.make_problems(name, "test", range(10))
  chex.assert_trees_all_equal(np.stack(list(streamed)), made)


def test_process_that_fails():
  stream = shapes.stream_problems("contact_count.none", "test", 5, processes=2)
  with pytest.raises(UserError, match=r"has died \(.*no shape data set .*\)"):
    next(stream)
