"""An experiment goes on from what is there: killed, grown or damaged.

All searches here have eight rows, so that one program serves them.
"""

import dataclasses
import shutil

import pytest

from structcomp_jax.io import files
from structcomp_jax.pipeline import resumable, run
from structcomp_jax.pipeline.experiment import Experiment
from structcomp_jax.types import UserError
from tests.launcher import assert_clear

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


# Damages.

TOGETHER = "masks/together/pair_1"
MASKS = "masks/seed_3/pair_1"


@pytest.fixture(scope="module")
def halted(small, tmp_path_factory):
  """A work directory in which the search of pair_1 was killed halfway."""
  workdir = tmp_path_factory.mktemp("halted") / "work"
  shutil.copytree(small.paths.workdir, workdir)
  work = Experiment(small.study, workdir)
  work.runtime = dataclasses.replace(work.runtime, checkpoint_seconds=0.0)
  forget_pair_1(workdir)
  advance, calls = resumable.Run.__call__, []

  def killed(self, state, rows):
    calls.append(state)
    if len(calls) == 2:
      raise KeyboardInterrupt
    advance(self, state, rows)

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(resumable.Run, "__call__", killed)
    with pytest.raises(KeyboardInterrupt):
      run.search(work)
  assert {file.name for file in (workdir / TOGETHER).iterdir()} == {
    "checkpoint",
    "metrics.jsonl",
    "rows.json",
  }
  return workdir


def forget_pair_1(workdir):
  """Removes its masks from both networks: they are eight rows again."""
  for seed in (3, 5):
    shutil.rmtree(workdir / f"masks/seed_{seed}/pair_1")


def cut(file):
  file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def cut_checkpoint(workdir):
  files_of = (workdir / TOGETHER / "checkpoint").rglob("*")
  cut(max(files_of, key=lambda file: file.stat().st_size))


def remove(name):
  def damage(workdir):
    path = workdir / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()

  return damage


def torn(name):
  return lambda workdir: cut(workdir / name)


def untested(damage):
  """What is stored about masks is not read while all of it is tested."""

  def both(workdir):
    (workdir / "evaluation/seed_3.json").unlink()
    damage(workdir)

  return both


def torn_history(workdir):
  file = workdir / TOGETHER / "metrics.jsonl"
  file.write_bytes(b'{"step": \n' + file.read_bytes())


def delete_first_line(workdir):
  file = workdir / TOGETHER / "metrics.jsonl"
  file.write_bytes(file.read_bytes().partition(b"\n")[2])


def masks_of_another_network(workdir):
  shutil.copy(
    workdir / "masks/seed_5/pair_1/masks.npz", workdir / MASKS / "masks.npz"
  )


# {damage: (where to, what is done, the step that fails, what the line names,
# what it says to do)}
REFUSED = {
  "torn record of a search": (
    "halted",
    torn(f"{TOGETHER}/rows.json"),
    run.search,
    [f"{TOGETHER}/rows.json", "torn", "delete it"],
    remove(f"{TOGETHER}/rows.json"),
  ),
  "torn search": (
    "halted",
    cut_checkpoint,
    run.search,
    [f"{TOGETHER}/checkpoint", "torn", "delete that directory"],
    remove(f"{TOGETHER}/checkpoint"),
  ),
  "torn history of a search": (
    "halted",
    torn_history,
    run.search,
    [f"{TOGETHER}/metrics.jsonl line 1", "delete that line"],
    delete_first_line,
  ),
  "torn masks": (
    "small",
    torn(f"{MASKS}/masks.npz"),
    run.evaluate,
    [f"{MASKS}/masks.npz", "torn", "delete its directory"],
    forget_pair_1,
  ),
  "lost masks": (
    "small",
    remove(f"{MASKS}/masks.npz"),
    run.search,
    [MASKS, "lost masks.npz", "delete the directory"],
    forget_pair_1,
  ),
  "masks of another network": (
    "small",
    masks_of_another_network,
    run.evaluate,
    [f"{MASKS}/masks.npz", "another network", "delete"],
    forget_pair_1,
  ),
  "torn mark of masks": (
    "small",
    torn(f"{MASKS}/DONE"),
    run.search,
    [f"{MASKS}/DONE", "torn", f"delete {{workdir}}/{MASKS}"],
    forget_pair_1,
  ),
  "torn logits": (
    "small",
    untested(torn(f"{MASKS}/logits.safetensors")),
    run.evaluate,
    [f"{MASKS}/logits.safetensors", "delete their directory"],
    forget_pair_1,
  ),
  "lost logits": (
    "small",
    untested(remove(f"{MASKS}/logits.safetensors")),
    run.evaluate,
    [f"{MASKS}/logits.safetensors", "delete their directory"],
    forget_pair_1,
  ),
}


@pytest.fixture
def damaged(small, halted, tmp_path):
  """Returns an experiment in a copy of one of two work directories."""

  def copy(which):
    source = {"small": small.paths.workdir, "halted": halted}[which]
    return Experiment(
      small.study, shutil.copytree(source, tmp_path, dirs_exist_ok=True)
    )

  return copy


@pytest.mark.parametrize("name", REFUSED)
def test_a_damage_is_named_and_its_remedy_works(small, damaged, name):
  which, damage, step, expected, remedy = REFUSED[name]
  work = damaged(which)
  workdir = work.paths.workdir
  damage(workdir)
  before = contents(work)
  with pytest.raises(UserError) as caught:
    step(work)
  line = str(caught.value)
  assert_clear(line, *(part.format(workdir=workdir) for part in expected))
  assert before.items() <= contents(work).items(), "a file is lost or changed"
  remedy(workdir)
  toy.take_steps(work)
  assert contents(work) == contents(small)


def leftovers(workdir):
  """A search was killed while it removed what it had needed."""
  directory = workdir / TOGETHER
  directory.mkdir(parents=True, exist_ok=True)
  for name in ("rows.json", "metrics.jsonl", "checkpoint"):
    (directory / name).write_text("{")


def lost_record(workdir):
  """Without it nobody knows whose the checkpoint is."""
  remove(f"{TOGETHER}/rows.json")(workdir)
  cut_checkpoint(workdir)


# {damage: (where to, what is done)}
MENDED = {
  "a search goes on": ("halted", lambda workdir: None),
  "lost record of a search": ("halted", lost_record),
  "lost checkpoint of a search": ("halted", remove(f"{TOGETHER}/checkpoint")),
  "leftovers of a finished search": ("small", leftovers),
  "torn parts of tables": ("small", torn("evaluation/seed_3.json")),
  **{
    f"torn {table}": ("small", torn(f"{table}.csv"))
    for table in ("results", "overlaps", "histograms")
  },
  "lost outputs": ("small", remove("outputs.csv")),
}


@pytest.mark.parametrize("name", MENDED)
def test_a_damage_that_the_steps_mend(small, damaged, name):
  which, damage = MENDED[name]
  work = damaged(which)
  damage(work.paths.workdir)
  toy.take_steps(work)
  assert contents(work) == contents(small)
