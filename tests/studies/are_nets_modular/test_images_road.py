"""The steps of experiments with pictures: what is stored fits together."""

import dataclasses
import json

import numpy as np
import pytest

from configs.images import cifar10, permuted_mnist
from structcomp_jax import trees
from structcomp_jax.io import logit_files, mask_files, tables
from structcomp_jax.pipeline import run
from structcomp_jax.pipeline.experiment import Experiment
from structcomp_jax.report import markup, workdir
from structcomp_jax.studies import registry
from structcomp_jax.studies.are_nets_modular import transfer
from structcomp_jax.studies.are_nets_modular.columns import (
  IMAGE_TABLES,
  SCHEMAS,
)
from structcomp_jax.studies.are_nets_modular.findings import conclude, evidence
from tools import modular_tables


def take_steps(config, workdir):
  config = config.copy_and_resolve_references()
  work = Experiment(registry.make_study(config), workdir)
  for step in (run.prepare_data, run.train, run.search, run.evaluate):
    step(work)
  return work


def read(work, name):
  return tables.read(work.paths.table(name), work.study.tables[name])


@pytest.fixture(scope="module")
def removal(tmp_path_factory):
  config = cifar10.get_config("smoke")
  config.update({"regimes": ("scratch",), "base_seeds": (0, 1)})
  config.search.num_steps = 8
  return take_steps(config, tmp_path_factory.mktemp("removal"))


def stored(work, base_seed, subroutine):
  directory = work.paths.masks("scratch", base_seed, subroutine)
  mask, _ = mask_files.load(directory / "masks.npz")
  logits = logit_files.load(directory / "logits.safetensors")
  return trees.row(mask, 0), trees.row(logits, 0)


def test_masks_of_classes_have_the_output_layer_of_their_control(removal):
  controls = []
  for base_seed in (0, 1):
    control, control_logits = stored(removal, base_seed, "control")
    controls.append(control_logits["output/kernel"])
    for subroutine in removal.study.subroutines[1:]:
      mask, logits = stored(removal, base_seed, subroutine)
      for path in mask:
        same = (np.asarray(logits[path]) == control_logits[path]).all()
        assert same == path.startswith("output/")
      np.testing.assert_array_equal(
        mask["output/kernel"], control["output/kernel"]
      )
  assert (controls[0] != controls[1]).any()


def test_confusions_are_shares_of_every_class(removal):
  confusions, results = read(removal, "confusions"), read(removal, "results")
  keys = ["base_seed", "subroutine", "true"]
  np.testing.assert_allclose(
    confusions.groupby(keys)["share"].sum(), 1.0, rtol=1e-5
  )
  right = confusions[confusions["true"] == confusions["predicted"]]
  right = right.set_index(keys)["share"].sort_index()
  own = results[(results["ablation"] == "none") & (results["subroutine"] != "")]
  own = own.set_index(["base_seed", "subroutine", "test_task"])["accuracy"]
  np.testing.assert_allclose(right, own.sort_index(), rtol=1e-5)
  assert len(right) == 2 * 11 * 10


def test_gradients_begin_with_the_whole_network(removal):
  gradients = read(removal, "gradients")
  assert set(gradients["subroutine"]) == {"without_digit_0"}
  assert set(gradients["mask"]) == {"learned", "random_matched"}
  assert set(gradients["num_masked"]) == {0, 1, 2, 3}
  first = gradients[gradients["num_masked"] == 0]["cosine"]
  np.testing.assert_allclose(first, 1.0, rtol=1e-5)
  last = gradients[(gradients["num_masked"] == 3) & (gradients["leaf"] == "")]
  assert (last["cosine"] < 0.9999).any()


def test_tables_of_the_results_page_are_those_of_the_run(removal):
  directory = removal.paths.workdir
  config = {"experiment": "cifar10", "data": {"subtasks": "remove_class"}}
  (directory / "config.json").write_text(json.dumps(config))
  read_again = workdir.read(directory, {**SCHEMAS, **IMAGE_TABLES})
  one = evidence.of_workdir(read_again)
  # So short a search changes no answer.
  rows = one.confusions
  is_changed = (
    (rows["subroutine"] == "without_digit_3")
    & (rows["true"] == "digit_3")
    & (rows["predicted"] == "digit_8")
  )
  rows = rows.assign(share=rows["share"] + 0.25 * is_changed)
  one = dataclasses.replace(one, confusions=rows)
  found = conclude.conclude(one)
  drops = modular_tables.drops([found])
  assert len(drops.splitlines()) == 2 + 10 + 1 + 1
  nothing = ["nothing, two control masks", *[markup.DASH] * 3, "0 |"]
  assert drops.splitlines()[-1].split(" | ")[2:] == nothing
  shares = one.confusions.groupby(["subroutine", "true", "predicted"])["share"]
  means = shares.mean()
  change = (
    means["without_digit_3", "digit_3", "digit_8"]
    - means["control", "digit_3", "digit_8"]
  )
  (line,) = (
    line
    for line in modular_tables.confusions([found]).splitlines()
    if "| scratch | digit_3 |" in line
  )
  assert change > 0
  assert line.split(" | ")[3 + 8] == markup.number(100 * change, 0, sign=True)
  assert modular_tables.statistics([found]) == ""
  cosines = modular_tables.gradients([found]).splitlines()
  assert len(cosines) == 2 + 2
  assert cosines[2].split(" | ")[3] == "1.00 ± 0.00"


@pytest.fixture(scope="module")
def permuted(tmp_path_factory):
  config = permuted_mnist.get_config("smoke")
  config.search.num_steps = 12
  return take_steps(config, tmp_path_factory.mktemp("permuted"))


def test_used_weights_keep_their_bits_but_not_in_the_control(permuted):
  study = permuted.study
  first, second = (transfer.load(study, permuted, n) for n in (0, 1))
  for index, row in enumerate(transfer.rows_of(permuted.config)):
    used = transfer.used_before([first.masks(index)], "layer_0")
    assert not used["layer_0/kernel"].any()
    before, after = (
      trees.leaves_by_path(trees.row(one.params, index))
      for one in (first, second)
    )
    stays = used["output/kernel"]
    assert stays.sum() > 0
    same = (before["output/kernel"] == after["output/kernel"])[stays]
    assert same.all() if row.regime == "transfer" else not same.all()


def test_shares_are_those_of_the_stored_masks(permuted):
  shares = read(permuted, "shares")
  masks = {}
  for number in range(3):
    directory = permuted.paths.masks("transfer", 1, f"permutation_{number}")
    masks[number], columns = mask_files.load(directory / "masks.npz")
  for candidate, new_init in enumerate(columns["mask_init"]):
    layers = [
      np.asarray(masks[number]["output/kernel"][candidate])
      for number in range(3)
    ]
    used = layers[0] | layers[1]
    (row,) = shares[
      (shares["regime"] == "transfer")
      & (shares["base_seed"] == 1)
      & (shares["mask_init"] == new_init)
      & (shares["permutation"] == 2)
      & (shares["leaf"] == "output/kernel")
    ].to_dict("records")
    assert (row["kept"], row["used"], row["both"]) == (
      layers[2].sum(), used.sum(), (layers[2] & used).sum(),
    )  # fmt: skip


def test_a_finished_chain_is_not_learned_again(permuted):
  before = permuted.paths.table("results").read_bytes()
  path = transfer.directory_of(permuted, 2) / "DONE"
  stamp = path.stat().st_mtime_ns
  run.search(permuted)
  run.evaluate(permuted)
  assert path.stat().st_mtime_ns == stamp
  assert permuted.paths.table("results").read_bytes() == before


def test_a_chain_that_lost_its_end_goes_on_with_the_same_bits(permuted):
  """What a kill between two permutations leaves behind."""
  last = transfer.load(permuted.study, permuted, 2)
  directory = transfer.directory_of(permuted, 2)
  (directory / "DONE").unlink()
  run.search(permuted)
  again = transfer.load(permuted.study, permuted, 2)
  for path, leaf in trees.leaves_by_path(last.params).items():
    np.testing.assert_array_equal(
      trees.leaves_by_path(again.params)[path], leaf
    )
  for path, leaf in last.logits.items():
    np.testing.assert_array_equal(again.logits[path], leaf)
