"""The table of wrong changes fits the code, and runs say what was noticed."""

import dataclasses
import json
import pathlib

import pytest

from tools import mutate

pytestmark = pytest.mark.skipif(
  not (mutate.ROOT / "structcomp_jax").is_dir(), reason="needs the sources"
)

TEST = "from module import three\n\n\ndef test_it():\n  assert three() == 3\n"


def make(**changes):
  """Returns an entry for the tree of `tree`."""
  fields = {
    "layer": "toy",
    "file": "module.py",
    "old": "1 + 2",
    "new": "1 + 1",
    "why": "a wrong sum",
    "tests": ("test_module.py",),
  }
  return mutate.Mutation(**fields | changes)


@pytest.fixture
def tree(tmp_path, monkeypatch):
  """A module of one function, and its test."""
  (tmp_path / "module.py").write_text("def three():\n  return 1 + 2\n")
  (tmp_path / "test_module.py").write_text(TEST)
  monkeypatch.setattr(mutate, "ROOT", tmp_path)
  return tmp_path


def test_every_entry_fits_the_code_and_names_tests():
  entries = mutate.read_tables()
  assert len(entries) > 100
  assert all(entry.old != entry.new for entry in entries)
  # One layer of the code, one table.
  assert {entry.layer for entry in entries} == {
    table.stem for table in mutate.TABLES.glob("*.toml")
  }


@pytest.mark.parametrize("old", ["1 + 3", "e"])
def test_a_text_that_does_not_stand_there_once_is_refused(tree, old):
  with pytest.raises(ValueError, match=r"occurs \d times in module\.py; mend"):
    make(old=old).mutate((tree / "module.py").read_text())


@pytest.mark.parametrize(
  ("new", "outcome"),
  [
    ("1 + 1", "noticed"),
    ("2 + 1", "passed"),
    ("(", "pytest status 2"),  # Nothing was tested: no answer.
  ],
)
def test_outcome(tree, new, outcome):
  before = (tree / "module.py").read_text()
  assert mutate.run_tests(tree, make(new=new)) == outcome
  assert (tree / "module.py").read_text() == before


def test_tests_that_fail_anyway_notice_nothing(tree):
  mutate.check_tests_pass(tree, [make()])
  (tree / "module.py").write_text("def three():\n  return 4\n")
  with pytest.raises(SystemExit, match="fail without any change"):
    mutate.check_tests_pass(tree, [make()])


def test_what_was_found_is_kept_until_something_changes(tree):
  first = make().digest()
  assert make().digest() == first
  assert make(new="2 + 2").digest() != first
  (tree / "test_module.py").write_text(TEST + "\n")
  assert make().digest() != first


def test_a_run_goes_on_where_it_was(tree, tmp_path, monkeypatch):
  out = tmp_path / "out" / "outcomes.json"
  done, new = make(), dataclasses.replace(make(), new="2 + 1", why="no change")
  out.parent.mkdir()
  out.write_text(json.dumps({done.digest(): "noticed"}))
  ran = []
  monkeypatch.setattr(mutate, "copy_tree", lambda directory: tree)
  monkeypatch.setattr(mutate, "check_tests_pass", lambda tree, todo: None)
  monkeypatch.setattr(
    mutate, "run_tests", lambda tree, one: ran.append(one) or "passed"
  )
  outcomes = mutate.run_all([done, new], out, 1)
  assert ran == [new]
  assert json.loads(out.read_text()) == outcomes
  assert mutate.summarise([done, new], outcomes).splitlines() == [
    "layer        changes noticed",
    "toy                2       1",
    "all                2       1",
    "not noticed: module.py: no change",
  ]


def test_tables_are_files_beside_the_tool():
  assert mutate.TABLES.parent == pathlib.Path(mutate.__file__).parent
