"""Rows of metrics as scalars, each once."""

import sys

import numpy as np
import pytest

pytest.importorskip("tensorboardX")

from structcomp_jax.io import scalars
from structcomp_jax.types import UserError
from tests import event_files


def row(step, loss, seed=0):
  return {"candidate": 7, "step": step, "mask_seed": seed, "train/loss": loss}


def write(directory, earlier, new):
  writer = scalars.Scalars(directory, earlier)
  for one in new:
    writer.write(one)
  writer.close()


def test_every_mask_has_its_own_curve(tmp_path):
  write(tmp_path, [], [row(1, 0.5), row(1, 0.25, seed=1), row(2, 0.125)])
  assert event_files.read(tmp_path / "mask_seed_0") == [
    ("train/loss", 1, 0.5),
    ("train/loss", 2, 0.125),
  ]
  assert event_files.read(tmp_path / "mask_seed_1") == [("train/loss", 1, 0.25)]


def test_a_resumed_run_has_each_point_once(tmp_path):
  write(tmp_path, [], [row(1, 0.5), row(2, 0.25), row(3, 0.125)])
  # Files of one second have one name.
  (file,) = (tmp_path / "mask_seed_0").iterdir()
  file.rename(file.with_name("events.earlier"))
  write(tmp_path, [row(1, 0.5)], [row(2, 0.25)])
  assert event_files.read(tmp_path / "mask_seed_0") == [
    ("train/loss", 1, 0.5),
    ("train/loss", 2, 0.25),
  ]


def test_a_run_leaves_the_curves_of_others(tmp_path):
  write(tmp_path, [], [row(1, 0.5)])
  write(tmp_path, [], [row(1, 0.25, seed=1)])
  assert event_files.read(tmp_path / "mask_seed_0") == [("train/loss", 1, 0.5)]


def test_settings_tell_masks_apart_whatever_their_type(tmp_path):
  settings = {"mask_seed": 0, "learning_rate": 0.03, "penalty": 1e-8}
  arrays = {name: np.float32(value) for name, value in settings.items()}
  write(tmp_path, [settings | {"step": 1}], [arrays | {"step": 2}])
  (directory,) = tmp_path.iterdir()
  assert directory.name == "mask_seed_0,learning_rate_0.03,penalty_1e-08"
  assert {step for _, step, _ in event_files.read(directory)} == {1, 2}


def test_what_is_no_finite_number_is_left_out(tmp_path):
  values = {"a": np.float32(np.nan), "b": None, "c": "text", "d": np.True_}
  write(tmp_path, [], [{"step": 3, "seed": 1, **values}])
  assert event_files.read(tmp_path / "seed_1") == [("d", 3, 1.0)]


def test_a_missing_writer_is_one_line(monkeypatch):
  monkeypatch.setitem(sys.modules, "tensorboardX", None)
  with pytest.raises(UserError, match=r"pip install 'structcomp_jax\[tensor"):
    scalars.load_package()
