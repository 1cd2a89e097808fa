"""An experiment with more seeds goes on from what is there.

Only what is new is computed, and old rows keep their bytes.
"""

import json
import shutil

import numpy as np
import pytest

from structcomp_jax.io import files, logit_files, mask_files, metrics
from structcomp_jax.pipeline import (
  base_networks,
  mask_search,
  mask_sets,
  run,
  workplace,
)

from . import toy

# Searches and tests of more and of fewer masks give the same bits.
pytestmark = pytest.mark.usefixtures("usual_compiler")

TABLES = ("results", "controls", "densities")
REGIMES = ("scratch", "random_init")
MASKS = [(r, b, s) for r in REGIMES for b in (3, 5) for s in toy.SUBROUTINES]


@pytest.fixture(autouse=True, scope="module")
def made_up_data():
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(workplace.datasets, "load", toy.load_problems)
    yield


def make(workdir, *, base_seeds, mask_seeds):
  """Returns the experiment with so many seeds."""
  config = toy.make_config(masked_from=("layer_1",), learning_rates=(0.3,))
  config.regimes = REGIMES
  config.base_seeds = base_seeds
  config.search.seeds = mask_seeds
  return toy.make_experiment(config, workdir)


def go(work):
  """Takes the three steps that compute something."""
  run.train(work)
  run.search(work)
  run.evaluate(work)
  return work


@pytest.fixture(scope="module")
def small(tmp_path_factory):
  """An experiment of two base networks and two mask seeds, at its end."""
  return go(
    make(tmp_path_factory.mktemp("small"), base_seeds=(3, 5), mask_seeds=(0, 2))
  )


@pytest.fixture
def grown(small, tmp_path):
  """Makes the same experiment in a copy, with more seeds."""

  def make_copy(**seeds):
    defaults = {"base_seeds": (3, 5), "mask_seeds": (0, 2)}
    workdir = tmp_path / "grown"
    shutil.copytree(small.paths.workdir, workdir)
    return make(workdir, **defaults | seeds)

  return make_copy


def lines(work, table):
  return work.paths.table(table).read_text().splitlines()


def snapshot(directory):
  return {
    file: (file.read_bytes(), file.stat().st_mtime_ns)
    for file in directory.rglob("*")
    if file.is_file()
  }


def test_more_base_networks_leave_the_others_as_they_are(small, grown):
  work = grown(base_seeds=(3, 4, 5))
  before = {
    directory: snapshot(directory)
    for regime, base_seed in small.bases()
    for directory in (
      work.paths.base(regime, base_seed),
      work.paths.masks(regime, base_seed, "inside").parent,
    )
  }
  go(work)
  for directory, content in before.items():
    assert snapshot(directory) == content
  for table in TABLES:
    old, new = lines(small, table), lines(work, table)
    added = [line for line in new if line not in old]
    assert [line for line in new if line in old] == old
    assert len(added) * 2 == len(old) - 1
    column = old[0].split(",").index("base_seed")
    assert {line.split(",")[column] for line in added} == {"4"}


def test_an_added_base_network_is_the_one_of_a_larger_experiment(
  grown, tmp_path
):
  work = go(grown(base_seeds=(3, 5, 4)))
  whole = go(make(tmp_path / "whole", base_seeds=(3, 5, 4), mask_seeds=(0, 2)))
  for regime in REGIMES:
    fingerprints = [
      one.fingerprint(regime, seed) for one in (work, whole) for seed in (3, 4)
    ]
    assert fingerprints[:2] == fingerprints[2:]
  for table in TABLES:
    assert lines(work, table) == lines(whole, table)


def test_more_mask_seeds_are_appended(small, grown):
  work = grown(mask_seeds=(0, 2, 1))
  params = snapshot(work.paths.base("scratch", 3))
  go(work)
  assert snapshot(work.paths.base("scratch", 3)) == params
  for which in MASKS:
    old, new = small.paths.masks(*which), work.paths.masks(*which)
    (before, columns), (after, more) = (
      mask_files.load(directory / "masks.npz") for directory in (old, new)
    )
    assert more["mask_seed"] == [0, 2, 1]
    assert columns["mask_seed"] == [0, 2]
    for path, stacked in before.items():
      np.testing.assert_array_equal(after[path][:2], stacked)
    logits = logit_files.load(new / "logits.safetensors")
    for path, leaf in logits.items():
      np.testing.assert_array_equal(leaf > 0, after[path])
    history = metrics.read(new / "metrics.jsonl")
    assert history[: 2 * 3] == metrics.read(old / "metrics.jsonl")
    assert [row["candidate"] for row in history[2 * 3 :]] == [2, 2, 2]
    assert files.read_done(new)["mask_seeds"] == [0, 2, 1]
    assert not (new / "added").exists()
  for table in TABLES:
    old, new = lines(small, table), lines(work, table)
    added = [line for line in new if line not in old]
    assert [line for line in new if line in old] == old
    assert {line.rsplit(",", 1)[1] for line in added} == {"2"}


def test_added_masks_are_those_of_a_larger_experiment(grown, tmp_path):
  work = go(grown(mask_seeds=(0, 2, 1)))
  whole = go(make(tmp_path / "whole", base_seeds=(3, 5), mask_seeds=(0, 2, 1)))
  for table in TABLES:
    assert lines(work, table) == lines(whole, table)


def test_what_is_there_is_not_tested_again(grown, monkeypatch):
  work = grown(mask_seeds=(0, 2, 1))
  run.search(work)
  tested = []
  evaluate = mask_search.FrozenNetwork.evaluate

  def counted(self, masked_from, variants, *args, **kwargs):
    tested.extend(
      seed
      for (group, _), variant in variants.items()
      if group == "learned"
      for seed in variant.seeds
    )
    return evaluate(self, masked_from, variants, *args, **kwargs)

  monkeypatch.setattr(mask_search.FrozenNetwork, "evaluate", counted)
  run.evaluate(work)
  assert set(tested) == {1}
  tested.clear()
  run.evaluate(work)
  assert not tested


@pytest.mark.parametrize(
  ("module", "name"),
  [
    (mask_sets, "_append_metrics"),
    (mask_sets, "save"),
    (mask_search, "_mark_done"),
  ],
)
def test_a_kill_while_masks_are_added_changes_nothing(
  grown, monkeypatch, module, name
):
  work = grown(mask_seeds=(0, 2, 1))
  function = getattr(module, name)
  calls = []

  def killed(*args):
    # The first call belongs to the search of the added seeds themselves.
    calls.append(args)
    if len(calls) == (1 if name == "_append_metrics" else 2):
      if name == "save":
        frozen, directory, _, logits, _ = args
        path = directory / "logits.safetensors"
        logit_files.save(path, logits, fingerprint=frozen.fingerprint)
      raise KeyboardInterrupt
    return function(*args)

  with monkeypatch.context() as patch:
    patch.setattr(module, name, killed)
    with pytest.raises(KeyboardInterrupt):
      run.search(work)
  run.search(work)
  for which in MASKS:
    directory = work.paths.masks(*which)
    _, columns = mask_files.load(directory / "masks.npz")
    assert columns["mask_seed"] == [0, 2, 1]
    history = metrics.read(directory / "metrics.jsonl")
    assert [row["candidate"] for row in history[2 * 3 :]] == [2, 2, 2]
    logits = logit_files.load(directory / "logits.safetensors")
    assert {len(leaf) for leaf in logits.values()} == {3}
    assert not (directory / "added").exists()


def test_a_training_that_was_interrupted_is_finished_before_seeds_are_added(
  tmp_path, monkeypatch
):
  work = make(tmp_path / "one", base_seeds=(3, 5), mask_seeds=(0,))

  def killed(*args, **kwargs):
    raise KeyboardInterrupt

  with monkeypatch.context() as patch:
    patch.setattr(base_networks, "store", killed)
    with pytest.raises(KeyboardInterrupt):
      run.train(work)
  directory = work.paths.training("scratch")
  assert json.loads((directory / "seeds.json").read_text()) == [3, 5]
  groups = []
  train = base_networks.train

  def watched(work, job, seeds):
    groups.append(list(seeds))
    return train(work, job, seeds)

  monkeypatch.setattr(base_networks, "train", watched)
  more = make(tmp_path / "one", base_seeds=(3, 4, 5), mask_seeds=(0,))
  run.train(more)
  assert groups == [[3, 5], [4]]
  assert not more.missing_seeds("scratch")
  assert not (directory / "seeds.json").exists()


def test_what_is_done_is_said_and_tidied_up(small, grown, caplog):
  work = grown()
  directory = work.paths.training("scratch")
  # As if killed after the last network was marked as done.
  (directory / "seeds.json").write_text("[3, 5]")
  job = base_networks.Training(
    task="base", config=None, start=None, directory=directory, label=""
  )
  with caplog.at_level("INFO", logger="absl"):
    work.train("scratch", job)
    masks = work.paths.masks("scratch", 3, "inside")
    fingerprint = work.fingerprint("scratch", 3)
    assert mask_search.skip(masks, (0, 2), fingerprint, "masks")
    assert not mask_search.skip(masks, (0, 2, 4), fingerprint, "more masks")
  assert not (directory / "seeds.json").exists()
  assert caplog.messages == [
    "base networks, scratch: done before",
    "masks: done before",
  ]
