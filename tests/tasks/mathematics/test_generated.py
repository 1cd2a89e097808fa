"""Data sets of generated questions: sizes, order, and no question twice."""

import collections
import itertools

import numpy as np
import pytest

from structcomp_jax.tasks import datasets
from structcomp_jax.tasks.mathematics import (
  LEVELS,
  NAMES,
  generated,
  make_problems,
  separation,
  sizes,
)
from structcomp_jax.tasks.mathematics.builder import Mathematics
from structcomp_jax.types import UserError

PER_LEVEL = {"train": 40, "validation": 5, "test": 20}


@pytest.fixture
def small(monkeypatch):
  """Data sets of a few problems."""
  monkeypatch.setattr(generated, "_PER_LEVEL", PER_LEVEL)
  generated._held_out.cache_clear()
  yield
  generated._held_out.cache_clear()


def rows(name, split, count=10**6):
  return [tuple(row) for row in make_problems(name, split, count)]


def test_sizes_are_those_of_the_published_division():
  """666,666 of every level; 10,000 for testing."""
  assert sizes("sort.hard") == {
    "train": 655_666,
    "validation": 1000,
    "test": 10_000,
  }
  assert sizes("sort") == {
    split: 3 * count for split, count in sizes("sort.hard").items()
  }


def test_splits_hold_what_sizes_say_and_no_question_twice(small):
  name = "linear_1d"
  # Hardly more questions exist of one level than are asked for here.
  found = {
    split: rows(name, split, count) for split, count in sizes(name).items()
  }
  for split, problems in found.items():
    assert len(problems) == 3 * PER_LEVEL[split]
    counts = collections.Counter(level for *_, level in problems)
    assert set(counts.values()) == {PER_LEVEL[split]}
    # By turns, so that the first ones have all levels.
    assert [level for *_, level in problems[:3]] == list(LEVELS)
  questions = [one for one, *_ in itertools.chain(*found.values())]
  assert len(set(questions)) == len(questions)


def test_short_questions_are_not_repeated(small, monkeypatch):
  """A generator that has few questions is asked until it has new ones."""
  drawn = []

  class Few:
    def question(self, draws, level):
      drawn.append(f"{level}{draws.whole(0, 99)}")
      return drawn[-1], "0"

  monkeypatch.setattr(generated, "MODULES", {"few": Few()})
  found = {
    split: [
      tuple(one) for one in generated.problems("few", ("easy",), split, n)
    ]
    for split, n in PER_LEVEL.items()
  }
  questions = [question for many in found.values() for question, *_ in many]
  assert len(questions) == len(set(questions)) == sum(PER_LEVEL.values())
  assert len(drawn) > len(set(drawn))


def test_a_level_alone_has_the_same_test_problems(small):
  every = rows("sort", "test", 60)
  alone = rows("sort.medium", "test", 20)
  assert [row for row in every if row[2] == "medium"] == alone
  assert rows("sort.medium", "train", 9)[0][2] == "medium"


def test_first_problems_do_not_depend_on_how_many_are_made(small):
  assert rows("collect", "train", 7) == rows("collect", "train", 30)[:7]
  assert rows("collect", "train", 7) == rows("collect", "train", 7)


def test_builder_stores_and_reads_problems(small, tmp_path):
  wanted = {"train": 12, "validation": 3, "test": 6}
  name = "mathematics/add_or_sub.easy"
  datasets.prepare(name, tmp_path, wanted)
  for split, count in wanted.items():
    found = datasets.load(name, tmp_path, split)
    expected = rows("add_or_sub.easy", split, count)
    assert [tuple(row) for row in found] == expected
  with pytest.raises(UserError, match="asked for"):
    datasets.prepare(name, tmp_path, {**wanted, "train": 13})


def test_names():
  assert tuple(Mathematics.builder_configs) == tuple(NAMES)
  assert Mathematics.name == "mathematics"
  assert "differentiate.hard.archive_published" in NAMES
  assert len(NAMES) == 5 * 4 * 3
  assert "none occurs twice" not in separation("sort")[0]
  with pytest.raises(UserError, match=r"no data set mathematics/sort\.easiest"):
    sizes("sort.easiest")
  for name in NAMES:
    assert "validation is a part of test" not in separation(name)[0] or (
      name.endswith("archive_published")
    )


def test_problems_are_texts(small):
  (row,) = make_problems("sort", "validation", 1)
  assert row.dtype == object
  assert row.shape == (3,)
  assert np.array_equal(row, np.array(rows("sort", "validation", 1)[0]))
