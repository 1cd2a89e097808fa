"""The reader of the public archive, on files of its form."""

import numpy as np
import pytest

from structcomp_jax.tasks import datasets
from structcomp_jax.tasks.mathematics import archive, problems
from structcomp_jax.types import UserError

NAME = "comparison__sort"
NUM = 200


def write(root, part, questions, name=NAME):
  folder = root / {
    "easy": "train-easy",
    "medium": "train-medium",
    "hard": "train-hard",
  }.get(part, part)
  folder.mkdir(parents=True, exist_ok=True)
  lines = [f"{question}\n{answer}\n" for question, answer in questions]
  (folder / f"{name}.txt").write_text("".join(lines))


def questions(part, count=NUM):
  return [(f"Sort {number} of {part}.", f"{number}") for number in range(count)]


@pytest.fixture
def data_dir(tmp_path):
  """A data directory with an archive, in which some questions come twice."""
  archive.splits.cache_clear()
  root = tmp_path / "downloads" / "manual" / "mathematics_dataset-v1.0"
  for level in ("easy", "medium", "hard"):
    write(root, level, questions(level))
  # The last questions were there before, of another level or of the same.
  twice = [*questions("easy", 3), questions("medium")[5]]
  write(root, "medium", questions("medium") + twice)
  inside = [*questions("inside", 7), questions("hard")[0]]
  write(root, "interpolate", inside)
  write(root, "extrapolate", questions("more", 4), "comparison__sort_more")
  write(root, "extrapolate", questions("other", 4), "comparison__pair")
  yield tmp_path
  archive.splits.cache_clear()


def root_of(data_dir):
  return data_dir / archive.MANUAL / archive.FOLDER


def test_every_question_is_read_once(data_dir):
  found = archive.read(root_of(data_dir), "sort")
  assert list(found) == ["easy", "medium", "hard", "interpolate", "extrapolate"]
  for level in ("easy", "medium", "hard"):
    assert found[level] == questions(level)
  assert found["interpolate"] == questions("inside", 7)
  assert found["extrapolate"] == questions("more", 4)


def test_published_slips_are_an_option(data_dir):
  found = archive.read(root_of(data_dir), "sort", archive.PUBLISHED)
  assert found["extrapolate"] == found["interpolate"] == questions("inside", 7)
  # Hashes of questions are compared, by a function of the process.
  assert archive.PUBLISHED.identity("Sort 1.") == hash("Sort 1.")
  assert archive.CLEAN.identity("Sort 1.") == "Sort 1."
  one_each = archive.Processing(identity=len)
  found = archive.read(root_of(data_dir), "sort", one_each)
  assert found["easy"] == [questions("easy")[number] for number in (0, 10, 100)]


def test_the_published_choice_of_test_questions(data_dir):
  """RandomState(1234) of every level; a tenth of small archives."""
  found = archive.splits(
    root_of(data_dir), "sort", ("hard",), archive.PUBLISHED
  )
  chosen = np.random.RandomState(1234).choice(NUM, 20, replace=False)
  assert found["test"] == [(*questions("hard")[one], "hard") for one in chosen]
  assert len(found["train"]) == NUM - 20
  assert found["validation"] == found["test"][:2]


@pytest.mark.parametrize("processing", [archive.CLEAN, archive.PUBLISHED])
def test_splits_share_nothing_but_published_validation(data_dir, processing):
  levels = ("easy", "medium", "hard")
  found = archive.splits(root_of(data_dir), "sort", levels, processing)
  train, test, validation = (
    set(found[split]) for split in ("train", "test", "validation")
  )
  assert not train & test
  assert (validation <= test) == processing.validates_on_test
  assert not validation & train
  every = {(*one, level) for level in levels for one in questions(level)}
  assert train | test | validation == every
  assert len(found["train"]) == len(train)
  assert [level for *_, level in found["train"][:3]] == list(levels)


def test_published_numbers_of_questions(monkeypatch):
  """Of 666,666: 10,000 for testing and, here, 1000 for validation."""
  rows = [(str(number), "", "easy") for number in range(120_000)]
  sizes = {
    split: len(found)
    for split, found in archive._divided(rows, archive.CLEAN).items()
  }
  assert sizes == {"train": 109_000, "validation": 1000, "test": 10_000}


def test_data_sets_of_the_archive(data_dir):
  name = "sort.easy.archive"
  assert problems.sizes(name, data_dir) == {
    "train": 178,
    "validation": 2,
    "test": 20,
  }
  datasets.prepare(f"mathematics/{name}", data_dir, {"train": 50})
  found = datasets.load(f"mathematics/{name}", data_dir, "train")
  made = problems.make_problems(name, "train", 50, data_dir)
  assert [tuple(row) for row in found] == [tuple(row) for row in made]
  assert len(found) == 50


def test_a_missing_archive_is_explained(tmp_path):
  archive.splits.cache_clear()
  with pytest.raises(UserError, match=r"downloads/manual.*download .* by hand"):
    problems.sizes("sort.archive", tmp_path)


def test_a_torn_file_is_refused(data_dir):
  path = root_of(data_dir) / "train-hard" / f"{NAME}.txt"
  path.write_text(path.read_text() + "Sort 1.\n")
  with pytest.raises(UserError, match="401 lines"):
    archive.read(root_of(data_dir), "sort")
  path.write_bytes(b"\xff\n1\n")
  with pytest.raises(UserError, match="cannot be read"):
    archive.read(root_of(data_dir), "sort")
