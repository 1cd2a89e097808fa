"""An experiment goes on from what is there: after a kill, and with more seeds.

All searches here have eight rows, so that one program serves them.
"""

import shutil

import pytest

from structcomp_jax.io import files
from structcomp_jax.pipeline.experiment import Experiment

from . import toy

REGIMES = ("scratch",)
SUBROUTINES = ("control", "pair_1", "pair_2")


@pytest.fixture(scope="module")
def small(work, tmp_path_factory):
  """The trained networks of `work` alone, by the programs that it has made."""
  workdir = tmp_path_factory.mktemp("small")
  return toy.take_steps(toy.make_double_addition(workdir, regimes=REGIMES))


def lines(work, table):
  return work.paths.table(table).read_text().splitlines()


def contents(work):
  """Returns {path: bytes} of all files that are results."""
  workdir = work.paths.workdir
  return {
    str(file.relative_to(workdir)): file.read_bytes()
    for file in workdir.rglob("*")
    if file.is_file() and "checkpoint" not in file.parts
  }


def snapshot(directory):
  return {
    file: (file.read_bytes(), file.stat().st_mtime_ns)
    for file in directory.rglob("*")
    if file.is_file()
  }


def test_networks_are_the_same_whatever_else_there_is(work, small):
  for table in small.study.tables:
    of_regime = [
      line
      for line in lines(work, table)
      if not {"copy_weight", "random_init"} & set(line.split(","))
    ]
    assert lines(small, table) == of_regime


def test_a_kill_after_every_write_changes_nothing(small, tmp_path, monkeypatch):
  written, write = [], files.write_atomic

  def killed(path, content):
    write(path, content)
    # A start may note again what it is about to do.
    if (path, content) not in written:
      written.append((path, content))
      raise KeyboardInterrupt

  for _ in range(200):
    # Every start is that of a process which knows nothing of the last one.
    again = Experiment(small.study, tmp_path)
    with monkeypatch.context() as patch:
      patch.setattr(files, "write_atomic", killed)
      try:
        toy.take_steps(again)
      except KeyboardInterrupt:
        continue
    break
  # Marks of two networks and of their masks, and all tables.
  names = [path.name for path, _ in written]
  assert names.count("DONE") >= 2 + 2 * 3
  assert {f"{name}.csv" for name in small.study.tables} <= set(names)
  assert contents(again) == contents(small)


@pytest.mark.parametrize(
  ("changes", "column", "added"),
  [
    ({"base_seeds": (3, 4, 5, 6)}, "base_seed", {"4", "6"}),
    ({"search": {"seeds": (0, 2, 1, 4)}}, "mask_seed", {"1", "4"}),
  ],
  ids=["base seeds", "mask seeds"],
)
def test_more_seeds_leave_the_others_as_they_are(
  small, tmp_path, changes, column, added
):
  shutil.copytree(small.paths.workdir, tmp_path, dirs_exist_ok=True)
  grown = toy.make_double_addition(tmp_path, regimes=REGIMES, **changes)
  bases = [grown.paths.base(*one) for one in small.bases()]
  before = [snapshot(directory) for directory in bases]
  toy.take_steps(grown)
  assert [snapshot(directory) for directory in bases] == before
  for one in grown.bases():
    for subroutine in SUBROUTINES:
      done = files.read_done(grown.paths.masks(*one, subroutine))
      # Two penalties; masks that came later stand behind the others.
      rows = [0, 2, 0, 2] + ([1, 4, 1, 4] if column == "mask_seed" else [])
      assert done["mask_seeds"] == rows
  for table in small.study.tables:
    old, new = lines(small, table), lines(grown, table)
    assert [line for line in new if line in set(old)] == old, table
    more = [line.split(",") for line in new if line not in set(old)]
    header = old[0].split(",")
    if table == "overlaps" and column == "mask_seed":
      # With each other, and with those that were there.
      places = [header.index(name) for name in ("first_seed", "second_seed")]
      assert more
      assert all(added & {row[place] for place in places} for row in more)
    elif table != "outputs":
      assert {row[header.index(column)] for row in more} == added
