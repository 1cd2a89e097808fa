"""Cuts: which networks, tasks and keys they use, and what follows from them."""

import dataclasses

import jax
import numpy as np
import pandas as pd
import pytest

from structcomp_jax import masks, search, trees
from structcomp_jax.io import mask_files
from structcomp_jax.pipeline import (
  base_networks,
  run,
  search_together,
  workplace,
)
from structcomp_jax.studies.break_it_down import cuts
from structcomp_jax.studies.break_it_down.findings import cuts as findings

from . import toy

REGIMES, BASE_SEEDS, MASK_SEED = ("scratch", "random_init"), (3, 5), 4
PAIRS = ("subroutines", "nonsense_0")
# Appended to the streams of draws; those before it must not change.
CUTS = 8


@pytest.fixture(scope="module")
def work(tmp_path_factory):
  """The experiment with its base networks and cuts."""
  config = toy.make_config()
  config.regimes = REGIMES
  config.cuts.update(
    {
      "num_steps": 6,
      "look_every": 3,
      "batch_size": 6,
      "learning_rates": (0.3,),
      "seeds": (MASK_SEED,),
      "masked_from": ("layer_1",),
    }
  )
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(workplace.datasets, "load", toy.load_problems)
    made = toy.make_experiment(config, tmp_path_factory.mktemp("cuts"))
    run.train(made)
    cuts.search(made.study, made)
  return made


def problems(pair, split):
  """Returns the problems of both halves, written out."""
  made = [toy.make_problems(name, split) for name in ("inside", "contact")]
  if pair != "subroutines":
    made = [np.roll(made[0], 1, axis=-1), np.roll(made[1], 2, axis=-1)]
  return search.halves(*({"items": one} for one in made))


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("regime", REGIMES)
def test_every_network_is_cut_between_the_tasks_of_the_pair(work, regime, pair):
  config = search.SearchConfig(
    num_steps=6,
    look_every=3,
    batch_size=6,
    with_replacement=True,
    relaxation="gumbel_sigmoid",
    learning_rates=(0.3,),
    penalties=(0.0,),
    eval_batch_size=4,
    two_sided=True,
  )
  rules = [(r"layer_(1|10)/dense/kernel", "weight"), (".*", "frozen")]
  for base_seed in BASE_SEEDS:
    params = base_networks.load(work, regime, base_seed)
    row = search_together.row_seed(base_seed, MASK_SEED)
    found = search.run(
      toy.NETWORK.loss_fn,
      params,
      masks.select(params, rules),
      problems(pair, "train"),
      dataclasses.replace(config, seeds=(row,)),
      key=jax.random.fold_in(jax.random.key(11), CUTS),
      validation=problems(pair, "validation"),
      metrics_fn=toy.NETWORK.metrics_fn,
    )
    directory = work.paths.cut(regime, base_seed, pair)
    stored, columns = mask_files.load(directory / "masks.npz")
    assert columns["mask_seed"] == [MASK_SEED]
    for path, mask in trees.row(found.masks, 0).items():
      np.testing.assert_array_equal(stored[path][0], mask)
    rows = [
      one
      for one in cuts.part(work.study, work, regime, base_seed)["cuts"]
      if one["pair"] == pair
    ]
    assert [one["step"] for one in rows] == [3, 6]
    for one, expected in zip(rows, found.history, strict=True):
      assert one["base_seed"] == base_seed
      assert one["mask_seed"] == MASK_SEED
      for half in ("kept", "rest"):
        assert one[f"{half}_accuracy"] == pytest.approx(
          expected[f"validation/hard/{half}/accuracy"]
        )


def test_no_steps_no_cuts(work):
  config = toy.make_config()
  assert config.cuts.num_steps == 0
  assert not cuts.wanted(toy.make_experiment(config, "unused").study)


# What follows.


def table(accuracies, *, steps=4):
  """Returns rows of cuts.csv.

  Args:
    accuracies: {(regime, pair): accuracy of the worse half per base network}.
    steps: looks, all with that accuracy.
  """
  return pd.DataFrame(
    [
      {
        "regime": regime,
        "base_seed": float(seed),
        "pair": pair,
        "mask_seed": 0.0,
        "step": 10.0 * look,
        "kept_accuracy": accuracy,
        "rest_accuracy": 1.0,
        "finite": True,
      }
      for (regime, pair), of_seeds in accuracies.items()
      for seed, accuracy in enumerate(of_seeds)
      for look in range(steps)
    ]
  )


def judge(ours, *, nonsense=0.25, untrained=0.25, failed=()):
  count = len(ours)
  rows = table(
    {
      ("scratch", "subroutines"): ours,
      ("scratch", "nonsense_0"): [nonsense] * count,
      ("random_init", "subroutines"): [untrained] * count,
      # Says nothing about the networks in question.
      ("random_init", "nonsense_0"): [1.0] * count,
    }
  )
  return findings.conclude(rows, "scratch", frozenset(failed))


def test_separability_is_the_mean_over_looks_of_the_worse_half():
  rows = table({("scratch", "subroutines"): [0.0]})
  rows["kept_accuracy"] = [0.1, 0.25, 0.625, 1.0]
  rows["rest_accuracy"] = [1.0, 1.0, 1.0, 0.625]
  (found,) = findings.separability(rows)["separability"]
  assert found == pytest.approx((0 + 0 + 0.5 + 0.5) / 4)


@pytest.mark.parametrize(
  ("ours", "label"),
  [
    ([1.0, 0.97, 0.98, 0.99], "separable"),
    ([0.3, 0.25, 0.28, 0.31], "not separable"),
    ([1.0, 0.3, 0.25, 0.9], "undecided"),
    ([1.0, 0.97], "separable"),
  ],
)
def test_labels(ours, label):
  assert judge(ours).label == label


@pytest.mark.parametrize("control", ["nonsense", "untrained"])
def test_what_a_control_does_as_well_proves_nothing(control):
  ours = [1.0, 0.97, 0.98, 0.99]
  assert judge(ours, **{control: 0.99}).label == "not separable"


@pytest.mark.parametrize(
  ("regime", "pair"),
  [("random_init", "subroutines"), ("scratch", "nonsense_0")],
)
def test_a_control_that_is_missing_is_not_passed(regime, pair):
  rows = table(
    {
      key: [accuracy] * 3
      for key, accuracy in {
        ("scratch", "subroutines"): 1.0,
        ("scratch", "nonsense_0"): 0.25,
        ("random_init", "subroutines"): 0.25,
      }.items()
      if key != (regime, pair)
    }
  )
  found = findings.conclude(rows, "scratch", frozenset())
  assert found.label == "undecided"
  assert found.probability is None


def test_failed_networks_and_stopped_searches_do_not_count():
  ours = [1.0, 0.97, 0.25, 0.98]
  assert judge(ours).label == "undecided"
  assert judge(ours, failed={2}).label == "separable"
  assert judge([1.0, 0.3], failed={1}).label == "undecided"
  rows = table(
    {
      ("scratch", "subroutines"): ours,
      ("scratch", "nonsense_0"): [0.25] * 4,
      ("random_init", "subroutines"): [0.25] * 4,
    }
  )
  stopped = (rows["base_seed"] == 2) & (rows["regime"] == "scratch")
  rows.loc[stopped, "finite"] = False
  found = findings.conclude(rows, "scratch", frozenset())
  assert found.label == "separable"
  assert found.excess.num_clusters == 3


def test_small_changes_never_turn_an_answer_around():
  """Nor do they move the probability far: there is no cliff."""
  random = np.random.default_rng(0)
  for _ in range(100):
    ours = random.uniform(0.25, 1.0, size=4)
    moved = np.clip(ours + random.uniform(-0.01, 0.01, size=4), 0.0, 1.0)
    first, second = judge(ours), judge(moved)
    assert abs(first.probability - second.probability) < 0.12
    assert {first.label, second.label} != {"separable", "not separable"}


def test_equal_networks_have_a_probability_of_all_or_nothing():
  assert judge([0.9] * 3).probability == 1.0
  assert judge([0.3] * 3).probability == 0.0
