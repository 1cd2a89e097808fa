"""`launch.reanalyse` as a user runs it."""

import pytest

from tests.launcher import assert_one_line, contents
from tests.studies.break_it_down.reanalysis import synthetic


@pytest.fixture
def surroundings(tmp_path):
  """A result table, what is none, and a file where a directory should be."""
  table = synthetic.write(tmp_path / "results.csv")
  table.drop(columns="l0").to_csv(tmp_path / "narrow.csv", index=False)
  table[:0].to_csv(tmp_path / "empty.csv", index=False)
  (tmp_path / "picture.csv.gz").write_bytes(b"\x89PNG no table")
  (tmp_path / "file").write_text("mine")
  return tmp_path


def test_writes_the_page_and_says_where(launch, surroundings):
  out = surroundings / "new" / "out"
  outcome = launch(
    "reanalyse",
    f"--results={surroundings}/results.csv",
    f"--out={out}",
    f"--markdown={surroundings}/main.md",
  )
  assert outcome.status == 0, outcome.text
  assert f"report: {out}/index.html" in outcome.text
  assert "8 collapsed networks: 1 of 213 searches collapsed" in outcome.text
  assert (out / "index.html").is_file()
  assert (surroundings / "main.md").is_file()


@pytest.mark.parametrize(
  ("arguments", "expected"),
  [
    ([], ["--results", "--out"]),
    (["--results={tmp}/results.csv"], ["--out", "--help"]),
    (
      ["--results={tmp}/nothing.csv", "--out={tmp}/out"],
      ["{tmp}/nothing.csv", "No such file"],
    ),
    (["--results={tmp}", "--out={tmp}/out"], ["{tmp}", "give --results"]),
    (
      ["--results={tmp}/narrow.csv", "--out={tmp}/out"],
      ["{tmp}/narrow.csv", "no column l0"],
    ),
    (
      ["--results={tmp}/empty.csv", "--out={tmp}/out"],
      ["{tmp}/empty.csv", "no row"],
    ),
    (
      ["--results={tmp}/picture.csv.gz", "--out={tmp}/out"],
      ["{tmp}/picture.csv.gz"],
    ),
    (
      ["--results={tmp}/results.csv", "--out={tmp}/file/out"],
      ["{tmp}/file/out", "choose another directory"],
    ),
    (
      ["--results={tmp}/results.csv", "--out=/proc/structcomp"],
      ["/proc/structcomp", "choose another directory"],
    ),
  ],
)
def test_says_in_one_line_what_is_wrong(
  launch, surroundings, arguments, expected
):
  before = contents(surroundings)
  outcome = launch(
    "reanalyse",
    *[text.replace("{tmp}", str(surroundings)) for text in arguments],
  )
  assert_one_line(
    outcome, *(text.replace("{tmp}", str(surroundings)) for text in expected)
  )
  assert contents(surroundings) == before
