"""The second study's results page: numbers of tables, parts that stay."""

import json
import types

import pandas as pd
import pytest

from structcomp_jax.io import tables
from structcomp_jax.pipeline import tables as pipeline_tables
from structcomp_jax.studies.are_nets_modular.columns import SHARES
from structcomp_jax.types import UserError
from tests.studies.are_nets_modular import synthetic
from tools import modular_results, modular_tables

PARTS = ("arithmetic", "transfer", "mathematics", "notes")


@pytest.fixture
def root(tmp_path):
  """A repository with the two files."""
  (tmp_path / "docs/results").mkdir(parents=True)
  (tmp_path / "README.md").write_text(
    "before\n<!-- modular -->\nold\n<!-- /modular -->\nafter\n"
  )
  (tmp_path / modular_results.PAGE).write_text(
    "\n".join(f"<!-- {one} -->\nold {one}\n<!-- /{one} -->" for one in PARTS)
  )
  return tmp_path


def test_numbers_are_those_of_the_tables(root, tmp_path):
  workdir = tmp_path / "run"
  synthetic.write_workdir(workdir, "double_addition")
  modular_results.update([workdir], root)
  results = synthetic.evidence(tmp_path / "again", "double_addition").results
  page = (root / modular_results.PAGE).read_text()
  for regime, rows in results.groupby("regime"):
    rows = rows[(rows["subroutine"] == "pair_1") & (rows["ablation"] == "zero")]
    line = next(
      line
      for line in page.splitlines()
      if f"| {regime} | without pair_1 |" in line
    )
    for test, of_test in rows.groupby("test_task"):
      mean = 100 * of_test.groupby("base_seed")["accuracy"].mean().mean()
      assert f"{test} {mean:.1f}" in line
    assert line.endswith(f"| {rows['base_seed'].nunique()} |")
  readme = (root / "README.md").read_text()
  assert readme.startswith("before\n")
  assert readme.endswith("after\n")
  assert "| reuse |" in readme
  assert "old" not in readme


def test_parts_without_a_work_directory_stay(root, tmp_path):
  workdir = tmp_path / "run"
  synthetic.write_workdir(workdir, "mathematics_sort")
  readme = (root / "README.md").read_text()
  modular_results.update([workdir], root)
  page = (root / modular_results.PAGE).read_text()
  assert [f"old {one}" in page for one in PARTS] == [True, True, False, True]
  assert "| mathematics_sort | small | left out: hard |" in page
  assert (root / "README.md").read_text() == readme


def test_the_mask_of_one_subtask_alone_is_compared_with_the_control():
  counts = {
    "regime": "scratch", "base_seed": 0, "first_seed": 0, "second_seed": 0,
    "beta": 1e-4, "leaf": "dense", "size": 100,
  }  # fmt: skip
  # 60 weights are in either; by chance 20 would be in both, and 70 in either.
  control = counts | {
    "first": "easy", "second": "control",
    "first_kept": 40, "second_kept": 50, "both": 30,
  }  # fmt: skip
  both = counts | {
    "first": "easy", "second": "hard",
    "first_kept": 40, "second_kept": 20, "both": 20,
  }  # fmt: skip

  def shared(*subtasks):
    evidence = types.SimpleNamespace(
      experiment="sums", model="net", subtasks=subtasks,
      overlaps=pd.DataFrame([control, both]),
    )  # fmt: skip
    found = types.SimpleNamespace(evidence=evidence)
    return modular_tables.shared([found]).splitlines()[2:]

  assert shared("easy") == [
    "| sums | net | scratch | control, easy | all | 50.0 | 28.6 | 75.0 | 60.0 |"
  ]
  assert [line.split(" | ")[3:6] for line in shared("easy", "hard")] == [
    ["different subtasks", "dense", "50.0"],
    ["different subtasks", "all", "50.0"],
  ]
  assert shared("other") == []


def test_chains_stand_beside_random_masks_and_weights_drawn_anew(
  root, tmp_path
):
  workdir = tmp_path / "run"
  write_chains(workdir)
  modular_results.update([workdir], root)
  page = (root / modular_results.PAGE).read_text()
  transfer = " transfer | 2 | 95.0 ± 0.0 | 20.0 ± 0.0 | 82.5 ± 3.5 | 40.0 ± 0.0"
  redrawn = " redrawn | 2 | 95.0 ± 0.0 | 20.0 ± 0.0 | 42.5 ± 3.5 | 40.0 ± 0.0"
  assert f"| small | 0.1 |{transfer} | 2 |" in page
  assert f"| small | 0.1 |{redrawn} | 2 |" in page
  assert (
    "| network | beta | chains | new weights at | layer | T2 | T4 |" in page
  )
  assert "| layer_1 | 82.5 ± 3.5 (40.0) | 82.5 ± 3.5 (40.0) |" in page
  assert "old transfer" not in page
  assert "old arithmetic" in page


def write_chains(path):
  """Writes a work directory of two base seeds and three permutations."""
  path.mkdir()
  config = {
    "experiment": "permuted_mnist",
    "regimes": ["transfer", "redrawn"],
    "search": {"betas": [0.1]},
  }
  (path / "config.json").write_text(json.dumps(config))
  results, shares = [], []
  for regime, both in (("transfer", 16), ("redrawn", 8)):
    for seed in (0, 1):
      chain = {"regime": regime, "base_seed": seed, "mask_init": 2.0}
      row = synthetic._row(
        "permuted_mnist", regime, seed, "x", 0, "none", "", 1
      )
      results += [
        {**row, **chain, "test_task": f"permutation_{n}", "accuracy": 0.95}
        for n in range(4)
      ]
      shares += [
        {**chain, "permutation": n, "leaf": leaf, "size": 100, "kept": 20,
         "used": 40, "both": both + seed}
        for n in (1, 2, 3)
        for leaf in ("layer_0/kernel", "layer_1/kernel")
      ]  # fmt: skip
  schema = pipeline_tables.results_schema()
  # Those of arithmetic have further columns.
  results = [
    {name: row.get(name) for name in schema.columns} for row in results
  ]
  tables.write(path / "results.csv", results, schema)
  tables.write(path / "shares.csv", shares, SHARES)


def test_a_page_without_a_place_is_refused(root, tmp_path):
  workdir = tmp_path / "run"
  synthetic.write_workdir(workdir, "double_addition")
  (root / "README.md").write_text("nothing\n")
  page = (root / modular_results.PAGE).read_text()
  with pytest.raises(UserError, match="there is no place for the modular"):
    modular_results.update([workdir], root)
  assert (root / modular_results.PAGE).read_text() == page
