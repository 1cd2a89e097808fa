"""Damaged, unfinished and foreign work directories are refused in one line.

Files that the second study alone has:
`tests/studies/are_nets_modular/test_growth.py`.
"""

import contextlib
import json
import os
import shutil

import jax
import numpy as np
import pytest

from configs.common.language import language_variant
from structcomp_jax import masks, search
from structcomp_jax.io import checkpoints, files
from structcomp_jax.io.workdir import open_workdir
from structcomp_jax.studies import registry
from tests.launcher import assert_one_line, contents

MASKS = "masks/seed_0/subject"


def cut(path, count=20):
  """Truncates a file."""
  path.write_bytes(path.read_bytes()[:-count])


def cut_checkpoint(directory):
  """Halves the largest file of a checkpoint."""
  largest = max(directory.rglob("*"), key=lambda file: file.stat().st_size)
  cut(largest, largest.stat().st_size // 2)


def remove(*names):
  """Returns a damage: files and directories are missing."""

  def damage(workdir):
    for name in names:
      path = workdir / name
      shutil.rmtree(path) if path.is_dir() else path.unlink()

  return damage


def write(name, text):
  """Returns a damage: a file has another content."""
  return lambda workdir: (workdir / name).write_text(text)


def torn_base(workdir):
  """The base network lacks bytes, and masks must be searched again."""
  cut_checkpoint(workdir / "base/seed_0/checkpoint")
  unfinish_search(workdir)


def unfinish_search(workdir):
  """The search of one subroutine is as if it had never run."""
  shutil.rmtree(workdir / MASKS)


def foreign_checkpoint(workdir):
  """The search would go on from the checkpoint of something else."""
  unfinish_search(workdir)
  shutil.copytree(
    workdir / "base/seed_0/checkpoint",
    workdir / MASKS / "grid/from_0/checkpoint",
  )


def torn_search(workdir):
  """The checkpoint of a running search lacks bytes."""
  unfinish_search(workdir)
  directory = workdir / MASKS / "grid/from_0/checkpoint"
  study = _study(workdir)
  config = study.search_config(seeds=(0,))
  spec = masks.select(_params(workdir), study.mask_rules(0))
  state = search.initial_state(config.candidates(), spec)
  fingerprint = files.read_done(workdir / "base/seed_0")["fingerprint"]
  checkpoints.save(directory, 0, state, {"fingerprint": fingerprint})
  cut_checkpoint(directory)


def masks_of_another_network(workdir):
  """The masks were searched in the random-init network."""
  shutil.copy(
    workdir / "random_init" / MASKS / "masks.npz", workdir / MASKS / "masks.npz"
  )
  (workdir / "results.csv").unlink()


def torn_masks(workdir):
  """The masks lack bytes."""
  cut(workdir / MASKS / "masks.npz", 200)
  (workdir / "results.csv").unlink()


def torn_data(workdir):
  """A shard of the training data lacks bytes."""
  (shard,) = (workdir / "data").glob("*/sv_singular.subject/*/*train*array_re*")
  cut(shard, shard.stat().st_size // 2)
  unfinish_search(workdir)


def not_a_number(workdir):
  """The base network computes nothing but NaN."""
  unfinish_search(workdir)
  directory = workdir / "base/seed_0/checkpoint"
  fingerprint = files.read_done(directory.parent)["fingerprint"]
  params = jax.tree.map(
    lambda leaf: np.full(leaf.shape, np.nan, leaf.dtype), _params(workdir)
  )
  checkpoints.save(directory, 0, params, {"fingerprint": fingerprint})


def _params(workdir):
  network = _study(workdir).network
  return jax.eval_shape(network.init, jax.random.key(0))


def _study(workdir):
  return registry.make_study(language_variant("sv_singular", "smoke"))


# Every entry has the script, the damage, further arguments, and what the line
# names.
DAMAGES = {
  "torn config": ("run", write("config.json", "{"), [], ["config.json"]),
  "config is missing": (
    "run",
    remove("config.json"),
    [],
    ["config.json", "somebody else's directory"],
  ),
  "another config": (
    "run",
    lambda workdir: None,
    ["--config.search.num_epochs=7", "--config.seed=1"],
    ["search.num_epochs is 2 there and 7 now", "seed is 0 there and 1 now"],
  ),
  "torn data": ("search", torn_data, [], ["sv_singular.subject", "train"]),
  "data of another size": (
    "prepare_data",
    write("config.json", "{}"),
    ["--builder=syntax_subroutines/sv_singular.base", "--data_dir={data}"],
    ["train 256", "9500"],
  ),
  "training before data": (
    "train",
    remove("data", "base/seed_0/DONE"),
    [],
    ["sv_singular.base", "launch.prepare_data"],
  ),
  "search before training": (
    "search",
    remove("base", "masks"),
    [],
    ["base/seed_0", "launch.train"],
  ),
  "evaluation before search": (
    "evaluate",
    remove("masks", "results.csv"),
    [],
    [MASKS, "launch.search"],
  ),
  "report before evaluation": (
    "report",
    remove("results.csv"),
    [],
    ["results.csv", "launch.evaluate"],
  ),
  "torn base network": ("search", torn_base, [], ["base/seed_0", "torn"]),
  "lost base network": (
    "search",
    remove("base/seed_0/checkpoint", MASKS),
    [],
    ["base/seed_0", "lost its checkpoint"],
  ),
  "torn mark of a base network": (
    "evaluate",
    lambda workdir: [
      write(f"{MASKS}/DONE", "{")(workdir),
      (workdir / "results.csv").unlink(),
    ],
    [],
    [f"{MASKS}/DONE", "torn"],
  ),
  "checkpoint of something else": (
    "search",
    foreign_checkpoint,
    [],
    ["grid/from_0/checkpoint", "another model or search"],
  ),
  "torn search": (
    "search",
    torn_search,
    [],
    ["grid/from_0/checkpoint", "torn"],
  ),
  "torn selection": (
    "search",
    lambda workdir: [
      write(f"{MASKS}/selection.json", "{")(workdir),
      (workdir / MASKS / "DONE").unlink(),
    ],
    [],
    [f"{MASKS}/selection.json"],
  ),
  "torn masks": ("evaluate", torn_masks, [], [f"{MASKS}/masks.npz", "torn"]),
  "masks of another network": (
    "evaluate",
    masks_of_another_network,
    [],
    [f"{MASKS}/masks.npz", "another network"],
  ),
  "torn results": (
    "report",
    lambda workdir: cut(workdir / "results.csv"),
    [],
    ["results.csv", "launch.evaluate"],
  ),
  "results of another program": (
    "report",
    write("results.csv", "a,b\n1,2\n"),
    [],
    ["results.csv", "no column"],
  ),
  "torn metrics": (
    "report",
    write("base/seed_0/metrics.jsonl", '{"step": 1\n{"step": 2}\n'),
    [],
    ["base/seed_0/metrics.jsonl line 1"],
  ),
  "every loss is NaN": ("search", not_a_number, [], ["finite"]),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage(launch, workdir, name):
  verb, damage, arguments, expected = DAMAGES[name]
  damage(workdir)
  before = contents(workdir)
  if any("{data}" in argument for argument in arguments):
    outcome = launch(
      verb, *(text.replace("{data}", f"{workdir}/data") for text in arguments)
    )
  else:
    outcome = launch.in_workdir(verb, workdir, *arguments)
  assert_one_line(outcome, *expected)
  after = contents(workdir)
  assert before.items() <= after.items(), "a file is lost or changed"


def test_second_process_is_refused(launch, workdir):
  with open_workdir(workdir, _stored_config(workdir), launched_as="first"):
    before = contents(workdir)
    outcome = launch.in_workdir("run", workdir)
    assert_one_line(outcome, f"process {os.getpid()}", "first")
    assert contents(workdir) == before
  assert launch.in_workdir("report", workdir).status == 0


def _stored_config(workdir):
  return json.loads((workdir / "config.json").read_text())


def test_unwritable_directory(launch, workdir):
  if os.geteuid() == 0:
    pytest.skip("root may write everywhere")
  (workdir / "results.csv").unlink()
  os.chmod(workdir, 0o555)
  with contextlib.ExitStack() as stack:
    stack.callback(os.chmod, workdir, 0o755)
    outcome = launch.in_workdir("evaluate", workdir)
  assert_one_line(outcome, str(workdir), "writable")


def test_debug_shows_the_traceback(launch, tmp_path):
  bad = "--config.model.sizes.hidden_size=33"
  outcome = launch.in_workdir("run", tmp_path / "w", bad, "--debug")
  assert outcome.status != 0
  assert "Traceback" in outcome.text
  assert "UserError" in outcome.text
