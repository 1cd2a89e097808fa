"""Which masks and cuts are compared, and what planted ones say."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from structcomp_jax.report import workdir
from structcomp_jax.structure import overlap
from structcomp_jax.studies.break_it_down import attention
from structcomp_jax.studies.break_it_down.columns import SCHEMAS
from structcomp_jax.studies.break_it_down.findings import (
  collect,
  places,
  task_difference,
)
from structcomp_jax.types import UserError
from tests.studies.break_it_down import planted_masks, synthetic


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
  return planted_masks.write(tmp_path_factory.mktemp("planted") / "run")


def compare(path, **changes):
  one = dataclasses.replace(workdir.read(path, SCHEMAS), **changes)
  differences = task_difference.task_differences(
    one.results, base_threshold=0.9
  )
  return places.compare(one, differences)


@pytest.fixture(scope="module")
def compared(planted):
  """Returns (overlaps, anatomy)."""
  return compare(planted)


def test_every_pair_of_one_network_is_compared_once(compared):
  overlaps, _ = compared
  assert set(overlaps["leaf"]) == set(planted_masks.LEAVES)
  pairs = overlaps[overlaps["leaf"] == planted_masks.LEAVES[0]]
  counts = pairs.groupby(["regime", "base_seed"])["kind"].value_counts()
  expected = {
    # Two masks of each of two subroutines, and two cuts that went on.
    places.SAME: 2,
    places.DIFFERENT: 4,
    places.SAME_SIDE: 2,
    places.OWN_SIDE: 8,
    places.OTHER_SIDE: 8,
  }
  for regime in ("scratch", "random_init"):
    for base_seed in range(planted_masks.NUM_BASES):
      assert counts[regime, base_seed].to_dict() == expected
  assert overlaps[["first_candidate", "second_candidate"]].max().max() == 1
  assert not pairs.duplicated([*places.PAIR]).any()


def test_counts_are_those_of_the_masks(compared):
  overlaps, _ = compared
  rows = overlaps[
    (overlaps["regime"] == "scratch")
    & (overlaps["base_seed"] == 1)
    & (overlaps["leaf"] == planted_masks.LEAVES[2])
  ]
  first, second = (
    planted_masks.mask(seed)[planted_masks.LEAVES[2]] for seed in (101, 110)
  )
  of_masks = rows[
    (rows["kind"] == places.DIFFERENT)
    & (rows["first_candidate"] == 1)
    & (rows["second_candidate"] == 0)
  ].iloc[0]
  assert (of_masks["first"], of_masks["second"]) == ("subject", "verb")
  assert of_masks["size"] == first.size
  assert of_masks["first_kept"] == first.sum()
  assert of_masks["second_kept"] == second.sum()
  assert of_masks["both"] == (first & second).sum()
  removed = ~planted_masks.mask(1010)[planted_masks.LEAVES[2]]
  of_cut = rows[
    (rows["kind"] == places.OWN_SIDE)
    & (rows["first"] == "verb")
    & (rows["first_candidate"] == 0)
    & (rows["second_candidate"] == 0)
  ].iloc[0]
  assert of_cut["second"] == "verb"
  assert of_cut["both"] == (second & removed).sum()


def test_planted_masks_agree_with_their_side_and_avoid_the_other(compared):
  overlaps, _ = compared
  rows = overlap.with_chance(overlaps)
  pooled = overlap.with_shares(overlap.over_leaves(rows, places.PAIR))
  means = overlap.between_networks(pooled, ["regime", "kind"], ["excess"])
  excess = means.set_index(["regime", "kind"])["excess"]
  for kind in (places.SAME, places.SAME_SIDE, places.OWN_SIDE):
    assert excess["scratch", kind] > 0.5
    assert abs(excess["random_init", kind]) < 0.1
  for kind in (places.DIFFERENT, places.OTHER_SIDE):
    assert excess["scratch", kind] < -0.5
    assert abs(excess["random_init", kind]) < 0.1


def test_planted_heads_belong_to_their_subroutine(compared):
  _, table = compared
  heads = table[table["unit"] == "head"]
  found = heads.groupby(["regime", "compared", "index"])["belongs"].agg(set)
  for kind in (places.MASKS, places.CUT):
    assert found["scratch", kind, 0] == {"subject"}
    assert found["scratch", kind, 1] == {"verb"}
    assert found["random_init", kind, 0] == {""}
  for regime in ("scratch", "random_init"):
    for kind in (places.NONSENSE, places.REPEATED):
      assert found[regime, kind, 0] == found[regime, kind, 1] == {""}


def test_masks_are_compared_pair_by_pair(compared):
  _, table = compared
  rows = table[(table["unit"] == "head") & (table["index"] == 0)]
  assert rows.groupby("compared")["num_pairs"].unique().map(list).to_dict() == {
    places.MASKS: [2],
    places.CUT: [2],
    places.NONSENSE: [2],
    # Two masks of each subroutine are one pair.
    places.REPEATED: [1],
  }
  sides = rows[["compared", "first", "second"]].drop_duplicates()
  assert set(sides.itertuples(index=False, name=None)) == {
    (places.CUT, "subject", "verb"),
    (places.NONSENSE, "nonsense_0_kept", "nonsense_0_rest"),
    (places.MASKS, "subject", "verb"),
    (places.REPEATED, "subject, one search", "subject, another"),
    (places.REPEATED, "verb, one search", "verb, another"),
  }


def test_without_files_there_is_nothing(tmp_path):
  path = synthetic.write_workdir(tmp_path / "run")
  overlaps, table = compare(path)
  assert overlaps.empty
  assert table.empty


def test_one_mask_has_no_repetition_and_no_cuts_no_sides(tmp_path):
  path = planted_masks.write(tmp_path / "run", num_masks=1)
  (path / "cuts.csv").unlink()
  overlaps, table = compare(path)
  assert set(overlaps["kind"]) == {places.DIFFERENT}
  assert set(table["compared"]) == {places.MASKS}


def test_masks_that_the_file_does_not_hold_are_refused(planted):
  one = workdir.read(planted, SCHEMAS)
  one.results.loc[one.results["candidate"] == 1, "candidate"] = 3
  with pytest.raises(UserError, match=r"lacks masks .* launch\.evaluate"):
    collect.collect([one], base_threshold=0.9)


def test_masks_that_another_network_does_not_report_are_left_out(planted):
  one = workdir.read(planted, SCHEMAS)
  results = one.results
  is_one = (
    (results["regime"] == "scratch")
    & (results["base_seed"] == 1)
    & (results["subroutine"] == "verb")
    & (results["candidate"] == 0)
  )
  results = results.assign(selected=results["selected"] & ~is_one)
  overlaps, _ = compare(planted, tables={**one.tables, "results": results})
  pairs = overlaps[overlaps["leaf"] == planted_masks.LEAVES[0]]
  pairs = pairs[pairs["kind"] == places.DIFFERENT]
  counts = pairs.groupby(["regime", "base_seed"]).size()
  assert counts.to_dict() == {
    ("random_init", 0): 4,
    ("random_init", 1): 4,
    ("scratch", 0): 4,
    ("scratch", 1): 2,
  }
  left = pairs[(pairs["regime"] == "scratch") & (pairs["base_seed"] == 1)]
  assert set(left["second_candidate"]) == {1}


def test_the_first_directory_holds_for_a_regime_of_both(planted, tmp_path):
  runs = []
  for name in ("scratch", "pruned"):
    path = planted_masks.write(tmp_path / name)
    results = pd.read_csv(path / "results.csv")
    results["regime"] = results["regime"].replace("scratch", name)
    results.to_csv(path / "results.csv", index=False)
    synthetic.add_to_config(path, regimes=[name, "random_init"])
    (path / "cuts.csv").unlink()
    runs.append(workdir.read(path, SCHEMAS))
  (found,) = collect.collect(runs, base_threshold=0.9)
  for table in (found.overlaps, found.anatomy):
    assert list(dict.fromkeys(table["regime"])) == [
      "scratch",
      "random_init",
      "pruned",
    ]
    counts = table.groupby("regime").size()
    assert counts["scratch"] == counts["pruned"] == counts["random_init"]


def test_heads_of_a_checkpoint_are_its_own(tmp_path):
  sizes = {"sizes": {"num_heads": 8}}
  assert attention.num_heads(sizes) == 8
  assert attention.num_heads({}) is None
  gone = {**sizes, "family": "bert", "checkpoint": str(tmp_path / "gone")}
  assert attention.num_heads(gone) is None
  assert attention.heads(gone, planted_masks.LEAVES) == []
  (found,) = attention.heads(sizes, planted_masks.LEAVES)
  assert (found.place, found.count) == ("layer_0/attention", 8)
  assert found.axes == {planted_masks.LEAVES[0]: 0, planted_masks.LEAVES[1]: -1}


def test_heads_of_a_checkpoint_that_is_there(tmp_path, monkeypatch):
  monkeypatch.setattr(
    attention.hugging_face,
    "read_sizes",
    lambda directory: dataclasses.make_dataclass("S", ["num_heads"])(
      12 if directory == "here" else 0
    ),
  )
  model = {
    "family": "bert", "checkpoint": "here", "sizes": {"num_heads": 8},
  }  # fmt: skip
  assert attention.num_heads(model) == 12


def test_arrays_are_numpy_s(planted):
  """A report computes nothing with JAX: masks may be large."""
  file = planted / "masks" / "seed_0" / "verb" / "masks.npz"
  (one,) = places._read(file, [1], "verb")
  assert all(type(leaf) is np.ndarray for leaf in one.mask.values())
