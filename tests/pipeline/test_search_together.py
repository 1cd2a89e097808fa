"""Base networks as rows of one search: each gets the masks that are its own."""

import dataclasses
import functools
import json

import jax
import numpy as np
import pytest

from structcomp_jax import search
from structcomp_jax.io import files, logit_files, mask_files, metrics
from structcomp_jax.pipeline import (
  mask_search,
  mask_sets,
  resumable,
  run,
  search_together,
  workplace,
)
from structcomp_jax.pipeline.experiment import Experiment
from structcomp_jax.pipeline.frozen import FrozenNetwork
from tests.studies.break_it_down import toy

BASES, MASKS = (3, 5), (0, 2)


@pytest.fixture(autouse=True, scope="module")
def made_up_data():
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(workplace.datasets, "load", toy.load_problems)
    yield


def make(workdir, base_seeds=BASES, mask_seeds=MASKS):
  config = toy.make_config(masked_from=("layer_1",), learning_rates=(0.3,))
  config.regimes = ("scratch",)
  config.base_seeds, config.search.seeds = base_seeds, mask_seeds
  work = toy.make_experiment(config, workdir)
  run.train(work)
  return work


def job_of(work):
  return mask_search.Search(
    directory=work.paths.masks_together("scratch", "inside"),
    task="inside",
    masked_from="layer_1",
    config=work.study.search_config(),
    key=jax.random.key(8),
    label="together",
  )


def learn(work):
  work.learn_together(
    "scratch",
    job_of(work),
    functools.partial(work.paths.masks, "scratch", subroutine="inside"),
  )
  return work


@pytest.fixture(scope="module")
def found(tmp_path_factory):
  return learn(make(tmp_path_factory.mktemp("together")))


def directory_of(work, base_seed):
  return work.paths.masks("scratch", base_seed, "inside")


def stored(work, base_seed):
  """Returns masks, logits and columns of one base network."""
  directory = directory_of(work, base_seed)
  stacked, columns = mask_files.load(directory / "masks.npz")
  logits = logit_files.load(directory / "logits.safetensors")
  return stacked, logits, columns


def test_every_row_is_the_search_of_its_network_and_seeds(found):
  for base_seed in BASES:
    frozen = found.frozen("scratch", base_seed)
    stacked, logits, columns = stored(found, base_seed)
    assert columns["mask_seed"] == list(MASKS)
    history = metrics.read(directory_of(found, base_seed) / "metrics.jsonl")
    for index, mask_seed in enumerate(MASKS):
      alone = search.run(
        frozen.network("layer_1").loss_fn,
        frozen.params,
        frozen.mask_spec("layer_1"),
        frozen.examples("layer_1", "inside", "train"),
        dataclasses.replace(
          found.study.search_config(),
          seeds=(search_together.row_seed(base_seed, mask_seed),),
        ),
        key=jax.random.key(8),
        validation=frozen.examples("layer_1", "inside", "validation"),
        metrics_fn=frozen.network("layer_1").metrics_fn,
        devices=jax.devices()[:1],
      )
      for path, leaf in alone.mask_logits.items():
        np.testing.assert_allclose(logits[path][index], leaf[0], atol=1e-4)
        np.testing.assert_array_equal(
          stacked[path][index], logits[path][index] > 0
        )
      rows = [row for row in history if row["candidate"] == index]
      assert [row["step"] for row in rows] == [
        row["step"] for row in alone.history
      ]
      for row, expected in zip(rows, alone.history, strict=True):
        assert (row["base_seed"], row["mask_seed"]) == (base_seed, mask_seed)
        for name in ("train/loss", "validation/hard/loss"):
          assert row[name] == pytest.approx(float(expected[name]), rel=1e-3)


def test_rows_of_equal_mask_seeds_see_other_noise():
  rows = [(base, mask) for base in range(30) for mask in range(30)]
  assert len({search_together.row_seed(*row) for row in rows}) == len(rows)


def test_nothing_is_left_and_nothing_is_done_twice(found, monkeypatch, caplog):
  assert not job_of(found).directory.exists() or not any(
    job_of(found).directory.iterdir()
  )
  monkeypatch.setattr(search, "run", None)
  with caplog.at_level("INFO", logger="absl"):
    learn(found)
  assert "together: done before" in caplog.text


def test_more_networks_and_seeds_leave_the_others_as_they_are(found, tmp_path):
  """And give what a larger experiment gives."""
  work = learn(make(tmp_path / "grown", base_seeds=(3,), mask_seeds=(0,)))
  first = stored(work, 3)
  grown = learn(make(tmp_path / "grown"))
  for base_seed in BASES:
    for new, expected in zip(
      stored(grown, base_seed), stored(found, base_seed), strict=True
    ):
      for name, value in expected.items():
        np.testing.assert_allclose(new[name], value, atol=1e-4)
  for path, leaf in stored(grown, 3)[1].items():
    np.testing.assert_array_equal(leaf[:1], first[1][path])


@pytest.mark.parametrize(
  ("module", "name", "call"),
  [
    (resumable.Run, "__call__", 2),
    (mask_sets, "save", 1),
    (mask_search, "_mark_done", 1),
    (mask_sets, "save", 2),
    (resumable, "forget_checkpoint", 1),
  ],
)
def test_a_kill_changes_nothing(
  found, tmp_path, monkeypatch, module, name, call
):
  work = make(tmp_path)
  work.runtime = dataclasses.replace(work.runtime, checkpoint_seconds=0.0)
  function, calls = getattr(module, name), []

  def killed(*args):
    calls.append(args)
    if len(calls) == call + (name == "forget_checkpoint"):
      raise KeyboardInterrupt
    return function(*args)

  # The first call of `forget_checkpoint` clears the way before the search.
  with monkeypatch.context() as patch:
    patch.setattr(module, name, killed)
    with pytest.raises(KeyboardInterrupt):
      learn(work)
  record = job_of(work).directory / "rows.json"
  rows = [[base, mask] for base in BASES for mask in MASKS]
  assert json.loads(record.read_text()) == rows
  steps = []
  advance = search.run

  def watched(*args, state, **kwargs):
    steps.append(int(state.step[0]))
    return advance(*args, state=state, **kwargs)

  monkeypatch.setattr(search, "run", watched)
  stamps = [
    file.stat().st_mtime_ns
    for base in BASES
    if files.is_done(directory_of(work, base))
    for file in [directory_of(work, base) / "masks.npz"]
  ]
  learn(work)
  assert all(step > 0 for step in steps)
  for base_seed in BASES:
    for new, expected in zip(
      stored(work, base_seed), stored(found, base_seed), strict=True
    ):
      for column, value in expected.items():
        np.testing.assert_array_equal(new[column], value)
  assert stamps == [
    (directory_of(work, base) / "masks.npz").stat().st_mtime_ns
    for base in BASES[: len(stamps)]
  ]
  assert not record.exists()


def test_a_row_that_stops_is_named_and_the_others_go_on(
  tmp_path, monkeypatch, caplog
):
  work, frozen = make(tmp_path), Experiment.frozen

  def broken(self, regime, base_seed):
    found = frozen(self, regime, base_seed)
    if base_seed == 3:
      return found
    nothing = jax.tree.map(lambda leaf: leaf * np.nan, found.params)
    return FrozenNetwork(self, nothing)

  monkeypatch.setattr(Experiment, "frozen", broken)
  with caplog.at_level("WARNING", logger="absl"):
    learn(work)
  for index, mask_seed in enumerate(MASKS, start=2):
    name = f"candidate {index} (base seed 5, mask seed {mask_seed})"
    assert caplog.text.count(f"{name} stopped by step") == 1
  assert "base seed 3" not in caplog.text
  for base_seed, finite in ((3, True), (5, False)):
    done = files.read_done(directory_of(work, base_seed))
    assert done["finite"] == [finite, finite]
