import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from structcomp_jax.io import results
from structcomp_jax.types import UserError


def make_row(**changes):
  row = dict.fromkeys(results.COLUMNS, 0)
  row.update(
    experiment="quickstart",
    model="bert",
    regime="scratch",
    base_seed=1,
    subroutine="subject",
    mask_seed=2,
    learning_rate=1e-3,
    mask_init=0.05,
    penalty=1e-8,
    masked_from="none",
    ablation="none",
    test_task="odd_verb",
    accuracy=jnp.float32(0.1),
    loss=np.float32(1 / 3),
    selected=True,
  )
  row.update(changes)
  return row


DENSE = {
  "subroutine": "",
  "mask_seed": None,
  "learning_rate": None,
  "mask_init": None,
  "penalty": None,
  "selected": False,
}


def test_columns_follow_the_contract():
  assert results.COLUMNS[:17] == (
    "experiment",
    "model",
    "regime",
    "base_seed",
    "subroutine",
    "mask_seed",
    "learning_rate",
    "mask_init",
    "penalty",
    "masked_from",
    "ablation",
    "test_task",
    "accuracy",
    "loss",
    "num_problems",
    "l0",
    "l0_max",
  )


def test_round_trip_keeps_words_that_look_like_gaps(tmp_path):
  path = tmp_path / "results.csv"
  results.write(path, [make_row(), make_row(**DENSE, regime="NA")])
  table = results.read(path)
  assert tuple(table.columns) == results.COLUMNS
  assert list(table["ablation"]) == ["none", "none"]
  assert list(table["masked_from"]) == ["none", "none"]
  assert list(table["subroutine"]) == ["subject", ""]
  assert list(table["regime"]) == ["scratch", "NA"]
  assert list(table["selected"]) == [True, False]
  assert table["selected"].dtype == bool
  assert table["base_seed"].dtype == np.int64
  assert table["mask_seed"][0] == 2
  assert np.isnan(table["mask_seed"][1])
  assert table["penalty"][0] == 1e-8


def test_float_bits_survive_and_give_one_text(tmp_path):
  rng = np.random.default_rng(0)
  losses = rng.standard_normal(200).astype(np.float32)
  path, again = tmp_path / "a.csv", tmp_path / "b.csv"
  results.write(path, [make_row(loss=x) for x in losses])
  results.write(again, [make_row(loss=jnp.asarray(x)) for x in losses])
  assert path.read_bytes() == again.read_bytes()
  read = results.read(path)["loss"].to_numpy().astype(np.float32)
  np.testing.assert_array_equal(read, losses)
  wide = rng.standard_normal(200)
  results.write(path, [make_row(loss=x) for x in wide])
  np.testing.assert_array_equal(results.read(path)["loss"], wide)


def test_what_was_read_writes_the_same_bytes(tmp_path):
  path, again = tmp_path / "a.csv", tmp_path / "b.csv"
  results.write(path, [make_row(loss=0.25, accuracy=0.5)])
  results.write(again, results.read(path).to_dict("records"))
  assert path.read_bytes() == again.read_bytes()


def test_not_a_number_is_kept(tmp_path):
  path = tmp_path / "results.csv"
  results.write(path, [make_row(loss=np.nan), make_row(loss=np.inf)])
  np.testing.assert_array_equal(results.read(path)["loss"], [np.nan, np.inf])


def test_no_rows(tmp_path):
  results.write(tmp_path / "results.csv", [])
  table = results.read(tmp_path / "results.csv")
  assert len(table) == 0
  assert tuple(table.columns) == results.COLUMNS


def test_other_tables(tmp_path):
  control = make_row(control="random_matched")
  results.write(tmp_path / "c.csv", [control], results.CONTROL_COLUMNS)
  table = results.read(tmp_path / "c.csv", results.CONTROL_COLUMNS)
  assert table["control"][0] == "random_matched"

  density = {name: make_row().get(name, 7) for name in results.DENSITY_COLUMNS}
  density["leaf"] = "null"
  results.write(tmp_path / "d.csv", [density], results.DENSITY_COLUMNS)
  table = results.read(tmp_path / "d.csv", results.DENSITY_COLUMNS)
  assert table["leaf"][0] == "null"
  assert table["kept"][0] == 7


def test_rows_must_have_exactly_the_columns(tmp_path):
  with pytest.raises(ValueError, match="'extra'"):
    results.write(tmp_path / "x", [make_row(extra=1)])
  row = make_row()
  del row["loss"]
  with pytest.raises(ValueError, match="'loss'"):
    results.write(tmp_path / "x", [row])
  assert not (tmp_path / "x").exists()


def test_missing_column_is_named_and_further_ones_are_kept(tmp_path):
  path = tmp_path / "results.csv"
  table = pd.DataFrame([make_row(note="by hand", accuracy=0.5, loss=0.5)])
  table.to_csv(path, index=False)
  assert list(results.read(path)["note"]) == ["by hand"]
  table.drop(columns=["loss", "l0"]).to_csv(path, index=False)
  with pytest.raises(UserError, match="no column loss, l0"):
    results.read(path)


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
  path = tmp_path / "results.csv"
  if content is not None:
    path.write_bytes(content)
  with pytest.raises(UserError, match=cause) as caught:
    results.read(path)
  assert "\n" not in str(caught.value)


@pytest.mark.parametrize("column", ["accuracy", "base_seed", "selected"])
def test_bad_cell_is_named(tmp_path, column):
  path = tmp_path / "results.csv"
  results.write(path, [make_row(), make_row(**{column: "many"})])
  with pytest.raises(UserError, match=f"column {column} .*write"):
    results.read(path)
