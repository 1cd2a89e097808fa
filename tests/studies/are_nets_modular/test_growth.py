"""An experiment goes on from what is there: after a kill, and with more seeds.

All searches here have one row, so that one program serves them.
"""

import shutil

import pytest

from structcomp_jax.io import files
from structcomp_jax.pipeline import run, workplace
from structcomp_jax.pipeline.experiment import Experiment

from . import toy

REGIMES = ("scratch", "copy_weight")
SUBROUTINES = ("control", "pair_1", "pair_2")
STEPS = (run.train, run.search, run.evaluate)


@pytest.fixture(autouse=True, scope="module")
def made_up_data():
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(workplace.datasets, "load", toy.load_problems)
    yield


def make(workdir, *, base_seeds=(3,), mask_seeds=(0,)):
  config = toy.make_config(
    "double_addition", regimes=REGIMES, base_seeds=base_seeds
  )
  config.search.update({"seeds": mask_seeds, "betas": (8e-6,)})
  return toy.make_experiment(config, workdir)


def go(work):
  for step in STEPS:
    step(work)
  return work


@pytest.fixture(scope="module")
def small(tmp_path_factory):
  """An experiment of one base network and one mask seed, at its end."""
  return go(make(tmp_path_factory.mktemp("small")))


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


def test_a_kill_after_every_write_changes_nothing(small, tmp_path, monkeypatch):
  study, written = small.study, []
  write = files.write_atomic

  def killed(path, content):
    write(path, content)
    # A start may note again what it is about to do.
    if (path, content) not in written:
      written.append((path, content))
      raise KeyboardInterrupt

  for _ in range(200):
    # Every start is that of a process which knows nothing of the last one.
    work = Experiment(study, tmp_path)
    with monkeypatch.context() as patch:
      patch.setattr(files, "write_atomic", killed)
      try:
        go(work)
      except KeyboardInterrupt:
        continue
    break
  # Marks of four networks and of the masks in them, and all tables.
  names = [path.name for path, _ in written]
  assert names.count("DONE") >= 2 + 2 * 3
  assert {f"{name}.csv" for name in study.tables} <= set(names)
  assert contents(work) == contents(small)


@pytest.mark.parametrize(
  ("seeds", "column", "added"),
  [({"base_seeds": (3, 5)}, "base_seed", "5"),
   ({"mask_seeds": (0, 2)}, "mask_seed", "2")],
)  # fmt: skip
def test_more_seeds_leave_the_others_as_they_are(
  small, tmp_path, seeds, column, added
):
  shutil.copytree(small.paths.workdir, tmp_path / "grown")
  work = make(tmp_path / "grown", **seeds)
  bases = [work.paths.base(regime, 3) for regime in REGIMES]
  before = [snapshot(directory) for directory in bases]
  go(work)
  assert [snapshot(directory) for directory in bases] == before
  for regime in REGIMES:
    for subroutine in SUBROUTINES:
      directory = work.paths.masks(regime, 3, subroutine)
      seeds_there = files.read_done(directory)["mask_seeds"]
      assert seeds_there == ([0, 2] if added == "2" else [0])
  for table in small.study.tables:
    old, new = lines(small, table), lines(work, table)
    header = old[0].split(",")
    kept = [line for line in new if line in set(old)]
    assert kept == old, table
    more = [line.split(",") for line in new if line not in set(old)]
    if table == "overlaps":
      # With each other, and with those that were there.
      seen = {"base_seed", "first_seed", "second_seed"}
      places = [header.index(name) for name in seen]
      assert more
      assert all(
        any(float(row[place]) == float(added) for place in places)
        for row in more
      )
    elif table != "outputs":
      assert {row[header.index(column)] for row in more} == {added}
