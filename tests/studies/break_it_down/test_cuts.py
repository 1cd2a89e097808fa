"""Cuts: which networks, tasks and keys they use."""

import dataclasses

import jax
import numpy as np
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
    relaxation="hard_concrete",
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
