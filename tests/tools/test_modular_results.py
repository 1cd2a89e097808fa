"""The second study's results page: numbers of tables, notes that stay."""

import pytest

from structcomp_jax.types import UserError
from tests.studies.are_nets_modular import synthetic
from tools import modular_results


@pytest.fixture
def root(tmp_path):
  """A repository with the two files."""
  (tmp_path / "docs/results").mkdir(parents=True)
  (tmp_path / "README.md").write_text(
    "before\n<!-- modular -->\nold\n<!-- /modular -->\nafter\n"
  )
  (tmp_path / modular_results.PAGE).write_text(
    "old\n<!-- notes -->\nby hand\n<!-- /notes -->\n"
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
  assert "by hand" in page
  assert "old" not in page
  readme = (root / "README.md").read_text()
  assert readme.startswith("before\n")
  assert readme.endswith("after\n")
  assert "| reuse |" in readme
  assert "old" not in readme


def test_a_page_without_a_place_is_refused(root, tmp_path):
  workdir = tmp_path / "run"
  synthetic.write_workdir(workdir, "double_addition")
  (root / "README.md").write_text("nothing\n")
  with pytest.raises(UserError, match="there is no place for the modular"):
    modular_results.update([workdir], root)
