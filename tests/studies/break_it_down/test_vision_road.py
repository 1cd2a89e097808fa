"""The whole road of a vision experiment, in every regime, on the smoke size."""

import json

import numpy as np
import pytest

from configs.common.vision import vision_variant
from structcomp_jax import trees
from structcomp_jax.io import files, mask_files, tables
from structcomp_jax.pipeline import base_networks
from structcomp_jax.pipeline.experiment import Experiment
from structcomp_jax.studies import registry
from structcomp_jax.studies.break_it_down.columns import SCHEMAS

CONFIG = "configs/vision/inside_contact.py:smoke"
REGIMES = ("scratch", "simclr", "pruned", "random_init")
TASKS = {
  "base",
  "inside",
  "contact",
  "odd_inside",
  "odd_contact",
  "odd_both",
}
LAUNCH = (
  "run",
  f"--config={CONFIG}",
  f"--config.regimes={REGIMES}",
  "--config.training.sweep.learning_rates=(1e-3, 1e-4)",
  "--config.training.sweep.batch_sizes=(16,)",
)


@pytest.fixture(scope="module")
def workdir(launch, tmp_path_factory):
  directory = tmp_path_factory.mktemp("vision")
  outcome = launch(*LAUNCH, f"--workdir={directory}")
  assert outcome.status == 0, outcome.text
  return directory


def test_every_regime_is_tested_on_every_task(workdir):
  table = tables.read(workdir / "results.csv", SCHEMAS["results"])
  found = table.groupby("regime")["test_task"].agg(set)
  assert set(found.index) == set(REGIMES)
  assert all(tasks == TASKS for tasks in found)
  assert (workdir / "report" / "index.html").is_file()


def test_every_regime_is_cut_between_the_subroutines_and_nonsense(workdir):
  table = tables.read(workdir / "cuts.csv", SCHEMAS["cuts"])
  tasks = {
    "subroutines": ("inside", "contact"),
    "nonsense_0": ("nonsense_0_kept", "nonsense_0_rest"),
  }
  found = table[["regime", "pair", "kept_task", "rest_task"]].drop_duplicates()
  assert set(found.itertuples(index=False, name=None)) == {
    (regime, pair, *of_pair)
    for regime in REGIMES
    for pair, of_pair in tasks.items()
  }


def test_pruned_network_is_the_trained_one_under_a_mask(workdir):
  study = registry.make_study(vision_variant("inside_contact", "smoke"))
  work = Experiment(study, workdir)
  trained, pruned = (
    trees.leaves_by_path(base_networks.load(work, regime, 0))
    for regime in ("scratch", "pruned")
  )
  stacked, _ = mask_files.load(workdir / "pruned/pruning/seed_0/masks.npz")
  info = files.read_done(workdir / "pruned/base/seed_0")["pruning"]
  kept = sum(int(mask[0].sum()) for mask in stacked.values())
  assert info["kept"] == kept < info["maskable"]
  for path, leaf in trained.items():
    expected = leaf * np.asarray(stacked[path][0]) if path in stacked else leaf
    np.testing.assert_array_equal(pruned[path], expected)


def test_sweep_takes_the_lowest_validation_loss(workdir):
  record = json.loads((workdir / "base/sweep/sweep.json").read_text())
  losses = [row["validation_loss"] for row in record["settings"]]
  assert len(losses) == 2
  assert record["chosen"]["validation_loss"] == min(losses)
  info = files.read_done(workdir / "base/seed_0")
  assert info["learning_rate"] == record["chosen"]["learning_rate"]


def test_second_run_does_nothing_again(workdir, launch):
  before = (workdir / "results.csv").read_bytes()
  outcome = launch(*LAUNCH, f"--workdir={workdir}")
  assert outcome.status == 0
  assert outcome.text.count("done before") >= len(REGIMES) + 1
  assert (workdir / "results.csv").read_bytes() == before
