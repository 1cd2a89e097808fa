"""Which task, split, seed and key every step uses.

Two base networks in three regimes go the whole road on made-up data sets, all
of which differ. Everything that is stored is computed again here from the data
it should come from, with keys written out, and must be the same.
"""

import json

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax import masks, search, training, trees
from structcomp_jax.io import files, mask_files, metrics, tables
from structcomp_jax.pipeline import base_networks, run, workplace
from structcomp_jax.pipeline.study import fresh_params
from structcomp_jax.studies.break_it_down.columns import SCHEMAS
from structcomp_jax.types import UserError

from . import toy

# One stream of draws per purpose: what was stored before must not change.
INIT, TRAINING, SEARCH, ABLATION, CONTROL, PRUNING = range(6)
REGIMES = ("scratch", "pruned", "random_init")
BASE_SEEDS = (3, 5)
MASK_SEEDS = (0, 2)
CASES = [(r, b, s) for r in REGIMES for b in BASE_SEEDS for s in (0, 1)]
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def purpose_key(*path):
  """Returns the base key 11 folded with all of `path`."""
  key = jax.random.key(11)
  for number in path:
    key = jax.random.fold_in(key, number)
  return key


def batch(task, split):
  return {"items": toy.make_problems(task, split)}


def read(work, name="results"):
  return tables.read(work.paths.table(name), SCHEMAS[name])


@pytest.fixture(scope="module")
def work(tmp_path_factory):
  """The experiment, after the whole road."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(workplace.datasets, "load", toy.load_problems)
    made = toy.make_experiment(
      toy.make_config(), tmp_path_factory.mktemp("toy")
    )
    run.train(made)
    run.search(made)
    run.evaluate(made)
  return made


@pytest.fixture(scope="module")
def networks(work):
  """{(regime, base seed): weights on disk}."""
  return {
    (regime, seed): base_networks.load(work, regime, seed)
    for regime in REGIMES
    for seed in BASE_SEEDS
  }


@pytest.fixture(scope="module")
def table(work):
  return read(work)


# Base networks.


@pytest.mark.parametrize("base_seed", BASE_SEEDS)
def test_the_control_is_the_network_before_its_training(networks, base_seed):
  start = fresh_params(toy.NETWORK, purpose_key(INIT, base_seed))
  chex.assert_trees_all_equal(networks["random_init", base_seed], start)


def train_by_hand(starts, **changes):
  """Returns the state after training on the composite task."""
  settings = {"batch_size": 5, "learning_rate": 0.03, **changes}
  config = training.TrainConfig(
    num_epochs=4, patience=30, eval_batch_size=4, vmap_width=1, **settings
  )
  state = trees.stack(
    [
      training.init_state(jnp.int32(seed), start, config)
      for seed, start in zip(BASE_SEEDS, starts, strict=True)
    ]
  )
  rows = []
  state = training.run(
    toy.NETWORK.loss_fn,
    toy.NETWORK.metrics_fn,
    state,
    batch("base", "train"),
    batch("base", "validation"),
    config,
    key=purpose_key(TRAINING),
    on_call=lambda _, new: rows.extend(new),
  )
  return state, rows


def test_base_networks_learn_the_composite_task(work, networks):
  starts = [
    fresh_params(toy.NETWORK, purpose_key(INIT, seed)) for seed in BASE_SEEDS
  ]
  state, rows = train_by_hand(starts)
  for index, seed in enumerate(BASE_SEEDS):
    best = trees.row(state.best.value, index)
    chex.assert_trees_all_close(networks["scratch", seed], best, **CLOSE)
    directory = work.paths.base("scratch", seed)
    done = files.read_done(directory)
    assert done["best_epoch"] == int(state.best.look[index])
    np.testing.assert_allclose(
      done["validation_loss"], state.best.score[index], rtol=1e-5
    )
    # What is stored of a seed is its own history.
    stored = metrics.read(directory / "metrics.jsonl")
    mine = [row for row in rows if row["seed"] == seed]
    assert [row["epoch"] for row in stored] == [row["epoch"] for row in mine]
    for name in ("train/loss", "validation/loss", "validation/accuracy"):
      np.testing.assert_allclose(
        [row[name] for row in stored], [row[name] for row in mine], rtol=1e-5
      )


def test_pretrained_networks_have_settings_of_their_own(tmp_path, monkeypatch):
  monkeypatch.setattr(workplace.datasets, "load", toy.load_problems)
  config = toy.make_config()
  config.regimes = ("lm_pretrained",)
  config.training.pretrained_learning_rate = 0.01
  config.training.pretrained_batch_size = 6
  made = toy.make_experiment(config, tmp_path)
  run.train(made)
  state, _ = train_by_hand(
    [toy.PRETRAINED] * 2, learning_rate=0.01, batch_size=6
  )
  for index, seed in enumerate(BASE_SEEDS):
    chex.assert_trees_all_close(
      base_networks.load(made, "lm_pretrained", seed),
      trees.row(state.best.value, index),
      **CLOSE,
    )


# Masks.


def spec_of(params, first_stage):
  """Selects the kernels from a stage on."""
  rules = {
    "layer_1": [(r"layer_(1|10)/dense/kernel", "weight"), (".*", "frozen")],
    "layer_10": [(r"layer_10/dense/kernel", "weight"), (".*", "frozen")],
  }
  return masks.select(params, rules[first_stage])


def search_by_hand(params, task, first_stage, *, key, **settings):
  """Returns the result of a search on the whole network, without a cache."""
  config = search.SearchConfig(
    **{
      "num_epochs": 3,
      "batch_size": 6,
      "eval_batch_size": 4,
      "init_logits": (0.1,),
      "penalties": (0.001,),
      **settings,
    }
  )
  return search.run(
    toy.NETWORK.loss_fn,
    params,
    spec_of(params, first_stage),
    batch(task, "train"),
    config,
    key=key,
    validation=batch(task, "validation"),
    metrics_fn=toy.NETWORK.metrics_fn,
  )


metrics_of = jax.jit(toy.NETWORK.metrics_fn)


def measure(params, task, split):
  """Returns {metric: mean over a split}."""
  found = jax.device_get(metrics_of(params, batch(task, split)))
  return {name: float(np.mean(value)) for name, value in found.items()}


def masked(params, mask, *, ablated=False, fill=None):
  """Returns what a mask leaves of a network, or what is left without it."""
  leaves = dict(trees.leaves_by_path(params))
  for path, kept in mask.items():
    kept = ~np.asarray(kept) if ablated else np.asarray(kept)
    other = np.float32(0) if fill is None else np.asarray(fill[path])
    leaves[path] = np.where(kept, np.asarray(leaves[path]), other)
  return trees.replace_leaves(params, leaves)


def case_name(case):
  return f"{case[0]} {case[1]} {toy.SUBROUTINES[case[2]]}"


def chosen_of(work, case):
  """Returns directory and selection of the masks of one case."""
  regime, base_seed, index = case
  directory = work.paths.masks(regime, base_seed, toy.SUBROUTINES[index])
  return directory, json.loads((directory / "selection.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_masks_learn_their_own_subroutine(work, networks, case):
  """The grid and the final search, bit for bit but for a rare tie."""
  regime, base_seed, index = case
  task, params = toy.SUBROUTINES[index], networks[regime, base_seed]
  directory, selection = chosen_of(work, case)
  chosen = selection["chosen"]
  key = purpose_key(SEARCH, base_seed, index)
  found = {
    f"grid/from_{stage}": search_by_hand(
      params, task, stage, key=key, seeds=(7,), learning_rates=(0.3, 0.02)
    )
    for stage in ("layer_1", "layer_10")
  }
  found["."] = search_by_hand(
    params,
    task,
    chosen["masked_from"],
    key=key,
    seeds=MASK_SEEDS,
    learning_rates=(chosen["learning_rate"],),
  )
  for name, result in found.items():
    stored, settings = mask_files.load(directory / name / "masks.npz")
    assert set(stored) == set(result.masks)
    assert settings["finite"] == [True, True]
    for path, mask in result.masks.items():
      assert np.mean(np.asarray(stored[path]) == np.asarray(mask)) > 0.98
    rows = metrics.read(directory / name / "metrics.jsonl")
    for row, expected in zip(rows, result.history, strict=True):
      assert row["candidate"] == expected["candidate"]
      assert row["mask_seed"] == expected["mask_seed"]
      for column in ("train/loss", "validation/hard/loss"):
        np.testing.assert_allclose(row[column], expected[column], rtol=1e-2)


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_settings_are_judged_on_validation_problems(work, networks, case):
  regime, base_seed, index = case
  own, other = toy.SUBROUTINES[index], toy.SUBROUTINES[1 - index]
  params = networks[regime, base_seed]
  directory, selection = chosen_of(work, case)
  expected = []
  for stage in ("layer_1", "layer_10"):
    stacked, settings = mask_files.load(
      directory / f"grid/from_{stage}" / "masks.npz"
    )
    for row in range(2):
      mask = trees.row(stacked, row)
      ablated = masked(params, mask, ablated=True)
      subnetwork = measure(masked(params, mask), own, "validation")
      expected.append(
        {
          "masked_from": stage,
          "mask_seed": 7,
          "learning_rate": settings["learning_rate"][row],
          "own_accuracy": subnetwork["accuracy"],
          "own_loss": subnetwork["loss"],
          "ablated_target": measure(ablated, f"odd_{own}", "validation")[
            "accuracy"
          ],
          "ablated_other": measure(ablated, f"odd_{other}", "validation")[
            "accuracy"
          ],
          "removed": sum(int((~np.asarray(m)).sum()) for m in mask.values()),
        }
      )
  for found, row in zip(selection["settings"], expected, strict=True):
    assert_record(found, row)
  best = max(row["own_accuracy"] for row in expected)
  accurate = [row for row in expected if row["own_accuracy"] >= best - 0.01]
  winner = max(accurate, key=lambda row: row["removed"])
  assert selection["chosen"]["removed"] == winner["removed"]
  done = files.read_done(directory)
  assert done["masked_from"] == selection["chosen"]["masked_from"]
  assert done["fingerprint"] == trees.fingerprint(params)


@pytest.mark.parametrize("base_seed", BASE_SEEDS)
def test_pruning_learns_and_judges_the_composite_task(
  work, networks, base_seed
):
  params = networks["scratch", base_seed]
  result = search_by_hand(
    params,
    "base",
    "layer_1",
    key=purpose_key(PRUNING, base_seed),
    num_epochs=2,
    seeds=(7,),
    learning_rates=(0.05, 0.2),
  )
  stored, settings = mask_files.load(
    work.paths.pruning(base_seed) / "masks.npz"
  )
  for path, mask in result.masks.items():
    assert np.mean(np.asarray(stored[path]) == np.asarray(mask)) > 0.98
  accuracies = [
    measure(masked(params, trees.row(stored, row)), "base", "validation")[
      "accuracy"
    ]
    for row in range(2)
  ]
  best = int(np.argmax(accuracies))
  # Else a network that takes the first one would go unnoticed.
  assert best != 0
  chex.assert_trees_all_equal(
    networks["pruned", base_seed], masked(params, trees.row(stored, best))
  )
  info = files.read_done(work.paths.base("pruned", base_seed))["pruning"]
  assert info["learning_rate"] == settings["learning_rate"][best]
  assert info["validation_accuracy"] == pytest.approx(accuracies[best])


def test_masks_of_another_base_network_are_refused(work):
  directory, _ = chosen_of(work, CASES[-1])
  mark = directory / files.DONE
  before = mark.read_text()
  mark.write_text(json.dumps(json.loads(before) | {"fingerprint": "other"}))
  try:
    with pytest.raises(UserError, match="holds masks of another base network"):
      run.search(work)
  finally:
    mark.write_text(before)


# Tables.


def masks_of(work, case):
  """Returns [(mask seed, mask)] and the first masked stage of one case."""
  directory, selection = chosen_of(work, case)
  stacked, settings = mask_files.load(directory / "masks.npz")
  rows = [
    (seed, trees.row(stacked, row))
    for row, seed in enumerate(settings["mask_seed"])
  ]
  return rows, selection["chosen"]


def random_fill(params, mask, base_seed, index, mask_seed):
  """Returns the redrawn weights of the random ablation."""
  key = purpose_key(ABLATION, base_seed, index, mask_seed)
  fill = {}
  for number, path in enumerate(sorted(mask)):
    leaf = trees.leaves_by_path(params)[path]
    bound = leaf.shape[0] ** -0.5
    fill[path] = jax.random.uniform(
      jax.random.fold_in(key, number), leaf.shape, minval=-bound, maxval=bound
    )
  return fill


def assert_record(found, expected):
  """Asserts that a record has all values of another, numbers nearly."""
  for name, value in expected.items():
    if not isinstance(value, str):
      value = pytest.approx(value, rel=1e-4, abs=1e-5)
    assert found[name] == value, name


def assert_rows(rows, params, common, kept):
  """Asserts that the rows of one network are those of the test problems."""
  assert set(rows["test_task"]) == set(toy.TASKS)
  assert len(rows) == len(toy.TASKS)
  for row in rows.to_dict("records"):
    assert_record(row, measure(params, row["test_task"], "test"))
    assert row["num_problems"] == 14
    assert row["l0"] == kept
    assert_record(row, common)


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_results_are_those_of_the_test_problems(work, networks, table, case):
  regime, base_seed, index = case
  params = networks[regime, base_seed]
  rows = table[
    (table["regime"] == regime)
    & (table["base_seed"] == base_seed)
    & (table["subroutine"] == toy.SUBROUTINES[index])
  ]
  found, chosen = masks_of(work, case)
  assert list(dict.fromkeys(rows["mask_seed"])) == list(MASK_SEEDS)
  spec = spec_of(params, chosen["masked_from"])
  common = {
    "learning_rate": chosen["learning_rate"],
    "mask_init": 0.1,
    "penalty": 0.001,
    "masked_from": chosen["masked_from"],
    "l0_max": spec.num_weights,
    "base_accuracy": measure(params, "base", "test")["accuracy"],
  }
  for mask_seed, mask in found:
    of_mask = rows[rows["mask_seed"] == mask_seed]
    assert set(of_mask["ablation"]) == {"none", "zero", "random"}
    kept = sum(int(np.sum(units)) for units in mask.values())
    fill = random_fill(params, mask, base_seed, index, mask_seed)
    for ablation, network, size in (
      ("none", masked(params, mask), kept),
      ("zero", masked(params, mask, ablated=True), spec.num_weights - kept),
      (
        "random",
        masked(params, mask, ablated=True, fill=fill),
        spec.num_weights - kept,
      ),
    ):
      assert_rows(
        of_mask[of_mask["ablation"] == ablation], network, common, size
      )


@pytest.mark.parametrize("case", CASES, ids=case_name)
def test_controls_are_random_masks_of_the_same_sizes(work, networks, case):
  regime, base_seed, index = case
  params = networks[regime, base_seed]
  controls = read(work, "controls")
  rows = controls[
    (controls["regime"] == regime)
    & (controls["base_seed"] == base_seed)
    & (controls["subroutine"] == toy.SUBROUTINES[index])
  ]
  found, chosen = masks_of(work, case)
  spec = spec_of(params, chosen["masked_from"])
  for mask_seed, mask in found:
    drawn = masks.random_like(
      mask, purpose_key(CONTROL, base_seed, index, mask_seed)
    )
    kept = sum(int(np.sum(units)) for units in mask.values())
    of_mask = rows[rows["mask_seed"] == mask_seed]
    assert set(of_mask["ablation"]) == {"none", "zero"}
    for ablation, network, size in (
      ("none", masked(params, drawn), kept),
      ("zero", masked(params, drawn, ablated=True), spec.num_weights - kept),
    ):
      assert_rows(of_mask[of_mask["ablation"] == ablation], network, {}, size)


def test_densities_are_those_of_the_masks(work):
  densities = read(work, "densities")
  key = ["regime", "base_seed", "subroutine", "mask_seed", "leaf"]
  counts = densities.set_index(key)[["kept", "size"]]
  expected = {}
  for case in CASES:
    for mask_seed, mask in masks_of(work, case)[0]:
      for leaf, units in mask.items():
        name = (case[0], case[1], toy.SUBROUTINES[case[2]], mask_seed, leaf)
        expected[name] = (int(np.sum(units)), units.size)
  assert dict(zip(counts.index, counts.itertuples(index=False, name=None),
                  strict=True)) == expected  # fmt: skip


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize("base_seed", BASE_SEEDS)
def test_dense_rows_are_those_of_the_network(
  networks, table, regime, base_seed
):
  rows = table[
    (table["regime"] == regime)
    & (table["base_seed"] == base_seed)
    & (table["subroutine"] == "")
  ]
  params = networks[regime, base_seed]
  for row in rows.to_dict("records"):
    assert_record(row, measure(params, row["test_task"], "test"))
    base_accuracy = measure(params, "base", "test")["accuracy"]
    assert_record(row, {"base_accuracy": base_accuracy})
  assert set(rows["test_task"]) == set(toy.TASKS)


def test_tables_of_earlier_rows_do_not_stay(work, monkeypatch):
  """As a kill leaves them, after rows were made and before they are written."""
  monkeypatch.setattr(workplace.datasets, "load", toy.load_problems)
  for name in SCHEMAS:
    path = work.paths.table(name)
    before = path.read_bytes()
    path.write_bytes(before.replace(b"scratch", b"earlier"))
    run.evaluate(work)
    assert path.read_bytes() == before


def test_masks_that_are_not_finite_are_not_evaluated(work, monkeypatch):
  monkeypatch.setattr(workplace.datasets, "load", toy.load_problems)
  directory, _ = chosen_of(work, CASES[0])
  path = directory / "masks.npz"
  before, content = path.read_bytes(), mask_files.load(path)
  stacked, settings = content
  stored = {
    file: file.read_bytes() for file in work.paths.workdir.glob("*.csv")
  }
  try:
    mask_files.save(
      path,
      {name: mask[::-1] for name, mask in stacked.items()},
      fingerprint=files.read_done(directory)["fingerprint"],
      metadata={
        name: values[::-1] for name, values in settings.items()
      } | {"finite": [False, True]},
      stacked=True,
    )  # fmt: skip
    run.evaluate(work)
    found = {name: read(work, name) for name in SCHEMAS if name != "cuts"}
  finally:
    path.write_bytes(before)
  run.evaluate(work)
  for file, content in stored.items():
    assert file.read_bytes() == content
  for name, table in found.items():
    mine = table[
      (table["regime"] == "scratch")
      & (table["base_seed"] == BASE_SEEDS[0])
      & (table["subroutine"] == "inside")
    ]
    # The first row, seed 2, is the one that stopped.
    assert set(mine["mask_seed"]) == {0}, name
    assert set(mine["candidate"]) == {1}, name
    before = read(work, name)
    before = before[
      (before["regime"] == "scratch")
      & (before["base_seed"] == BASE_SEEDS[0])
      & (before["subroutine"] == "inside")
      & (before["mask_seed"] == 0)
    ]
    measures = [c for c in ("accuracy", "loss", "l0", "kept") if c in mine]
    np.testing.assert_allclose(mine[measures], before[measures], rtol=1e-6)
