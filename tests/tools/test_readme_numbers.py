"""The numbers of README and docs are those of the work directories."""

import dataclasses

import pandas as pd
import pytest

from structcomp_jax.report.text import between_markers
from structcomp_jax.studies.break_it_down.findings import conclude
from structcomp_jax.types import UserError
from tests.studies.break_it_down import planted_masks, synthetic
from tools import readme

README = "# Title\n<!-- results -->\nold\n<!-- /results -->\nAfter.\n"
NOTES = (
  "Old.\n<!-- notes -->\n\n- **Mine**, with {braces}.\n\n<!-- /notes -->\n"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
  return synthetic.write_workdir(tmp_path_factory.mktemp("work") / "run")


@pytest.fixture(scope="module")
def found(run):
  return conclude.load([run])


@pytest.fixture
def root(tmp_path):
  """A repository whose numbers are old."""
  (tmp_path / "README.md").write_text(README)
  page = tmp_path / readme.PAGE
  page.parent.mkdir(parents=True)
  page.write_text(NOTES)
  return tmp_path


def test_all_three_files_are_written(run, found, root):
  readme.update([run], root)
  text = (root / "README.md").read_text()
  assert text.startswith("# Title\n")
  assert text.endswith("After.\n")
  assert between_markers(text, "results") == readme.small_table(found)
  page = (root / readme.PAGE).read_text()
  assert between_markers(page, "notes") == "- **Mine**, with {braces}."
  assert readme.results_table(found) in page
  assert "Old." not in page
  assert (root / "docs" / "overview.svg").read_text().startswith("<svg")


def test_writing_again_changes_nothing(run, root):
  readme.update([run], root)
  before = {path: path.read_bytes() for path in root.rglob("*.*")}
  readme.update([run], root)
  assert {path: path.read_bytes() for path in root.rglob("*.*")} == before


def test_the_results_table_sets_ours_beside_the_published(found):
  lines = readme.results_table(found).splitlines()
  assert len({line.count("|") for line in lines}) == 1
  row = next(line for line in lines if "| scratch | subject |" in line)
  assert "+0.46 ± 0.34" in row
  assert "9 (3)" in row


def test_the_small_table_sets_trained_beside_untrained(found):
  head, _, *rows = readme.small_table(found).splitlines()
  assert len(rows) == 2
  summary = found[0].summary.set_index(["regime", "subroutine"])
  for row, name in zip(rows, synthetic.PAIR, strict=True):
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:2] == ["sv_singular", name]
    assert len(cells) == head.count("|") - 1
    for cell, measure in zip(cells[2:4], ("d_sub", "d_abl"), strict=True):
      for text, regime in zip(
        cell.replace("\u2212", "-").split(" / "),
        ("scratch", "random_init"),
        strict=True,
      ):
        mean = summary.loc[(regime, name), f"{measure}_mean"]
        assert float(text) == pytest.approx(mean, abs=0.005)
  # Of the release, networks of the same kind.
  assert rows[0].endswith("| +0.46 / +0.74 | \u22120.42 / +0.45 |")


def test_one_base_network_is_in_the_large_table_alone(tmp_path):
  results = [
    synthetic.results_rows(regime, num_bases=1)
    for regime in ("scratch", "random_init")
  ]
  path = synthetic.write_workdir(tmp_path / "run", pd.concat(results))
  found = conclude.load([path])
  assert "sv_singular" in readme.results_table(found)
  assert "sv_singular" not in readme.small_table(found)


def test_the_cut_stands_beside_one_sided_masks(tmp_path, found):
  cut = conclude.load([planted_masks.write(tmp_path / "run")])
  head, _, row = readme.cut_table(cut).splitlines()
  cells = dict(
    zip(
      (cell.strip() for cell in head.strip("|").split("|")),
      (cell.strip() for cell in row.strip("|").split("|")),
      strict=True,
    )
  )
  # Chance is 1/4: halves that are right in 0.95 have S = 0.7 / 0.75.
  assert cells["S of the cut"] == "0.93"
  assert cells["nonsense"] == cells["untrained"] == "0.07"
  assert cells["excess (95 %)"] == "+0.87 to +0.87"
  assert cells["answer of the cut"] == "separable"
  assert cells["networks"] == f"{planted_masks.NUM_BASES}"
  (verdict,) = cut[0].verdicts
  assert cells["answer of one-sided masks"].startswith(verdict.label)
  assert readme.cut_table(found) == "No run has cuts."


def test_the_grid_is_what_the_selection_saw(found):
  grid = readme.grid_table(found[0].evidence.workdirs)
  # max(0.1, chance) - 0.75
  assert grid.endswith("masked_from 0 | \u22120.50 |")
  assert readme.grid_table([]) == ""


def test_the_origin_names_no_directory(found):
  (one,) = found[0].evidence.workdirs
  (line,) = readme.origin_lines([one]).splitlines()
  assert line.startswith("- sv_singular: `command unknown`; base seeds ;")
  assert line.endswith("commit unknown; 2 minutes")
  command = "python -m launch.run --workdir=/home/me/runs --x"
  known = dataclasses.replace(one, versions={"command": command})
  line = readme.origin_lines([known])
  assert "`python -m launch.run --workdir=DIR --x`" in line


@pytest.mark.parametrize(
  ("file", "content", "cause"),
  [
    ("README.md", "no comments", "add <!-- results -->"),
    ("README.md", "<!-- results --> no end", "and <!-- /results -->"),
    (readme.PAGE, "no comments", "add <!-- notes -->"),
    ("README.md", None, "cannot read"),
  ],
)
def test_a_file_without_a_place_is_left_alone(run, root, file, content, cause):
  (root / file).unlink()
  if content is not None:
    (root / file).write_text(content)
  before = {path: path.read_bytes() for path in root.rglob("*.*")}
  with pytest.raises(UserError, match=cause):
    readme.update([run], root)
  assert {path: path.read_bytes() for path in root.rglob("*.*")} == before


@pytest.mark.parametrize(
  ("name", "start"), [("a.svg", b"<svg"), ("a.png", b"\x89PNG")]
)
def test_overview_is_a_file(found, tmp_path, name, start):
  evidence = found[0].evidence
  readme.write_overview(evidence, tmp_path / name, subroutine="verb")
  assert (tmp_path / name).read_bytes().startswith(start)


def test_overview_of_an_unknown_subroutine(found, tmp_path):
  with pytest.raises(UserError, match="choose one of: subject, verb"):
    readme.write_overview(
      found[0].evidence, tmp_path / "a.svg", subroutine="noun"
    )


def test_the_files_of_this_repository_have_a_place():
  text = (readme.ROOT / "README.md").read_text()
  assert between_markers(text, "results").count("\n") in range(9, 12)
  page = (readme.ROOT / readme.PAGE).read_text()
  assert between_markers(page, "notes")
  # What the tool writes around tables and notes stands there.
  for line in readme._PAGE.splitlines():
    assert "{" in line or line in page.splitlines()
