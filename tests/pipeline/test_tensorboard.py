"""Every row of metrics.jsonl is in the event files, also after a kill."""

import dataclasses
import sys

import pytest

pytest.importorskip("tensorboardX")

from structcomp_jax.io import metrics
from structcomp_jax.pipeline import resumable, run, workplace
from structcomp_jax.pipeline.config import Runtime
from structcomp_jax.types import UserError
from tests import event_files
from tests.studies.break_it_down import toy


@pytest.fixture
def work(tmp_path, monkeypatch):
  monkeypatch.setattr(workplace.datasets, "load", toy.load_problems)
  config = toy.make_config(masked_from=("layer_1",), learning_rates=(0.3,))
  config.regimes = ("scratch",)
  config.base_seeds, config.search.seeds = (3, 5), (0, 2)
  config.runtime.tensorboard = True
  made = toy.make_experiment(config, tmp_path)
  made.runtime = dataclasses.replace(made.runtime, checkpoint_seconds=0.0)
  return made


def losses(rows):
  return sorted((row["step"], pytest.approx(row["train/loss"])) for row in rows)


def curve(directory):
  found = event_files.read(directory)
  return [(step, value) for name, step, value in found if name == "train/loss"]


def check(work, directory, **names):
  """Compares the metrics of a directory with its curves."""
  rows = metrics.read(directory / "metrics.jsonl")
  assert len(rows) > 1
  curves = work.paths.tensorboard / work.paths.training("scratch").name
  if "mask_seed" in names:
    place = directory.relative_to(work.paths.workdir)
    (curves,) = (work.paths.tensorboard / place).glob(
      f"mask_seed_{names['mask_seed']},*"
    )
    rows = [row for row in rows if row["mask_seed"] == names["mask_seed"]]
  else:
    curves /= f"seed_{names['seed']}"
  assert curve(curves) == losses(rows)
  return {name for name, *_ in event_files.read(curves)}


def kill_at(monkeypatch, call):
  """Lets a run end when it has been given that many rows of its own."""
  called, calls = resumable.Run.__call__, []

  def killed(self, *args):
    calls.append(args)
    called(self, *args)
    if len(calls) == call:
      raise KeyboardInterrupt

  monkeypatch.setattr(resumable.Run, "__call__", killed)


def test_trainings_and_searches_are_there_once_after_a_kill(work, monkeypatch):
  with monkeypatch.context() as patch:
    kill_at(patch, 2)
    with pytest.raises(KeyboardInterrupt):
      run.train(work)
  run.train(work)
  for seed in (3, 5):
    names = check(work, work.paths.base("scratch", seed), seed=seed)
    assert names >= {"train/loss", "validation/loss", "validation/accuracy"}
  with monkeypatch.context() as patch:
    kill_at(patch, 2)
    with pytest.raises(KeyboardInterrupt):
      run.search(work)
  run.search(work)
  for directory in work.paths.found_masks("scratch").values():
    for mask_seed in (0, 2):
      names = check(work, directory, mask_seed=mask_seed)
      assert names >= {"density", "learning_rate", "validation/hard/accuracy"}


def test_rows_after_the_checkpoint_are_written_once(work, monkeypatch):
  work.runtime = dataclasses.replace(work.runtime, checkpoint_seconds=1e9)
  with monkeypatch.context() as patch:
    kill_at(patch, 2)
    with pytest.raises(KeyboardInterrupt):
      run.train(work)
  run.train(work)
  check(work, work.paths.base("scratch", 3), seed=3)


def test_without_the_option_nothing_is_written(work):
  work.runtime = dataclasses.replace(work.runtime, tensorboard=False)
  run.train(work)
  assert not work.paths.tensorboard.exists()


def test_it_may_be_turned_on_later(work, monkeypatch):
  on = work.runtime
  work.runtime = dataclasses.replace(on, tensorboard=False)
  with monkeypatch.context() as patch:
    kill_at(patch, 2)
    with pytest.raises(KeyboardInterrupt):
      run.train(work)
  work.runtime = on
  run.train(work)
  check(work, work.paths.base("scratch", 3), seed=3)


def test_a_missing_writer_is_said_before_any_work(monkeypatch):
  monkeypatch.setitem(sys.modules, "tensorboardX", None)
  with pytest.raises(UserError, match="tensorboardX"):
    Runtime(tensorboard=True)
  assert Runtime().tensorboard is False
