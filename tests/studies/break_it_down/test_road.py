"""The whole road on the smoke config: its files, its rows, running it again."""

import itertools
import json
import shutil

import pytest

from structcomp_jax.io import checkpoints, files, mask_files, tables
from structcomp_jax.studies.break_it_down.columns import SCHEMAS
from tests.launcher import assert_one_line

REGIMES = ("scratch", "random_init")
SUBROUTINES = ("subject", "verb")
TASKS = {"base", "subject", "verb", "odd_subject", "odd_verb"}
SEEDS = (0, 1)
ABLATIONS = ("none", "zero", "random")
# The others are about something else than one subroutine.
OF_MASKS = [name for name in SCHEMAS if "subroutine" in SCHEMAS[name].columns]


def read(workdir, name="results"):
  return tables.read(workdir / f"{name}.csv", SCHEMAS[name])


@pytest.fixture(scope="module")
def table(finished):
  return read(finished)


@pytest.mark.parametrize("name", SCHEMAS)
def test_columns(finished, name):
  header, *rows = (finished / f"{name}.csv").read_text().splitlines()
  assert header == ",".join(SCHEMAS[name].columns)
  assert header.endswith(",candidate")
  assert rows


@pytest.mark.parametrize("name", OF_MASKS)
def test_candidates_are_the_rows_of_the_mask_file(finished, name):
  table = read(finished, name)
  masks = table[table["subroutine"] != ""]
  assert table[table["subroutine"] == ""]["candidate"].isna().all()
  for (base_seed, subroutine), rows in masks[
    masks["regime"] == "scratch"
  ].groupby(["base_seed", "subroutine"]):
    directory = finished / "masks" / f"seed_{base_seed}" / subroutine
    _, metadata = mask_files.load(directory / "masks.npz")
    pairs = set(zip(rows["candidate"], rows["mask_seed"], strict=True))
    assert pairs == set(enumerate(metadata["mask_seed"]))


def test_one_row_per_mask_ablation_and_task(table):
  key = ["regime", "base_seed", "subroutine", "mask_seed", "ablation"]
  masks = table[table["subroutine"] != ""]
  found = masks.groupby(key)["test_task"].agg(["count", set])
  assert set(found.index) == set(
    itertools.product(REGIMES, (0,), SUBROUTINES, SEEDS, ABLATIONS)
  )
  assert (found["count"] == len(TASKS)).all()
  assert all(tasks == TASKS for tasks in found["set"])


def test_one_row_per_dense_network_and_task(table):
  dense = table[table["subroutine"] == ""]
  assert len(dense) == len(REGIMES) * len(TASKS)
  assert dense["mask_seed"].isna().all()
  assert not dense["selected"].any()


def test_settings_are_written_as_the_config_gives_them(table):
  masks = table[table["subroutine"] != ""]
  assert set(masks["learning_rate"]) <= {0.1, 0.01}
  assert set(masks["penalty"]) == {1e-8}
  assert set(masks["mask_init"]) == {0.1}


def test_other_masks_are_evaluated_again(launch, workdir):
  before = read(workdir)
  path = workdir / "masks/seed_0/verb/masks.npz"
  stacked, metadata = mask_files.load(path)
  fingerprint = files.read_done(path.parent)["fingerprint"]
  mask_files.save(
    path,
    {name: ~mask for name, mask in stacked.items()},
    fingerprint=fingerprint,
    metadata=metadata,
    stacked=True,
  )
  assert launch.in_workdir("evaluate", workdir).status == 0
  after = read(workdir)
  changed = before["accuracy"] != after["accuracy"]
  assert set(before[changed]["subroutine"]) == {"verb"}
  assert set(before[changed]["regime"]) == {"scratch"}
  assert (before["l0"] + after["l0"] == before["l0_max"])[changed].all()


def test_rows_of_a_version_with_other_columns_are_made_again(launch, workdir):
  before = (workdir / "results.csv").read_bytes()
  path = workdir / "evaluation/seed_0.json"
  stored = json.loads(path.read_text())
  for part in stored["parts"].values():
    for rows in part.values():
      for row in rows:
        del row["candidate"]
  path.write_text(json.dumps(stored))
  assert launch.in_workdir("evaluate", workdir).status == 0
  assert (workdir / "results.csv").read_bytes() == before
  assert json.loads(path.read_text()) != stored


def test_tables_of_a_version_with_other_columns_are_refused(launch, workdir):
  path = workdir / "results.csv"
  lines = [row.rpartition(",")[0] for row in path.read_text().splitlines()]
  path.write_text("\n".join(lines) + "\n")
  outcome = launch.in_workdir("report", workdir)
  assert_one_line(outcome, "no column candidate", "launch.evaluate")


def test_values_are_in_their_ranges(table):
  assert table["accuracy"].between(0, 1).all()
  assert (table["loss"] >= 0).all()
  assert (table["num_problems"] == 64).all()
  masks = table[table["subroutine"] != ""]
  assert (masks["density"] == masks["l0"] / masks["l0_max"]).all()
  assert masks["selected"].all()


def test_ablating_keeps_what_the_mask_does_not(table):
  masks = table[(table["subroutine"] != "") & (table["test_task"] == "base")]
  wide = masks.pivot(
    index=["regime", "subroutine", "mask_seed"], columns="ablation", values="l0"
  )
  total = masks["l0_max"].iloc[0]
  assert (wide["none"] + wide["zero"] == total).all()


def test_controls_keep_as_many_weights(finished, table):
  controls = read(finished, "controls")
  assert set(controls["control"]) == {"random_matched"}
  key = [
    "regime", "subroutine", "mask_seed", "ablation", "test_task",
  ]  # fmt: skip
  both = controls.merge(table, on=key)
  assert len(both) == len(controls)
  kept = both[both["ablation"] == "none"]
  assert (kept["l0_x"] == kept["l0_y"]).all()


def test_densities_add_up(finished, table):
  densities = read(finished, "densities")
  key = ["regime", "subroutine", "mask_seed"]
  kept = densities.groupby(key)["kept"].sum()
  rows = table[(table["ablation"] == "none") & (table["test_task"] == "base")]
  rows = rows[rows["subroutine"] != ""].set_index(key)["l0"]
  assert (kept == rows.sort_index()).all()


def test_the_control_is_the_network_before_its_training(finished):
  done = [
    json.loads((finished / base / "seed_0/DONE").read_text())
    for base in ("base", "random_init/base")
  ]
  assert done[0]["fingerprint"] != done[1]["fingerprint"]
  assert done[0]["best_epoch"] >= 1


@pytest.mark.parametrize("subroutine", SUBROUTINES)
def test_selection_is_recorded(finished, subroutine):
  directory = finished / "masks/seed_0" / subroutine
  record = json.loads((directory / "selection.json").read_text())
  assert record["rule"] == "own_task"
  assert [row["learning_rate"] for row in record["settings"]] == (
    pytest.approx([0.1, 0.01])
  )
  assert record["chosen"] in record["settings"]
  most = max(row["own_accuracy"] for row in record["settings"])
  assert record["chosen"]["own_accuracy"] == most
  done = json.loads((directory / "DONE").read_text())
  assert done["learning_rate"] == record["chosen"]["learning_rate"]


def test_files(finished):
  page = (finished / "report/index.html").read_text()
  assert page.rstrip().endswith("</html>")
  (verdict,) = json.loads((finished / "report/verdicts.json").read_text())
  assert verdict["experiment"] == "sv_singular"
  assert verdict["sentence"] in page
  steps = ["prepare_data", "train", "search", "evaluate", "report"]
  assert list(json.loads((finished / "timings.json").read_text())) == steps
  assert "jax" in json.loads((finished / "versions.json").read_text())
  assert not (finished / "run.lock").exists()
  assert not list(finished.rglob("*.tmp")) + list(finished.rglob("*.partial"))
  assert not list(finished.glob("**/masks/**/checkpoint"))
  assert not (finished / "base/checkpoint").exists()


def test_metrics_have_one_row_per_candidate_and_epoch(finished):
  file = finished / "masks/seed_0/subject/metrics.jsonl"
  rows = [json.loads(line) for line in file.read_text().splitlines()]
  assert [(row["epoch"], row["mask_seed"]) for row in rows] == (
    list(itertools.product((1, 2), SEEDS))
  )
  file = finished / "base/seed_0/metrics.jsonl"
  rows = [json.loads(line) for line in file.read_text().splitlines()]
  assert [row["epoch"] for row in rows] == [1, 2]


def test_running_again_skips_what_is_complete(launch, workdir):
  before = modified(workdir)
  outcome = launch.in_workdir("run", workdir)
  assert outcome.status == 0, outcome.text
  # Base networks, masks, cuts between two pairs of tasks, results.csv.
  assert outcome.text.count("done before") == 2 + 4 + 2 * 2 + 1
  after = modified(workdir)
  changed = {name for name in before if after[name] != before[name]}
  rewritten = {
    "versions.json",
    "timings.json",
    "report/index.html",
    "report/verdicts.json",
    "report/overlaps.csv",
    "report/anatomy.csv",
  }
  assert changed <= rewritten, changed - rewritten


def modified(directory):
  """Returns {file: time of its last change}."""
  return {
    str(file.relative_to(directory)): file.stat().st_mtime_ns
    for file in directory.rglob("*")
    if file.is_file()
  }


def test_single_verbs_rebuild_what_is_missing(launch, finished, workdir):
  lost = ("data", "random_init", "masks/seed_0/verb", "report")
  for name in lost:
    shutil.rmtree(workdir / name)
  names = [f"{name}.csv" for name in SCHEMAS]
  for name in names:
    (workdir / name).unlink()
  for verb in ("prepare_data", "train", "search", "evaluate", "report"):
    outcome = launch.in_workdir(verb, workdir)
    assert outcome.status == 0, f"{verb}: {outcome.text}"
  assert (workdir / "report/index.html").is_file()
  for name in (
    *names,
    "masks/seed_0/verb/masks.npz",
    "masks/seed_0/verb/metrics.jsonl",
    "masks/seed_0/verb/selection.json",
    "random_init/base/seed_0/DONE",
  ):
    again = (workdir / name).read_bytes()
    assert again == (finished / name).read_bytes(), name


def test_published_rule_judges_the_same_grid(launch, finished, tmp_path):
  changes = (
    "--config.search.selection=published",
    "--config.regimes=('scratch',)",
  )
  assert launch.in_workdir("prepare_data", tmp_path, *changes).status == 0
  for name in ("base", "masks"):
    shutil.copytree(finished / name, tmp_path / name)
  directory = tmp_path / "masks/seed_0/subject"
  (directory / "selection.json").unlink()
  (directory / "DONE").unlink()
  outcome = launch.in_workdir("search", tmp_path, *changes)
  assert outcome.status == 0, outcome.text
  record = json.loads((directory / "selection.json").read_text())
  assert record["rule"] == "published"
  before = finished / "masks/seed_0/subject/selection.json"
  assert record["settings"] == json.loads(before.read_text())["settings"]


def test_search_goes_on_from_its_checkpoint(launch, finished, workdir):
  directory = workdir / "masks/seed_0/subject"
  before = (directory / "masks.npz").read_bytes()
  shutil.rmtree(directory)
  # Killed right after the mark, before the checkpoint was removed.
  leftover = workdir / "masks/seed_0/verb/checkpoint/0"
  leftover.mkdir(parents=True)
  outcome = launch.in_workdir(
    "search",
    workdir,
    "--config.runtime.checkpoint_seconds=0",
    "--config.runtime.steps_per_call=1",
  )
  assert outcome.status == 0, outcome.text
  assert (directory / "masks.npz").read_bytes() == before
  assert not leftover.exists()
  assert checkpoints.restore(directory / "checkpoint", {}) is None
