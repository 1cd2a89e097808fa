"""Masks are compared with blocks among the weights that matter."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from structcomp_jax import trees
from structcomp_jax.studies.planted import importance, recovery
from structcomp_jax.studies.planted.asking import Search
from structcomp_jax.studies.planted.classes import trained as trained_networks
from structcomp_jax.studies.planted.networks.mlp import Mlp
from structcomp_jax.studies.planted.problems import Pair
from tests.studies.planted.conftest import (
  EFFORT,
  embed,
  of_every_architecture,
  two,
)


@of_every_architecture
def test_a_change_is_that_of_the_output_without_one_weight(network):
  params = trees.stack(two(network))
  found = importance.output_changes(network, params)
  assert set(found) == set(network.spec(params).paths)
  random = np.random.default_rng(0)
  row = trees.row(params, 1)
  whole = embed(network, row)
  for path, changes in found.items():
    leaf = np.array(trees.leaves_by_path(row)[path])
    place = tuple(random.integers(size) for size in leaf.shape)
    leaf[place] = 0
    without = embed(network, trees.replace_leaves(row, {path: leaf}))
    expected = ((without - whole) ** 2).sum() / (whole**2).sum()
    assert changes[(1, *place)] == pytest.approx(expected, rel=1e-3, abs=1e-7)


def test_a_weight_of_zero_changes_nothing():
  network = Mlp((10, 3, 2))
  kernel = jnp.ones((2, 10, 3)).at[:, 4].set(0)
  params = trees.replace_leaves(network.init(2, 0), {"layer_0/kernel": kernel})
  changes = importance.output_changes(network, params)["layer_0/kernel"]
  assert (changes[:, 4] == 0).all()


def test_only_weights_that_matter_are_compared():
  # Own, own, other, other, none; the last of each block does not matter.
  is_own = np.array([1, 1, 0, 0, 0], bool)
  in_block = np.array([1, 1, 1, 1, 0], bool)
  matters = np.array([1, 0, 1, 0, 1], bool)
  logits = np.array([2.0, -1, -2, 1, 3])
  blocks = (logits, logits > 0, is_own, in_block)
  assert recovery._compare(*blocks, ~matters | matters) == {
    "share": 1.0, "auc": 0.75, "iou": 1 / 3,
  }  # fmt: skip
  assert recovery._compare(*blocks, matters) == {
    "share": 0.5, "auc": 1.0, "iou": 1.0,
  }  # fmt: skip


def test_recovery_knows_the_blocks(trained, monkeypatch):
  one_sided = Search(num_samples=2, num_steps=8, num_looks=1)
  cut = Search("hard_concrete", num_steps=160, num_looks=1)
  monkeypatch.setattr(recovery, "SEARCHES", {"one-sided": one_sided})
  monkeypatch.setattr(recovery, "CUTS", {"cut": cut})
  sets = EFFORT.sets(trained.pair, 8)
  table = pd.DataFrame(recovery.recover(trained, sets, seed=0))
  assert len(table) == 4 * 2 * 2 * len(recovery.LIMITS)
  of_all = table[table["limit"] == 0]
  mean = of_all.groupby("method")[["auc", "iou"]].mean()
  assert mean.loc["random", "auc"] == pytest.approx(0.5, abs=0.05)
  assert mean.loc["largest weights", "auc"] == pytest.approx(0.5, abs=0.06)
  # Both halves of a cut: those that matter most are found, in either block.
  cuts = table[(table["method"] == "cut") & (table["limit"] == 1e-2)]
  assert (cuts["auc"] > 0.8).all() and (cuts["iou"] > 0.4).all()
  assert (of_all["share"] == 1).all()
  swapped = dataclasses.replace(
    trained,
    truth={"A": trained.truth["B"], "B": trained.truth["A"]},
  )
  table = pd.DataFrame(recovery.recover(swapped, sets, seed=0))
  cuts = table[(table["method"] == "cut") & (table["limit"] == 1e-2)]
  assert (cuts["auc"] < 0.2).all() and (cuts["iou"] < 0.4).all()


def test_pruning_takes_what_matters_least_and_keeps_it_away():
  network = Mlp((10, 8, 4, 3))
  start = trees.stack(two(network))
  problems = EFFORT.sets(Pair(), 5)["train"]["A"]
  settings = {"num_steps": 40, "seed": 0}
  recipe = trained_networks.Recipe()
  same = trained_networks.prune(
    network, start, problems, recipe, shares=(), **settings
  )
  assert same is start
  changes = importance.output_changes(network, start)
  params = trained_networks.prune(
    network, start, problems, recipe, shares=(0.5,), **settings
  )
  before, after = (trees.leaves_by_path(tree) for tree in (start, params))
  kept = {path: np.asarray(after[path]) != 0 for path in changes}
  for row in range(2):
    lost = [np.asarray(changes[path][row])[~kept[path][row]] for path in kept]
    left = [np.asarray(changes[path][row])[kept[path][row]] for path in kept]
    assert max(map(np.max, lost)) <= min(map(np.min, left))
    total = sum(map(np.size, left))
    assert total == pytest.approx(sum(map(np.size, lost)), abs=2)
  # What is left was trained.
  path = "layer_1/kernel"
  moved = np.asarray(after[path] != before[path])
  assert moved[kept[path]].all()
