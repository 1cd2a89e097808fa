"""A result table is read as it is, or refused in one line."""

import gzip

import pandas as pd
import pytest

from structcomp_jax.studies.break_it_down.reanalysis import release
from structcomp_jax.types import UserError
from tests.studies.break_it_down.reanalysis import synthetic


@pytest.fixture(scope="module")
def table():
  return synthetic.release()


@pytest.mark.parametrize("name", ["results.csv", "results.csv.gz"])
def test_evaluations_are_read_to_the_last_bit(table, tmp_path, name):
  table.to_csv(tmp_path / name, index=False)
  rows = release.read(tmp_path / name)
  expected = table[table["row_type"] == "eval"].reset_index(drop=True)
  for column in release.COLUMNS:
    assert list(rows[column]) == list(expected[column]), column
  # "0" is a stage, not a number; nothing of it may be lost.
  assert set(rows["masked_from"]) == {"0", "2", "stage_3", "stage_4"}


def bad_tables():
  """Returns {name: (change of the table, what the line must say)}."""

  def without_a_test(table):
    return table[~((table["ablation"] == "zero") & (table["eval_task"] == 107))]

  return {
    "a missing column": (
      lambda table: table.drop(columns=["l0", "loss"]),
      "has no column loss, l0;",
    ),
    "no row": (lambda table: table[:0], "no row whose row_type is eval;"),
    "training rows alone": (
      lambda table: table[table["row_type"] == "train"],
      "no row whose row_type is eval;",
    ),
    "no number": (
      lambda table: table.assign(accuracy="high"),
      "column accuracy holds a cell that is no number",
    ),
    "unknown experiment": (
      lambda table: table.assign(experiment="inside_colour"),
      "unknown experiment inside_colour;",
    ),
    "unknown regime": (
      lambda table: table.assign(regime="trained"),
      "unknown regime trained;",
    ),
    "task of another experiment": (
      lambda table: table.assign(eval_task=200),
      "has no task 200;",
    ),
    "mask for the whole task": (
      lambda table: table.assign(mask_task="base"),
      "has no task base;",
    ),
    "a row twice": (
      lambda table: pd.concat([table, table[1:2]]),
      "answers twice for search",
    ),
    "a missing test": (without_a_test, "ablation zero, task 107;"),
  }


@pytest.mark.parametrize("name", bad_tables())
def test_wrong_tables_are_refused(table, tmp_path, name):
  change, expected = bad_tables()[name]
  path = tmp_path / "results.csv"
  change(table).to_csv(path, index=False)
  with pytest.raises(UserError) as error:
    release.read(path)
  assert expected in str(error.value)
  assert str(path) in str(error.value)
  assert "\n" not in str(error.value)


@pytest.mark.parametrize(
  ("name", "content"),
  [
    ("empty.csv", b""),
    ("picture.csv", b"\x89PNG\r\n\x1a\n\x00\xff\xfe"),
    ("plain.csv.gz", b"a,b\n1,2\n"),
    ("torn.csv.gz", gzip.compress(b"a,b\n" * 1000, mtime=0)[:-20]),
    ("ragged.csv", b"a\n1,2\n1,2,3\n"),
  ],
)
def test_what_is_no_table_is_refused(tmp_path, name, content):
  path = tmp_path / name
  path.write_bytes(content)
  with pytest.raises(UserError, match="; ") as error:
    release.read(path)
  assert str(path) in str(error.value)


def test_a_missing_file_is_named(tmp_path):
  with pytest.raises(UserError, match="No such file or directory; "):
    release.read(tmp_path / "nothing.csv")
