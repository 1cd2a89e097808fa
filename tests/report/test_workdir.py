"""Reading a work directory: everything, the minimum, and damage."""

import dataclasses
import json

import pandas as pd
import pytest

from structcomp_jax.report import workdir
from structcomp_jax.studies.break_it_down.columns import SCHEMAS
from structcomp_jax.types import UserError
from tests.studies.break_it_down import synthetic


def read(path):
  return workdir.read(path, SCHEMAS)


def test_everything_is_found(tmp_path):
  one = read(synthetic.write_workdir(tmp_path / "run"))
  assert set(one.results["regime"]) == {"scratch", "random_init"}
  assert set(one.tables["controls"]["control"]) == {"random_matched"}
  assert set(one.tables["densities"]["leaf"]) == set(synthetic.LEAVES)
  assert set(one.training["base_seed"]) == {0, 1, 2}
  searches = one.searches.groupby(["regime", "base_seed", "subroutine"])
  assert searches.ngroups == 2 * 3 * 2
  selection = one.selections["scratch", 0, "subject"]
  assert selection["chosen"] == selection["settings"][0]
  assert one.timings["search"] == 80


def test_only_results_and_config_are_needed(tmp_path):
  path = synthetic.write_workdir(tmp_path / "run", complete=False)
  one = read(path)
  assert list(one.tables) == ["results"]
  assert one.training.empty
  assert one.searches.empty
  assert (one.timings, one.versions, one.selections) == ({}, {}, {})


def test_repeated_steps_of_a_resumed_run_count_once(tmp_path):
  path = synthetic.write_workdir(tmp_path / "run")
  before = len(read(path).training)
  file = path / "base" / "seed_0" / "metrics.jsonl"
  file.write_text(file.read_text() + file.read_text().splitlines()[-1] + "\n")
  assert len(read(path).training) == before


def _cut(path, count):
  path.write_bytes(path.read_bytes()[:-count])


@pytest.mark.parametrize(
  ("damage", "message"),
  [
    (lambda path: (path / "results.csv").unlink(), r"results\.csv"),
    (lambda path: (path / "config.json").unlink(), r"config\.json"),
    (lambda path: _cut(path / "results.csv", 3), r"results\.csv"),
    (lambda path: _cut(path / "results.csv", 90), r"results\.csv"),
    (lambda path: _cut(path / "controls.csv", 2), r"controls\.csv"),
    (lambda path: _cut(path / "densities.csv", 1), r"densities\.csv"),
    (lambda path: _cut(path / "config.json", 2), r"config\.json"),
    (lambda path: _cut(path / "timings.json", 2), r"timings\.json"),
    (lambda path: (path / "versions.json").write_text("[1]"), "JSON object"),
    (
      lambda path: (path / "base/seed_1/metrics.jsonl").write_text("{\n{\n"),
      r"metrics\.jsonl line 1",
    ),
    (
      lambda path: (path / "results.csv").write_text("regime\nscratch\n"),
      "no column experiment",
    ),
  ],
)
def test_damage_is_named(tmp_path, damage, message):
  path = synthetic.write_workdir(tmp_path / "run")
  read(path)
  damage(path)
  with pytest.raises(UserError, match=message) as caught:
    read(path)
  assert "\n" not in str(caught.value)


def test_only_some_tables_may_have_no_rows(tmp_path):
  path = synthetic.write_workdir(tmp_path / "run")
  header = (path / "densities.csv").read_text().partition("\n")[0]
  (path / "densities.csv").write_text(header + "\n")
  with pytest.raises(UserError, match=r"densities\.csv is torn"):
    read(path)
  schema = dataclasses.replace(SCHEMAS["densities"], may_be_empty=True)
  one = workdir.read(path, {**SCHEMAS, "densities": schema})
  assert one.tables["densities"].empty


def test_no_such_directory(tmp_path):
  with pytest.raises(UserError, match="no work directory"):
    read(tmp_path / "nowhere")


REGIMES = ("scratch", "pruned", "random_init")


def _write_rows(file, rows):
  file.parent.mkdir(parents=True, exist_ok=True)
  file.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def run(tmp_path):
  """Returns a directory whose every metrics file tells where it lies."""
  parts = [
    synthetic.results_rows("scratch", num_bases=1, num_masks=1).assign(
      regime=regime
    )
    for regime in reversed(REGIMES)
  ]
  path = synthetic.write_workdir(
    tmp_path / "run", pd.concat(parts), complete=False
  )
  (path / "config.json").write_text(json.dumps({"regimes": REGIMES}))
  for regime in REGIMES:
    root = path if regime == "scratch" else path / regime
    for seed in (1, 12):
      base = root / f"base/seed_{seed}"
      rows = [{"step": step, "place": f"{regime} {seed}"} for step in (5, 10)]
      _write_rows(base / "metrics.jsonl", rows)
      for name in synthetic.PAIR:
        place = {"place": f"{regime} {seed} {name}"}
        masks = root / f"masks/seed_{seed}/{name}"
        rows = [
          {"step": step, "candidate": candidate, **place}
          for step in (5, 10)
          for candidate in (0, 1)
        ]
        _write_rows(masks / "metrics.jsonl", rows)
        (masks / "selection.json").write_text(json.dumps(place))
        (masks / "masks.npz").touch()
        _write_rows(masks / "grid/metrics.jsonl", [{"step": 0}])
  return path


def test_every_file_belongs_to_its_regime_seed_and_subroutine(run):
  one = read(run)
  training, searches = one.training, one.searches
  assert len(training) == 3 * 2 * 2
  assert len(searches) == 3 * 2 * 2 * 2 * 2
  for row in training.to_dict("records"):
    assert row["place"] == f"{row['regime']} {row['base_seed']}"
  for row in searches.to_dict("records"):
    place = f"{row['regime']} {row['base_seed']} {row['subroutine']}"
    assert row["place"] == place
  for (regime, seed, name), file in one.mask_files.items():
    content = json.loads((file.parent / "selection.json").read_text())
    assert content["place"] == f"{regime} {seed} {name}"
    assert one.selections[regime, seed, name] == content
  assert len(one.mask_files) == len(one.selections) == 3 * 2 * 2


def test_without_declared_regimes_the_first_row_names_the_first(run):
  (run / "config.json").write_text("{}")
  regimes = read(run).training.groupby("place")["regime"].first()
  assert regimes["scratch 1"] == "random_init"
  assert "random_init 1" not in regimes


def test_a_seed_that_a_row_names_holds(run):
  _write_rows(run / "base/seed_1/metrics.jsonl", [{"step": 1, "seed": 7}])
  _write_rows(run / "base/sweep/metrics.jsonl", [{"step": 1}])
  training = read(run).training
  training = training[training["regime"] == "scratch"]
  assert sorted(training["base_seed"].unique()) == [7, 12]


@pytest.mark.parametrize(
  ("table", "file", "row"),
  [
    ("training", "base/seed_12/metrics.jsonl", {"step": 10}),
    (
      "searches",
      "masks/seed_12/verb/metrics.jsonl",
      {"step": 10, "candidate": 1},
    ),
    (
      "searches",
      "pruned/masks/seed_1/subject/metrics.jsonl",
      {"step": 5, "candidate": 0},
    ),
  ],
)
def test_the_later_of_two_equal_steps_holds(run, table, file, row):
  before = getattr(read(run), table)
  path = run / file
  later = json.dumps(row | {"place": "later"})
  path.write_text(f"{path.read_text()}{later}\n")
  after = getattr(read(run), table)
  assert len(after) == len(before)
  places = [*before["place"], "later"]
  places.remove(json.loads(path.read_text().splitlines()[0])["place"])
  assert sorted(after["place"]) == sorted(places)
  (found,) = after[after["place"] == "later"].to_dict("records")
  assert row.items() <= found.items()


@pytest.mark.parametrize(
  ("change", "message"),
  [
    (
      lambda rows: rows[rows["base_seed"] != 1],
      "lacks base seeds 1 of",
    ),
    (lambda rows: rows.assign(l0=rows["l0_max"] + 1), "more weights kept than"),
    (lambda rows: rows.assign(l0=-1.0), "a negative number of weights"),
    (lambda rows: rows.assign(accuracy=1.5), "an accuracy outside of 0 to 1"),
    (lambda rows: rows.assign(base_accuracy=""), "torn or has empty cells"),
  ],
)
def test_impossible_results_are_no_smaller_results(tmp_path, change, message):
  path = synthetic.write_workdir(tmp_path / "run", complete=False)
  (path / "config.json").write_text(json.dumps({"base_seeds": [0, 1, 2]}))
  read(path)
  file = path / "results.csv"
  table = pd.read_csv(file, keep_default_na=False, na_values="")
  change(table).to_csv(file, index=False)
  with pytest.raises(UserError, match=message) as error:
    read(path)
  assert "\n" not in str(error.value)
  assert "launch.evaluate" in str(error.value)
