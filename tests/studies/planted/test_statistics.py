"""Statistics are what they say, and tell a pair of blocks from a trunk."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from structcomp_jax import masks, trees
from structcomp_jax.structure import separability
from structcomp_jax.studies.planted import one_sided, problems, statistics
from structcomp_jax.studies.planted.asking import Search
from structcomp_jax.studies.planted.classes import every
from structcomp_jax.studies.planted.network import accuracy
from structcomp_jax.studies.planted.networks.mlp import Mlp
from structcomp_jax.studies.planted.one_sided import OneSided
from structcomp_jax.studies.planted.statistics import Cut, Fisher
from tests.studies.planted.conftest import EFFORT

SHORT = Search(num_samples=2, num_steps=160, num_looks=2)
SMALL = Mlp((10, 6, 3))


def cut(planted):
  return Cut(SHORT).scores(
    planted.network, planted.params, EFFORT.sets(planted.pair, 7), seed=0
  )


@pytest.fixture(scope="module")
def modular_cut(trained):
  return cut(trained)


def test_blocks_are_cut_sooner_than_a_trunk(modular_cut):
  shared = cut(every.CLASSES["shared"](EFFORT, 0))
  for name in Cut().names:
    assert modular_cut[name].min() > shared[name].max() + 0.1


def test_numbers_of_a_cut_follow_from_its_looks(modular_cut):
  looks = np.array(
    [
      [
        np.minimum(*(modular_cut[f"{half} at {step} of search {number}"]
                     for half in ("kept", "rest")))
        for step in (80, 160)
      ]
      for number in range(2)
    ]
  )  # fmt: skip
  assert (looks[0] != looks[1]).any()
  speed, last = Cut().names
  np.testing.assert_allclose(modular_cut[last], looks[:, 1].mean(axis=0))
  above = np.clip((looks - 0.25) / 0.75, 0, None)
  np.testing.assert_allclose(modular_cut[speed], above.mean(axis=(0, 1)))


def test_stored_looks_give_the_same_separability(modular_cut):
  other = Cut(SHORT, after=", other")
  mixed_in = {
    f"{name}, other": values + 1 for name, values in modular_cut.items()
  }
  assert set(other.names) <= set(mixed_in)
  rows = [
    {
      "statistic": name, "regime": "planted", "pair": "subroutines",
      "base_seed": row, "score": value,
    }
    for name, values in (modular_cut | mixed_in).items()
    for row, value in enumerate(values)
  ]  # fmt: skip
  looks = statistics.looks_of(pd.DataFrame(rows), "")
  assert sorted(looks["step"].unique()) == [80, 160]
  found = separability.separability(looks, problems.CHANCE)
  assert len(found) == 2 * 2
  above = statistics.looks_of(pd.DataFrame(rows), ", other")
  assert (above["kept_accuracy"] == looks["kept_accuracy"] + 1).all()
  np.testing.assert_allclose(
    found.groupby("base_seed")["separability"].mean(),
    modular_cut[Cut().names[0]],
  )


def test_differences_are_of_own_less_other_and_of_the_worse_one(trained):
  tests = EFFORT.sets(trained.pair, 8)["test"]
  network, params = trained.network, trained.params
  both = [dict(trained.truth[name]) for name in ("A", "B")]
  sub, ablated = one_sided.worse(
    one_sided.differences(network, params, both, tests)
  )

  def right(mask, task):
    kept = jax.vmap(masks.merge)(params, mask)
    return np.asarray(accuracy(network, kept, tests[task]))

  # What one block leaves is the other one.
  a = right(both[0], "odd_A") - right(both[0], "odd_B")
  b = right(both[1], "odd_B") - right(both[1], "odd_A")
  np.testing.assert_allclose(sub, np.minimum(a, b), atol=1e-6)
  np.testing.assert_allclose(ablated, np.minimum(a, b), atol=1e-6)
  assert (sub > 0.4).all()


def test_one_sided_names_tell_the_penalty():
  search = dataclasses.replace(OneSided().search, num_steps=8, penalty=0.5)
  params = SMALL.init(2, 0)
  sets = problems.sets(problems.Pair(), {"train": 64, "test": 20}, 0)
  found = OneSided(search).scores(SMALL, params, sets, seed=0)
  names = OneSided(search).names
  assert names == ("D_sub, penalty 0.5", "-D_abl, penalty 0.5")
  assert set(found) == {
    name + end for name in names for end in ("", one_sided.RANDOM_MASKS)
  }
  assert all(values.shape == (2,) for values in found.values())


def test_fisher_overlap_is_the_cosine_of_squared_gradients():
  params = SMALL.init(2, 0)
  sets = problems.sets(problems.Pair(), {"train": 6, "test": 1}, 0)
  found = Fisher(4).scores(SMALL, params, sets, seed=0)[Fisher.names[0]]
  row = trees.row(params, 1)
  importance = []
  for task in ("A", "B"):
    squares = 0
    for problem in sets["train"][task]["bits"][:4]:

      def loss(params, bits=problem):
        items = SMALL.embed(params, jnp.asarray(bits))
        unit = items / jnp.linalg.norm(items, axis=1, keepdims=True)
        scores = -unit @ unit.sum(axis=0)
        return -jax.nn.log_softmax(scores)[-1]

      gradient = jax.grad(loss)(row)
      squares += np.concatenate(
        [np.ravel(layer["kernel"]) ** 2 for layer in gradient.values()]
      )
    importance.append(squares)
  first, second = importance
  cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
  assert found[1] == pytest.approx(1 - cosine, abs=1e-3)
