"""The stored tables and the page in docs are those of the release itself.

The table of the release is not part of this repository; name it to run these:

    STRUCTCOMP_RELEASE=FILE pytest tests/studies/break_it_down/reanalysis
"""

import os
import pathlib

import pandas as pd
import pytest

from structcomp_jax.studies.break_it_down.findings import published
from structcomp_jax.studies.break_it_down.reanalysis import (
  published_data,
  run,
)

ROOT = pathlib.Path(__file__).parents[4]
GOLDEN = ROOT / "tests" / "golden" / "reanalysis" / "analysis_data.csv"
RELEASE = os.environ.get("STRUCTCOMP_RELEASE", "")

pytestmark = pytest.mark.skipif(not RELEASE, reason="needs the release")


def test_the_stored_tables_are_those_of_the_release():
  found = published_data.load(RELEASE)
  assert len(found.tables) == 18
  lines = GOLDEN.read_text().splitlines()
  made = [
    ",".join(
      [
        name,
        str(row["Base_Model"]),
        str(row["Ablation"]),
        row["Task"],
        repr(row["Performance"]),
        str(row.get("singular", "")),
      ]
    )
    for name, table in sorted(found.tables.items())
    for row in table.to_dict("records")
  ]
  assert lines[1:] == made


def test_the_page_in_docs_is_written_from_the_release(tmp_path):
  run.reanalyse(RELEASE, tmp_path, tmp_path / "main.md")
  stored = ROOT / "docs" / "results" / "reanalysis.md"
  assert (tmp_path / "main.md").read_text() == stored.read_text()


def test_the_summary_of_the_release_is_what_is_stored():
  release = pd.read_csv(RELEASE, dtype={"masked_from": str})
  made = published.summarise(release).reset_index(drop=True)
  pd.testing.assert_frame_equal(
    made, published.load(), check_dtype=False, rtol=0, atol=1e-9
  )
