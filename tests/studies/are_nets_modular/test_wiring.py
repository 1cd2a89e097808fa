"""Which task, split, seed and key every step uses: double addition.

Two base networks in three regimes go the road on made-up problems. Everything
that is stored is computed again here on one device, network by network, with
keys written out; the experiment itself ran on all eight.
"""

import itertools

import chex
import jax
import numpy as np
import pytest

from structcomp_jax import masks, trees
from structcomp_jax.io import files, mask_files, metrics
from structcomp_jax.pipeline import base_networks, run
from structcomp_jax.pipeline.study import fresh_params
from tests.golden import roads
from tests.search import compilations

from . import recomputed, toy

REGIMES = ("scratch", "copy_weight", "random_init")
BASE_SEEDS, MASK_SEEDS, BETAS = (3, 5), (0, 2), (8e-6, 8e-4)
SUBROUTINES = ("control", "pair_1", "pair_2")
NETWORKS = list(itertools.product(REGIMES, BASE_SEEDS))
CASES = [(*one, name) for one in NETWORKS for name in SUBROUTINES]
ONE_DEVICE = jax.devices()[:1]
# What is masked where inverse masks leave the ends to others.
ENDS = ("layer_0/kernel", "output/kernel")


@pytest.fixture(scope="module")
def domain(work):
  return work.study.domain


@pytest.fixture(scope="module")
def networks(work):
  """{(regime, base seed): weights on disk}."""
  return {one: base_networks.load(work, *one) for one in NETWORKS}


@pytest.fixture(scope="module")
def tables(work):
  return {name: recomputed.read(work, name) for name in work.study.tables}


# Base networks.


@pytest.mark.parametrize("base_seed", BASE_SEEDS)
def test_the_control_is_the_network_before_its_training(
  domain, networks, base_seed
):
  key = toy.purpose_key(recomputed.INIT, base_seed)
  start = fresh_params(domain.network, key)
  chex.assert_trees_all_equal(networks["random_init", base_seed], start)


def test_base_networks_learn_the_whole_task(domain, networks):
  starts = {seed: networks["random_init", seed] for seed in BASE_SEEDS}
  trained = recomputed.train(domain, "all", starts, devices=ONE_DEVICE)
  for seed, params in trained.items():
    chex.assert_trees_all_close(
      networks["scratch", seed], params, **recomputed.CLOSE
    )
    chex.assert_trees_all_equal(
      networks["copy_weight", seed], domain.copied(networks["scratch", seed])
    )


# Masks.


@pytest.mark.parametrize("case", CASES, ids=str)
def test_masks_learn_their_own_task(work, domain, networks, case):
  regime, base_seed, subroutine = case
  params = networks[regime, base_seed]
  before = jax.device_get(params)
  found = recomputed.search_masks(
    domain,
    params,
    subroutine,
    base_seed,
    seeds=MASK_SEEDS,
    betas=BETAS,
    devices=ONE_DEVICE,
  )
  # No bit of the network has changed (acceptance check 5).
  chex.assert_trees_all_equal(jax.device_get(params), before)
  stored = recomputed.stored_masks(work, *case)
  settings = [
    {"mask_seed": seed, "penalty": np.float32(beta / 8), "finite": True}
    for beta in BETAS
    for seed in MASK_SEEDS
  ]
  directory = work.paths.masks(*case)
  history = metrics.read(directory / "metrics.jsonl")
  assert files.read_done(directory)["fingerprint"] == trees.fingerprint(params)
  for row, (columns, mask, logits) in enumerate(stored):
    recomputed.assert_record(columns, settings[row])
    for path, leaf in trees.row(found.mask_logits, row).items():
      np.testing.assert_allclose(logits[path], leaf, atol=1e-3)
      np.testing.assert_array_equal(mask[path], logits[path] > 0)
    mine = [line for line in history if line["candidate"] == row]
    expected = [line for line in found.history if line["candidate"] == row]
    assert [line["step"] for line in mine] == [3, 6]
    for line, other in zip(mine, expected, strict=True):
      for name in ("train/loss", "validation/hard/loss"):
        assert line[name] == pytest.approx(float(other[name]), rel=1e-3)
  # Masks of other seeds and penalties are others.
  pruned = [
    sum((~leaf).sum() for leaf in mask.values()) for _, mask, _ in stored
  ]
  assert len(set(pruned)) > 1


# Tables.


def partner_of(work, case, columns):
  """Returns the control mask of the same seed and penalty."""
  for other, mask, _ in recomputed.stored_masks(work, *case[:2], "control"):
    if all(other[name] == columns[name] for name in ("mask_seed", "penalty")):
      return mask
  raise AssertionError(columns)


def networks_of(work, case, columns, mask):
  """Returns {ablation: what stays} of one mask."""
  ones = {path: np.ones(leaf.shape, bool) for path, leaf in mask.items()}
  found = {"none": mask, "zero": recomputed.inverse(mask)}
  if case[2] == "control":
    # Of three leaves the first floor(3 / 2).
    early = {"layer_0/kernel": mask["layer_0/kernel"]}
    late = {path: leaf for path, leaf in mask.items() if path not in early}
    return found | {"half_early": ones | early, "rest_early": ones | late}
  control = partner_of(work, case, columns)
  return found | {
    "zero_io_control": recomputed.inverse(
      mask, **{path: control[path] for path in ENDS}
    ),
    "zero_io_free": recomputed.inverse(
      mask, **{path: ones[path] for path in ENDS}
    ),
  }


def common_of(case, columns, row):
  beta = BETAS[row // len(MASK_SEEDS)]
  return {
    "experiment": "double_addition",
    "model": "toy",
    "learning_rate": 0.05,
    "mask_init": 0.1,
    "penalty": beta / 8,
    "beta": beta,
    "masked_from": "0",
    "is_sum": np.nan,
    "candidate": row,
    "mask_seed": MASK_SEEDS[row % len(MASK_SEEDS)],
  }


def rows_of_case(table, case, **more):
  regime, base_seed, subroutine = case
  return recomputed.rows_of(
    table, regime=regime, base_seed=base_seed, subroutine=subroutine, **more
  )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_results_are_those_of_the_test_problems(
  work, domain, networks, tables, case
):
  params = networks[case[:2]]
  rows = rows_of_case(tables["results"], case)
  stored = recomputed.stored_masks(work, *case)
  assert list(dict.fromkeys(rows["candidate"])) == list(range(len(stored)))
  for row, (columns, mask, _) in enumerate(stored):
    recomputed.assert_table_of_masks(
      domain,
      recomputed.rows_of(rows, candidate=row),
      {
        ablation: (params, stays)
        for ablation, stays in networks_of(work, case, columns, mask).items()
      },
      common_of(case, columns, row),
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_controls_are_random_masks_of_the_same_sizes(
  work, domain, networks, tables, case
):
  params = networks[case[:2]]
  rows = rows_of_case(tables["controls"], case)
  assert set(rows["control"]) == {"random_matched"}
  index = SUBROUTINES.index(case[2])
  for row, (columns, mask, _) in enumerate(
    recomputed.stored_masks(work, *case)
  ):
    key = toy.purpose_key(
      recomputed.CONTROL, case[1], index, columns["mask_seed"]
    )
    drawn = masks.random_like(mask, key)
    recomputed.assert_table_of_masks(
      domain,
      recomputed.rows_of(rows, candidate=row),
      {
        "none": (params, drawn),
        "zero": (params, recomputed.inverse(drawn)),
      },
      common_of(case, columns, row),
    )


@pytest.mark.parametrize(("regime", "base_seed"), NETWORKS)
def test_dense_rows_are_those_of_the_network(
  domain, networks, tables, regime, base_seed
):
  recomputed.assert_network(
    domain,
    rows_of_case(tables["results"], (regime, base_seed, "")),
    networks[regime, base_seed],
    {"ablation": "none", "l0": np.nan, "beta": np.nan, "candidate": np.nan},
  )


def test_densities_are_those_of_the_masks(work, tables):
  names = ["regime", "base_seed", "subroutine", "candidate", "leaf"]
  found = tables["densities"].set_index(names)[["kept", "size"]]
  expected = {
    (*case, row, path): (leaf.sum(), leaf.size)
    for case in CASES
    for row, (_, mask, _) in enumerate(recomputed.stored_masks(work, *case))
    for path, leaf in mask.items()
  }
  assert dict(zip(found.index, map(tuple, found.to_numpy()), strict=True)) == (
    expected
  )


@pytest.mark.parametrize(("regime", "base_seed"), NETWORKS)
def test_overlaps_count_what_two_masks_of_one_penalty_keep(
  work, tables, regime, base_seed
):
  every = [
    (subroutine, row, *one)
    for subroutine in SUBROUTINES
    for row, one in enumerate(
      recomputed.stored_masks(work, regime, base_seed, subroutine)
    )
  ]
  expected = []
  for one, other in itertools.combinations(every, 2):
    (first, row, columns, mask, _), (second, other_row, more, against, _) = (
      one,
      other,
    )
    if row // 2 != other_row // 2:  # of another penalty
      continue
    expected += [
      {
        "first": first,
        "first_seed": columns["mask_seed"],
        "second": second,
        "second_seed": more["mask_seed"],
        "beta": BETAS[row // 2],
        "leaf": path,
        "size": mask[path].size,
        "first_kept": mask[path].sum(),
        "second_kept": against[path].sum(),
        "both": (mask[path] & against[path]).sum(),
      }
      for path in sorted(mask)
    ]
  found = recomputed.rows_of(
    tables["overlaps"], regime=regime, base_seed=base_seed
  )
  # 6 masks of each penalty.
  assert len(found) == len(expected) == 2 * 15 * 3
  for row, wanted in zip(found.to_dict("records"), expected, strict=True):
    recomputed.assert_record(row, wanted)


@pytest.mark.parametrize("case", CASES[:6], ids=str)
def test_histograms_count_logits(work, tables, case):
  for row, (columns, _, logits) in enumerate(
    recomputed.stored_masks(work, *case)
  ):
    kept = np.concatenate(
      [
        1 / (1 + np.exp(-leaf.ravel().astype(float)))
        for leaf in logits.values()
      ]
    )
    counts = np.bincount((kept * 500).astype(int), minlength=500)
    found = rows_of_case(
      tables["histograms"],
      case,
      mask_seed=columns["mask_seed"],
      beta=BETAS[row // 2],
    )
    assert dict(zip(found["bin"], found["count"], strict=True)) == {
      place: count for place, count in enumerate(counts) if count
    }


def test_units_of_arithmetic_are_not_counted(tables):
  assert tables["outputs"].empty


def test_a_control_mask_that_stopped_takes_away_what_needs_it_alone(
  work, tables
):
  case = ("scratch", 3, "control")
  path = work.paths.masks(*case) / "masks.npz"
  before = path.read_bytes()
  stacked, columns = mask_files.load(path)
  try:
    mask_files.save(
      path,
      stacked,
      fingerprint=work.fingerprint(*case[:2]),
      metadata=columns | {"finite": [True, False, True, True]},
      stacked=True,
    )
    # All masks are tested again, in one program.
    work.paths.evaluation(*case[:2]).unlink()
    run.evaluate(work)
    found = {name: recomputed.read(work, name) for name in tables}
  finally:
    path.write_bytes(before)
  run.evaluate(work)
  for name, table in tables.items():
    assert recomputed.read(work, name).equals(table)
  results = tables["results"]
  is_first = (results["regime"] == "scratch") & (results["base_seed"] == 3)
  is_lost = (
    is_first
    & (results["candidate"] == 1)
    & (
      (results["subroutine"] == "control")
      | (results["ablation"] == "zero_io_control")
    )
  )
  # Four networks, and two of other subroutines, on two test tasks.
  assert is_lost.sum() == (4 + 2) * 2
  assert results[~is_lost].reset_index(drop=True).equals(found["results"])
  assert len(found["overlaps"]) == len(tables["overlaps"]) - 5 * 3


# All of it again.


def test_results_are_the_stored_ones(work, request):
  roads.check(
    work.paths.table("results"),
    "double_addition_toy",
    work.study.tables["results"],
    request,
  )


def test_a_second_run_compiles_nothing_and_stores_the_same(work, tmp_path):
  """Equal configs make equal networks, and those run the same programs."""
  jax.device_get(work.load("all", "train"))
  with compilations.counted() as names:
    again = toy.take_steps(toy.make_double_addition(tmp_path))
  assert names == []
  for name in work.study.tables:
    one, other = (which.paths.table(name) for which in (work, again))
    assert one.read_bytes() == other.read_bytes()
