"""Which task, split, seed and key every step uses, where experiments differ.

As in `test_wiring`: of add_mul, whose masks read a part of the problems; of
SCAN, whose loss draws at random and whose masks have data sets of their own.
"""

import chex
import numpy as np
import pytest

from structcomp_jax import trees
from structcomp_jax.io import mask_files
from structcomp_jax.pipeline import base_networks, run
from structcomp_jax.pipeline.study import fresh_params
from structcomp_jax.studies.are_nets_modular.arithmetic import random_halves
from structcomp_jax.tasks.scan import vocabulary
from tests.golden import roads

from . import recomputed, toy

# The bytes of a stored table depend on how programs are compiled.
pytestmark = pytest.mark.usefixtures("usual_compiler")

BASE_SEED, MASK_SEED, BETA = 3, 1, 8e-5
# Masks are searched in the first regime. What `scratch` learns: `test_wiring`.
REGIMES = {"add_mul": ("random_init",), "scan": ("random_init", "only_jump")}
SUBROUTINES = {
  "add_mul": ("control", "add", "mul"),
  "scan": ("control", "jump", "length", "turn_left"),
}
CASES = [(name, one) for name, them in SUBROUTINES.items() for one in them]


@pytest.fixture(scope="module")
def works(tmp_path_factory):
  """{experiment: after its steps}, with one network and one mask of each."""
  made = {}
  for name, regimes in REGIMES.items():
    config = toy.make_config(name, regimes=regimes, base_seeds=(BASE_SEED,))
    config.search.update({"seeds": (MASK_SEED,), "betas": (BETA,)})
    made[name] = toy.take_steps(
      toy.make_experiment(config, tmp_path_factory.mktemp(name))
    )
  return made


@pytest.fixture(scope="module")
def tables(works):
  return {
    (experiment, name): recomputed.read(work, name)
    for experiment, work in works.items()
    for name in work.study.tables
  }


def params_of(work, regime="random_init"):
  return base_networks.load(work, regime, BASE_SEED)


def test_networks_of_one_task_learn_that_alone(works):
  work = works["scan"]
  domain = work.study.domain
  key = toy.purpose_key(recomputed.INIT, BASE_SEED)
  start = fresh_params(domain.network, key)
  chex.assert_trees_all_equal(params_of(work, "random_init"), start)
  found = recomputed.train(
    domain,
    "jump",
    {BASE_SEED: start},
    draw_key=toy.purpose_key(recomputed.DRAWS),
  )
  chex.assert_trees_all_close(
    params_of(work, "only_jump"), found[BASE_SEED], **recomputed.CLOSE
  )


@pytest.mark.parametrize(("experiment", "subroutine"), CASES)
def test_masks_learn_their_own_task(works, experiment, subroutine):
  work = works[experiment]
  found = recomputed.search_masks(
    work.study.domain,
    params_of(work),
    subroutine,
    BASE_SEED,
    seeds=(MASK_SEED,),
    betas=(BETA,),
  )
  ((columns, mask, logits),) = recomputed.stored_masks(
    work, "random_init", BASE_SEED, subroutine
  )
  assert columns["mask_seed"] == MASK_SEED
  kept = np.concatenate([leaf.ravel() for leaf in mask.values()])
  assert 0.02 < kept.mean() < 0.98
  for path, leaf in trees.row(found.mask_logits, 0).items():
    np.testing.assert_allclose(logits[path], leaf, atol=1e-3)
    np.testing.assert_array_equal(mask[path], logits[path] > 0)


def networks_of(works, experiment, subroutine):
  """Returns {ablation: what stays} of the mask of a subroutine."""
  work = works[experiment]
  masks = {}
  for name in ("control", subroutine):
    ((_, masks[name], _),) = recomputed.stored_masks(
      work, "random_init", BASE_SEED, name
    )
  mask, control = masks[subroutine], masks["control"]
  ones = {path: np.ones(leaf.shape, bool) for path, leaf in mask.items()}
  found = {"none": mask, "zero": recomputed.inverse(mask)}
  halves = (
    {"early": ["layer_0/kernel", "layer_1/kernel"]}
    if experiment == "add_mul"
    else random_halves(list(mask))
  )
  if subroutine == "control":
    for name, half in halves.items():
      inside = {path: mask[path] for path in half}
      outside = {path: mask[path] for path in mask if path not in half}
      found |= {f"half_{name}": ones | inside, f"rest_{name}": ones | outside}
  elif experiment == "add_mul":
    ends = ("layer_0/kernel", "output/kernel")
    for name, instead in (("control", control), ("free", ones)):
      found[f"zero_io_{name}"] = recomputed.inverse(
        mask, **{path: instead[path] for path in ends}
      )
  return found


@pytest.mark.parametrize(("experiment", "subroutine"), CASES)
def test_results_are_those_of_the_test_problems(
  works, tables, experiment, subroutine
):
  work = works[experiment]
  params = params_of(work)
  recomputed.assert_table_of_masks(
    work.study.domain,
    recomputed.rows_of(tables[experiment, "results"], subroutine=subroutine),
    {
      ablation: (params, stays)
      for ablation, stays in networks_of(works, experiment, subroutine).items()
    },
    {
      "experiment": experiment,
      "regime": "random_init",
      "mask_seed": MASK_SEED,
      "beta": BETA,
      "penalty": BETA / 8,
    },
  )


@pytest.mark.parametrize(
  ("experiment", "regime"),
  [(name, regime) for name, regimes in REGIMES.items() for regime in regimes],
)
def test_dense_rows_are_those_of_the_network(works, tables, experiment, regime):
  work = works[experiment]
  rows = recomputed.rows_of(
    tables[experiment, "results"], regime=regime, subroutine=""
  )
  recomputed.assert_network(
    work.study.domain, rows, params_of(work, regime), {"ablation": "none"}
  )


def test_a_network_of_one_task_has_no_masks(works, tables):
  work = works["scan"]
  assert not work.paths.found_masks("only_jump")
  assert work.paths.found_masks("random_init")
  for name in set(work.study.tables) - {"results"}:
    assert set(tables["scan", name]["regime"]) <= {"random_init"}
  rows = recomputed.rows_of(tables["scan", "results"], regime="only_jump")
  assert set(rows["subroutine"]) == {""}
  assert not rows["l0"].notna().any()


def test_answers_are_sums_or_products_whatever_was_asked(tables):
  """Of 7 test problems each; those of an untrained network are neither."""
  rows = tables["add_mul", "results"]
  assert rows[["is_sum", "is_product"]].notna().all(axis=None)
  assert set(rows["num_problems"]) == {7}
  added = recomputed.rows_of(rows, test_task="add")
  assert (added["accuracy"] == added["is_sum"]).all()
  multiplied = recomputed.rows_of(rows, test_task="mul")
  assert (multiplied["accuracy"] == multiplied["is_product"]).all()


def test_random_halves_are_fixed_and_not_all():
  paths = [f"leaf_{number}" for number in range(5)]
  halves = random_halves(paths)
  assert list(halves) == [f"random_{number}" for number in range(5)]
  assert {len(half) for half in halves.values()} == {3}
  assert len({frozenset(half) for half in halves.values()}) == 5
  assert random_halves(paths[::-1]) == halves
  # There are but three halves of three leaves.
  assert len(random_halves(paths[:3])) == 3


@pytest.mark.parametrize("subroutine", SUBROUTINES["scan"])
def test_units_of_the_output_count_what_they_lose(works, tables, subroutine):
  masks = [
    recomputed.stored_masks(works["scan"], "random_init", BASE_SEED, name)[0][1]
    for name in (subroutine, "control")
  ]
  mask, control = (one["decoder/output/kernel"] for one in masks)
  rows = recomputed.rows_of(
    tables["scan", "outputs"], subroutine=subroutine, mask_seed=MASK_SEED
  )
  assert list(rows["output"]) == [*vocabulary.ACTION_WORDS, "EOS"]
  for unit, row in enumerate(rows.to_dict("records")):
    recomputed.assert_record(
      row,
      {
        "size": 3,
        "kept": mask[:, unit].sum(),
        "control_kept": control[:, unit].sum(),
        "lost": (control[:, unit] & ~mask[:, unit]).sum(),
        "beta": BETA,
      },
    )


@pytest.mark.parametrize(
  ("experiment", "table"),
  [
    ("add_mul", "results"),
    ("add_mul", "overlaps"),
    ("scan", "results"),
    ("scan", "outputs"),
  ],
)
def test_table_is_the_stored_one(works, experiment, table, request):
  work = works[experiment]
  roads.check(
    work.paths.table(table),
    f"{experiment}_toy",
    work.study.tables[table],
    request,
  )


@pytest.mark.parametrize("experiment", REGIMES)
def test_parts_are_made_again_where_the_control_mask_is_another(
  works, tables, experiment
):
  """All that compares a mask with it, and nothing else, changes."""
  work = works[experiment]
  path = work.paths.masks("random_init", BASE_SEED, "control") / "masks.npz"
  before = path.read_bytes()
  stacked, columns = mask_files.load(path)
  other = {name: ~np.asarray(leaf) for name, leaf in stacked.items()}
  other_task = SUBROUTINES[experiment][1]
  try:
    mask_files.save(
      path,
      other,
      fingerprint=work.fingerprint("random_init", BASE_SEED),
      metadata=columns,
      stacked=True,
    )
    run.evaluate(work)
    found = {
      name: recomputed.rows_of(
        recomputed.read(work, name), subroutine=other_task
      )
      for name in ("results", "outputs")
    }
  finally:
    path.write_bytes(before)
  run.evaluate(work)
  for name in ("results", "outputs"):
    now = recomputed.read(work, name)
    assert now.equals(tables[experiment, name])
  if experiment == "scan":
    rows = found["outputs"].reset_index()
    assert (
      rows["control_kept"]
      == rows["size"]
      - recomputed.rows_of(
        tables["scan", "outputs"], subroutine=other_task
      ).reset_index()["control_kept"]
    ).all()
  else:
    old = recomputed.rows_of(
      tables["add_mul", "results"], subroutine=other_task
    )
    changed = old["l0"].to_numpy() != found["results"]["l0"].to_numpy()
    assert set(old["ablation"][changed]) == {"zero_io_control"}
