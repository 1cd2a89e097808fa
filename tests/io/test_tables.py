"""What was written is read: bits, words that look like gaps, and damage."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from structcomp_jax.io import tables
from structcomp_jax.types import UserError

SCHEMA = tables.Schema(
  {
    "name": str,
    "seed": float,
    "penalty": float,
    "word": str,
    "accuracy": float,
    "loss": float,
    "selected": bool,
  },
  made_by="python -m make.it",
  filled=("accuracy",),
)


def make_row(**changes):
  row = {
    "name": "first",
    "seed": 1,
    "penalty": 1e-8,
    "word": "none",
    "accuracy": jnp.float32(0.1),
    "loss": np.float32(1 / 3),
    "selected": True,
  }
  return row | changes


GAPS = {"word": "", "seed": None, "penalty": None, "selected": False}


def test_round_trip_keeps_words_that_look_like_gaps(tmp_path):
  path = tmp_path / "table.csv"
  tables.write(path, [make_row(), make_row(**GAPS, name="NA")], SCHEMA)
  table = tables.read(path, SCHEMA)
  assert list(table) == list(SCHEMA.columns)
  assert list(table["word"]) == ["none", ""]
  assert list(table["name"]) == ["first", "NA"]
  assert list(table["selected"]) == [True, False]
  assert table["selected"].dtype == bool
  assert table["seed"][0] == 1
  assert np.isnan(table["seed"][1])
  assert table["penalty"][0] == 1e-8


def test_numbers_without_gaps_and_points_are_integers(tmp_path):
  path = tmp_path / "table.csv"
  tables.write(path, [make_row(), make_row(seed=2)], SCHEMA)
  assert tables.read(path, SCHEMA)["seed"].dtype == np.int64


def test_float_bits_survive_and_give_one_text(tmp_path):
  rng = np.random.default_rng(0)
  losses = rng.standard_normal(200).astype(np.float32)
  path, again = tmp_path / "a.csv", tmp_path / "b.csv"
  tables.write(path, [make_row(loss=x) for x in losses], SCHEMA)
  tables.write(again, [make_row(loss=jnp.asarray(x)) for x in losses], SCHEMA)
  assert path.read_bytes() == again.read_bytes()
  read = tables.read(path, SCHEMA)["loss"].to_numpy().astype(np.float32)
  np.testing.assert_array_equal(read, losses)
  wide = rng.standard_normal(200)
  tables.write(path, [make_row(loss=x) for x in wide], SCHEMA)
  np.testing.assert_array_equal(tables.read(path, SCHEMA)["loss"], wide)


def test_what_was_read_writes_the_same_bytes(tmp_path):
  path, again = tmp_path / "a.csv", tmp_path / "b.csv"
  tables.write(path, [make_row(loss=0.25, accuracy=0.5)], SCHEMA)
  tables.write(again, tables.read(path, SCHEMA).to_dict("records"), SCHEMA)
  assert path.read_bytes() == again.read_bytes()


def test_not_a_number_is_kept(tmp_path):
  path = tmp_path / "table.csv"
  tables.write(path, [make_row(loss=np.nan), make_row(loss=np.inf)], SCHEMA)
  found = tables.read(path, SCHEMA)["loss"]
  np.testing.assert_array_equal(found, [np.nan, np.inf])


def test_no_rows(tmp_path):
  tables.write(tmp_path / "table.csv", [], SCHEMA)
  table = tables.read(tmp_path / "table.csv", SCHEMA)
  assert len(table) == 0
  assert list(table) == list(SCHEMA.columns)


def test_rows_must_have_exactly_the_columns(tmp_path):
  with pytest.raises(ValueError, match="'extra'"):
    tables.write(tmp_path / "x", [make_row(extra=1)], SCHEMA)
  row = make_row()
  del row["loss"]
  with pytest.raises(ValueError, match="'loss'"):
    tables.write(tmp_path / "x", [row], SCHEMA)
  assert not (tmp_path / "x").exists()


def test_missing_column_is_named_and_further_ones_are_kept(tmp_path):
  path = tmp_path / "table.csv"
  row = make_row(note="by hand", count=3, accuracy=0.5, loss=0.5)
  table = pd.DataFrame([row])
  table.to_csv(path, index=False)
  found = tables.read(path, SCHEMA)
  assert list(found["note"]) == ["by hand"]
  assert list(found["count"]) == [3]
  table.drop(columns=["loss", "seed"]).to_csv(path, index=False)
  with pytest.raises(UserError, match=r"no column seed, loss.*make\.it"):
    tables.read(path, SCHEMA)


@pytest.mark.parametrize(
  ("content", "cause"),
  [
    (None, "No such file"),
    (b"", "not a table"),
    (b"\xff\xfe\x00", "not a table|no column"),
    (b'a,b\n"1', "not a table|no column"),
  ],
)
def test_no_table_is_a_user_error(tmp_path, content, cause):
  path = tmp_path / "table.csv"
  if content is not None:
    path.write_bytes(content)
  with pytest.raises(UserError, match=cause) as caught:
    tables.read(path, SCHEMA)
  assert "\n" not in str(caught.value)


@pytest.mark.parametrize("column", ["accuracy", "seed", "selected"])
def test_bad_cell_is_named(tmp_path, column):
  path = tmp_path / "table.csv"
  tables.write(path, [make_row(), make_row(**{column: "many"})], SCHEMA)
  with pytest.raises(UserError, match=f"column {column} .*write"):
    tables.read(path, SCHEMA)


@pytest.mark.parametrize("num_bytes", [1, 3, 9, 20])
def test_a_table_that_breaks_off_is_torn(tmp_path, num_bytes):
  path = tmp_path / "table.csv"
  tables.write(path, [make_row(), make_row()], SCHEMA)
  path.write_bytes(path.read_bytes()[:-num_bytes])
  with pytest.raises(UserError, match=r"torn .* make\.it"):
    tables.read(path, SCHEMA)


def test_a_gap_where_none_may_be_is_torn(tmp_path):
  path = tmp_path / "table.csv"
  tables.write(path, [make_row(), make_row(accuracy=None)], SCHEMA)
  with pytest.raises(UserError, match="torn or has empty cells"):
    tables.read(path, SCHEMA)


@pytest.mark.parametrize("cells", [("TRUE", "FALSE"), ("1", "0"), ("true", "")])
def test_truth_values_as_spreadsheets_write_them(tmp_path, cells):
  path = tmp_path / "table.csv"
  rows = [make_row(selected=cell) for cell in cells]
  pd.DataFrame(rows).to_csv(path, index=False)
  assert tables.read(path, SCHEMA)["selected"].tolist() == [True, False]


@pytest.mark.parametrize("decimal", [".", ","])
def test_semicolons_are_named_and_nothing_is_to_be_deleted(tmp_path, decimal):
  path = tmp_path / "table.csv"
  rows = [make_row(loss=0.25, accuracy=0.5) for _ in range(2)]
  pd.DataFrame(rows).to_csv(path, index=False, sep=";", decimal=decimal)
  with pytest.raises(UserError, match=r"by semicolons.*save it with commas"):
    tables.read(path, SCHEMA)
