"""Each class of networks is what its name says."""

import dataclasses

import chex
import jax
import numpy as np
import pytest

from structcomp_jax import masks, trees
from structcomp_jax.studies.planted import network as networks
from structcomp_jax.studies.planted import problems
from structcomp_jax.studies.planted.classes import every, kinds, making
from structcomp_jax.studies.planted.classes import planted as classes
from structcomp_jax.studies.planted.classes.by_hand_mlp import SHARED
from structcomp_jax.studies.planted.networks.mlp import Mlp
from tests.studies.planted.conftest import EFFORT, right

of_every_kind = pytest.mark.parametrize(
  "kind", kinds.KINDS, ids=["mlp", "transformer", "cnn"]
)


@of_every_kind
def test_a_template_tells_both_properties_together_and_neither_alone(kind):
  planted = every.CLASSES[f"{kind.prefix}template"](EFFORT, 0)
  assert planted.num_networks == EFFORT.num_networks
  for task in ("base", "odd_A", "odd_B"):
    assert (right(planted, task) > 0.95).all()
  for task in ("A", "B"):
    assert (right(planted, task) < problems.CHANCE + 0.12).all()


@of_every_kind
def test_both_properties_need_the_shared_trunk(kind):
  hand, random = kind.by_hand, np.random.default_rng(0)
  made = [hand.shared(random) for _ in range(3)]
  params = trees.stack([params for params, _ in made])
  tests = problems.sets(SHARED, {"test": 200}, 1)["test"]
  needed = []
  for task in ("odd_A", "odd_B"):
    whole = networks.accuracy(kind.whole, params, tests[task])
    assert (np.asarray(whole) > 0.95).all()
    costs = networks.unit_costs(
      kind.whole, params, tests[task], [hand.trunk_space]
    )
    needed.append(costs > making.NEEDED)
  for row, (_, trunk) in enumerate(made):
    of_a, of_b = (of_task[:, row] for of_task in needed)
    assert len(trunk) and of_a[trunk].all() and of_b[trunk].all()
    assert not (of_a & of_b).all()


@of_every_kind
def test_shared_networks_have_a_trunk_of_two_properties(kind, monkeypatch):
  effort = every.Effort(2, pool=1.0, num_problems=10, num_tests=100)
  make = every.CLASSES[f"{kind.prefix}shared"]
  planted = make(effort, 0)
  assert planted.pair == SHARED and planted.num_networks == 2
  # Where a unit is named that only one subroutine needs, nothing is left.
  monkeypatch.setattr(making, "NEEDED", 2.0)
  assert make(effort, 0).num_networks == 0


def test_modular_networks_work_by_their_blocks(trained):
  assert trained.num_networks == EFFORT.num_networks
  for task in ("odd_A", "odd_B"):
    assert (right(trained, task) > 0.9).all()
  # The block of A tells A from B, and that of B tells B from A.
  for own, other in (("A", "B"), ("B", "A")):
    kept = jax.vmap(masks.merge)(trained.params, dict(trained.truth[own]))
    assert (right(trained, f"odd_{own}", kept) > 0.85).all()
    assert (right(trained, f"odd_{other}", kept) < 0.5).all()


def test_untrained_networks_are_where_training_began(monkeypatch):
  monkeypatch.setattr(classes, "WORKS", 0.0)
  effort = every.Effort(2, 1.0, num_problems=100, num_tests=20, num_steps=8)
  planted = every.CLASSES["both_tasks"](effort, 0)
  start = planted.untrained(5)
  chex.assert_trees_all_equal(start, Mlp().init(2, 0))
  moved = abs(planted.params["layer_0"]["kernel"] - start["layer_0"]["kernel"])
  # Eight steps of Adam.
  assert 1e-3 < moved.max() < 0.1
  template = every.CLASSES["template"](effort, 0)
  chex.assert_trees_all_equal(template.untrained(5), Mlp().init(2, 5))


def test_every_unit_of_entangled_networks_is_needed_by_both_subroutines():
  effort = dataclasses.replace(EFFORT, narrow_pool=16.0, num_networks=1)
  planted = every.CLASSES["entangled"](effort, 0)
  assert planted.pair == SHARED and planted.num_networks == 1
  tests = problems.sets(SHARED, {"test": 400}, 3)["test"]
  for task in ("odd_A", "odd_B"):
    assert (right(planted, task) > 0.85).all()
    costs = networks.unit_costs(planted.network, planted.params, tests[task])
    assert len(costs) == 5 and (costs > 0.02).all()
