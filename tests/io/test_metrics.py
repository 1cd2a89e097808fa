import json
import os

import jax.numpy as jnp
import numpy as np
import pytest

from structcomp_jax.io import metrics
from structcomp_jax.types import UserError


@pytest.fixture
def path(tmp_path):
  return tmp_path / "base" / "metrics.jsonl"


def write_rows(path, steps):
  with metrics.MetricsWriter(path) as writer:
    for step in steps:
      writer.write({"step": step, "train/loss": 0.5})


def test_rows_keep_order_values_and_types(path):
  row = {"step": 1, "b": np.float32(0.1), "a": jnp.int32(2), "none": None}
  with metrics.MetricsWriter(path) as writer:
    writer.write(row)
    # Rows are flushed: a reader sees them while the writer is open.
    assert path.read_text() == '{"step": 1, "b": 0.1, "a": 2, "none": null}\n'


def test_values_that_json_lacks_become_null(path):
  with metrics.MetricsWriter(path) as writer:
    writer.write({"a": float("nan"), "b": np.float32(np.inf), "c": -np.inf})
  assert metrics.read(path) == [{"a": None, "b": None, "c": None}]


def test_reopening_appends(path):
  write_rows(path, [1])
  write_rows(path, [2])
  assert [row["step"] for row in metrics.read(path)] == [1, 2]


@pytest.mark.parametrize("torn", [b'{"step": 3', b'{"step": 3}', b"\xc3"])
def test_torn_last_line_is_dropped(path, torn):
  write_rows(path, [1, 2])
  with open(path, "ab") as file:
    file.write(torn)
  assert [row["step"] for row in metrics.read(path)] == [1, 2]
  write_rows(path, [4])
  assert [row["step"] for row in metrics.read(path)] == [1, 2, 4]


def test_rewind_then_continue_equals_uninterrupted(path, tmp_path):
  write_rows(path, range(10))
  with open(path, "ab") as file:
    file.write(b'{"step": 10, "tra')
  metrics.rewind(path, lambda row: row["step"] <= 6)
  write_rows(path, range(7, 12))
  write_rows(tmp_path / "whole.jsonl", range(12))
  assert path.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_rewind_of_a_missing_file_does_nothing(path):
  metrics.rewind(path, lambda row: True)
  assert not path.exists()


@pytest.mark.parametrize("line", ["{", "3", "[]", "\udcff"])
def test_damage_in_the_middle_is_named(path, line):
  write_rows(path, [1])
  with open(path, "ab") as file:
    file.write(line.encode(errors="surrogateescape") + b"\n")
  write_rows(path, [2])
  with pytest.raises(UserError, match=r"metrics.jsonl line 2 .*delete"):
    metrics.read(path)


def test_missing_or_unwritable_file_is_a_user_error(tmp_path):
  with pytest.raises(UserError, match=r"cannot read.*No such file"):
    metrics.read(tmp_path / "metrics.jsonl")
  (tmp_path / "file").write_text("")
  with pytest.raises(UserError, match="cannot write"):
    metrics.MetricsWriter(tmp_path / "file" / "metrics.jsonl")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_full_disk_is_a_user_error(tmp_path):
  os.symlink("/dev/full", tmp_path / "metrics.jsonl")
  writer = metrics.MetricsWriter(tmp_path / "metrics.jsonl")
  with pytest.raises(UserError, match="free disk space"):
    writer.write({"step": 1})
  with pytest.raises(UserError, match="free disk space"):
    writer.close()


def test_rows_are_one_json_object_per_line(path):
  write_rows(path, range(3))
  rows = [json.loads(line) for line in path.read_text().splitlines()]
  assert rows == metrics.read(path)
