"""Planted masks: whose matrices, heads and neurons are is known."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from structcomp_jax.structure import anatomy

NAMES = ("subject", "verb")
WIDTH, NUM_HEADS = 32, 4
QUERY, OUTPUT, INNER = "att/query", "att/output", "inner"
HEADS = [anatomy.Heads("att", NUM_HEADS, {QUERY: -1, OUTPUT: 0})]
SHAPES = {QUERY: (WIDTH, WIDTH), OUTPUT: (WIDTH, WIDTH), INNER: (WIDTH, 64)}


def random(density, rng):
  return {path: rng.random(shape) < density for path, shape in SHAPES.items()}


def compare(*pairs, heads=HEADS):
  return anatomy.compare(list(pairs), NAMES, heads)


def owners(table, unit):
  """Returns {(place, index): owner} of the units that belong to one."""
  rows = table[(table["unit"] == unit) & (table["belongs"] != "")]
  keys = zip(rows["place"], rows["index"], strict=True)
  return dict(zip(keys, rows["belongs"], strict=True))


def head(mask, number, value):
  """Returns the mask with one head kept or removed as a whole."""
  part = slice(number * WIDTH // NUM_HEADS, (number + 1) * WIDTH // NUM_HEADS)
  found = {path: leaf.copy() for path, leaf in mask.items()}
  found[QUERY][:, part] = value
  found[OUTPUT][part] = value
  return found


def test_one_head_is_found_and_no_other():
  rng = np.random.default_rng(0)
  first, second = random(0.5, rng), random(0.5, rng)
  table = compare((head(first, 2, True), head(second, 2, False)))
  assert owners(table, "head") == {("att", 2): "subject"}
  turned = compare((head(first, 1, False), head(second, 1, True)))
  assert owners(turned, "head") == {("att", 1): "verb"}


def test_the_numbers_of_a_head_are_those_of_its_columns_and_rows():
  rng = np.random.default_rng(1)
  first, second = random(0.6, rng), random(0.3, rng)
  table = compare((first, second))
  part = slice(WIDTH // NUM_HEADS, 2 * WIDTH // NUM_HEADS)
  row = table[(table["unit"] == "head") & (table["index"] == 1)].iloc[0]
  inside = {QUERY: np.s_[:, part], OUTPUT: np.s_[part]}
  size = sum(first[path][where].size for path, where in inside.items())
  kept = sum(first[path][where].sum() for path, where in inside.items())
  only, either, expected = 0, 0, 0.0
  for path, where in inside.items():
    alone, differs = first[path] & ~second[path], first[path] ^ second[path]
    only += alone[where].sum()
    either += differs[where].sum()
    expected += differs[where].sum() * alone.sum() / differs.sum()
  assert row["size"] == size == 2 * WIDTH * WIDTH // NUM_HEADS
  assert row["first_kept"] == pytest.approx(kept / size)
  assert row["share"] == pytest.approx(only / either)
  assert row["expected"] == pytest.approx(expected / either)


def test_one_neuron_is_found():
  rng = np.random.default_rng(2)
  first, second = random(0.5, rng), random(0.5, rng)
  first[INNER][:, 7], second[INNER][:, 7] = True, False
  assert owners(compare((first, second)), "neuron") == {(INNER, 7): "subject"}


def test_one_matrix_is_found():
  rng = np.random.default_rng(3)
  first, second = random(0.5, rng), random(0.5, rng)
  first[OUTPUT][:], second[OUTPUT][:] = False, True
  assert owners(compare((first, second)), "matrix")[OUTPUT, -1] == "verb"


def test_equal_masks_own_nothing():
  mask = random(0.4, np.random.default_rng(4))
  table = compare((mask, mask))
  assert (table["belongs"] == "").all()
  assert (table["p"] == 1).all()
  assert table["share"].isna().all()
  np.testing.assert_array_equal(table["first_kept"], table["second_kept"])


def test_a_cut_that_follows_the_heads():
  """The sides of a cut are disjoint, and every weight is on one of them."""
  kept = {path: np.zeros(shape, bool) for path, shape in SHAPES.items()}
  kept = head(head(kept, 0, True), 3, True)
  kept[INNER][:, ::2] = True
  rest = {path: ~leaf for path, leaf in kept.items()}
  table = compare((kept, rest))
  assert owners(table, "head") == {
    ("att", 0): "subject",
    ("att", 1): "verb",
    ("att", 2): "verb",
    ("att", 3): "subject",
  }
  inner = {
    index: owner
    for (place, index), owner in owners(table, "neuron").items()
    if place == INNER
  }
  assert inner == {index: NAMES[index % 2] for index in range(64)}
  np.testing.assert_allclose(table["first_kept"] + table["second_kept"], 1)


@pytest.mark.parametrize("densities", [(0.5, 0.5), (0.6, 0.1), (0.03, 0.01)])
def test_random_masks_own_nothing(densities):
  rng = np.random.default_rng(5)
  found = [
    compare(tuple(random(density, rng) for density in densities))
    for _ in range(15)
  ]
  table = pd.concat(found)
  assert (table["belongs"] != "").mean() < 0.001
  # p-values of discrete numbers are not too small; each is 5 % at most.
  assert (table["p"] <= 0.05).mean() < 0.06


def test_a_small_difference_is_significant_but_does_not_belong():
  rng = np.random.default_rng(6)
  first = {"big": rng.random((400, 400)) < 0.5}
  second = {"big": ~first["big"]}
  first["big"][:, :200] = rng.random((400, 200)) < 0.55
  second["big"] = ~first["big"]
  layer = [anatomy.Heads("att", 2, {"big": -1})]
  table = compare((first, second), heads=layer)
  heads = table[table["unit"] == "head"]
  assert (heads["p"] < 1e-6).all()
  assert (heads["belongs"] == "").all()


def test_what_another_seed_does_not_show_does_not_belong():
  rng = np.random.default_rng(7)
  pairs = [(random(0.5, rng), random(0.5, rng)) for _ in range(2)]
  shown, other = (
    (head(first, 2, True), head(second, 2, False)) for first, second in pairs
  )
  against = (head(other[0], 2, False), head(other[1], 2, True))
  assert owners(compare(shown, other), "head") == {("att", 2): "subject"}
  assert not owners(compare(shown, pairs[1]), "head")
  assert not owners(compare(shown, against), "head")
  assert (compare(shown, other)["num_pairs"] == 2).all()


def test_p_of_one_matrix_is_the_exact_test():
  """A neuron of 4 of whose 5 weights 4 are the first mask's, of 8 in 20."""
  first = np.zeros((5, 4), bool)
  first[:4, 0], first[:2, 1], first[:2, 2] = True, True, True
  table = anatomy.compare([({"a": first}, {"a": ~first})], NAMES)
  row = table[(table["unit"] == "neuron") & (table["index"] == 0)].iloc[0]
  upper = sum(stats.hypergeom.pmf(count, 20, 8, 5) for count in (4, 5))
  assert row["p"] == pytest.approx(2 * upper)
  assert row["noise"] == pytest.approx(stats.hypergeom.std(20, 8, 5) / 5)


def test_p_of_a_head_is_that_of_a_sum_over_matrices():
  rng = np.random.default_rng(8)
  first = {path: rng.random((6, 6)) < 0.5 for path in ("q", "o")}
  second = {path: rng.random((6, 6)) < 0.4 for path in ("q", "o")}
  layer = [anatomy.Heads("att", 3, {"q": -1, "o": 0})]
  table = anatomy.compare([(first, second)], NAMES, layer)
  row = table[(table["unit"] == "head") & (table["index"] == 2)].iloc[0]
  drawn, observed = 0, 0
  for path, where in (("q", np.s_[:, 4:]), ("o", np.s_[4:])):
    differs = first[path] ^ second[path]
    alone = (first[path] & ~second[path])[differs]
    observed += (first[path] & ~second[path])[where].sum()
    shuffled = rng.permuted(np.tile(alone, (40_000, 1)), axis=1)
    drawn = drawn + shuffled[:, : differs[where].sum()].sum(1)
  tails = (drawn <= observed).mean(), (drawn >= observed).mean()
  assert row["p"] == pytest.approx(min(1, 2 * min(tails)), abs=0.02)


def test_heads_without_a_mask_or_an_axis_take_no_part():
  by_neuron = {QUERY: np.ones((1, WIDTH), bool), OUTPUT: np.ones((1, 6), bool)}
  table = compare((by_neuron, by_neuron))
  heads = table[table["unit"] == "head"]
  assert (heads["size"] == WIDTH // NUM_HEADS).all()
  only = {INNER: np.ones((3, 3), bool)}
  assert "head" not in set(compare((only, only))["unit"])
  assert compare().empty


def test_only_leaves_of_both_masks_are_compared():
  rng = np.random.default_rng(9)
  first, second = random(0.5, rng), random(0.5, rng)
  del second[QUERY], first[OUTPUT]
  assert set(compare((first, second))["place"]) == {INNER}


def test_the_share_that_belongs_is_counted_in_every_network():
  rows = pd.DataFrame(
    {
      "unit": "neuron",
      "base_seed": [0, 0, 0, 0, 1, 1],
      "belongs": ["subject", "verb", "", "", "", "subject"],
    }
  )
  found = anatomy.belonging(rows, ["unit"])
  assert found["belonging"].to_list() == [0.5, 0.5]
  assert found["num_units"].to_list() == [4, 2]
  found = anatomy.belonging(rows, ["unit"], ["verb"])
  assert found["belonging"].to_list() == [0.25, 0]
