"""Building data sets and reading them back."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from structcomp_jax.tasks import datasets
from structcomp_jax.tasks.odd_one_out import syntax
from structcomp_jax.types import UserError

_NAME = "syntax_subroutines/sv_singular.base"
_SIZES = {"train": 30, "validation": 10, "test": 20}


def _version_dir(data_dir, name=_NAME):
  return pathlib.Path(data_dir) / name / "1.0.0"


def _shard(data_dir, split):
  (path,) = _version_dir(data_dir).glob(f"*-{split}.array_record*")
  return path


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
  """A small data set that tests must not change."""
  data_dir = tmp_path_factory.mktemp("data")
  datasets.prepare(_NAME, data_dir, _SIZES)
  return data_dir


def test_round_trip_keeps_the_first_problems_in_order(prepared):
  made = syntax.make_datasets("sv_singular")["base"]
  for split, count in _SIZES.items():
    problems = datasets.load(_NAME, prepared, split)
    assert problems.tolist() == made[split][:count].tolist()
    assert type(problems[0, 0]) is str


@pytest.mark.parametrize("chunk", [1, 7, 30, 64])
def test_problems_are_read_in_order_whatever_the_chunk(
  prepared, monkeypatch, chunk
):
  monkeypatch.setattr(datasets, "_PLAIN_CHUNK", chunk)
  made = syntax.make_datasets("sv_singular")["base"]["train"][:30]
  assert datasets.load(_NAME, prepared, "train").tolist() == made.tolist()


def test_problems_are_read_in_order_from_several_files(tmp_path, monkeypatch):
  from tensorflow_datasets.core.utils import shard_utils

  monkeypatch.setattr(
    shard_utils.ShardConfig, "get_number_shards", lambda *_, **__: 3
  )
  datasets.prepare(_NAME, tmp_path, _SIZES)
  assert len(list(_version_dir(tmp_path).glob("*-train.array_record*"))) == 3
  made = syntax.make_datasets("sv_singular")["base"]["train"][:30]
  assert datasets.load(_NAME, tmp_path, "train").tolist() == made.tolist()


@pytest.mark.parametrize(
  "name",
  [
    "sv_singular.odd_verb",
    "anaphora_plural.antecedent.disjoint",
    "anaphora_singular.odd_pronoun.unseen_words",
  ],
)
def test_whole_data_set_round_trip(tmp_path, name):
  parts = syntax.DATASET_NAMES[name]
  made = syntax.make_datasets(parts.experiment, parts.policy)[parts.role]
  name = f"syntax_subroutines/{name}"
  builder = datasets.prepare(name, tmp_path)
  assert builder.split_sizes == {s: len(p) for s, p in made.items()}
  for split, problems in made.items():
    loaded = datasets.load(name, tmp_path, split)
    assert loaded.tolist() == problems.tolist()


def test_metadata_says_what_is_not_separated(prepared):
  stored = json.loads((_version_dir(prepared) / "metadata.json").read_text())
  expected = syntax.separation_report("sv_singular", "published")
  assert stored["separation"] == expected
  builder = datasets.prepare(_NAME, prepared, _SIZES)
  assert builder.info.metadata["separation"] == expected


def test_plain_tfds_reads_the_files(prepared):
  import tensorflow_datasets as tfds

  builder = tfds.builder_from_directory(_version_dir(prepared))
  (example,) = builder.as_data_source("test[:1]")
  sentences = [text.decode() for text in example["sentences"]]
  made = syntax.make_datasets("sv_singular")["base"]["test"]
  assert sentences == made[0].tolist()


def test_equal_data_set_is_reused_silently(prepared, capfd):
  before = {p: p.stat().st_mtime_ns for p in prepared.rglob("*")}
  datasets.prepare(_NAME, prepared, _SIZES)
  assert {p: p.stat().st_mtime_ns for p in prepared.rglob("*")} == before
  assert capfd.readouterr() == ("", "")


def test_building_is_silent(tmp_path, capfd):
  datasets.prepare(_NAME, tmp_path, _SIZES)
  assert capfd.readouterr() == ("", "")


def test_other_sizes_are_refused(prepared):
  with pytest.raises(
    UserError, match=r"1\.0\.0 holds train 30,.*but train 31,.*data directory"
  ):
    datasets.prepare(_NAME, prepared, _SIZES | {"train": 31})


def test_killed_run_leaves_nothing_behind(prepared, tmp_path):
  leftover = _version_dir(tmp_path).parent / "incomplete.ABC123_1.0.0"
  leftover.mkdir(parents=True)
  (leftover / "half.array_record").write_bytes(b"half")
  datasets.prepare(_NAME, tmp_path, _SIZES)
  assert not leftover.exists()
  for split in _SIZES:
    again, first = _shard(tmp_path, split), _shard(prepared, split)
    assert again.read_bytes() == first.read_bytes()


def test_run_killed_while_writing_can_be_repeated(prepared, tmp_path):
  """The process dies (no clean-up) after the first half of the train split."""
  script = """
import os, signal, sys
from structcomp_jax.tasks import datasets, syntax_subroutines
whole = syntax_subroutines.SyntaxSubroutines._generate_examples
def killed(self, split, count):
  for key, example in whole(self, split, count):
    if split == "validation" and key == 5:
      os.kill(os.getpid(), signal.SIGKILL)
    yield key, example
syntax_subroutines.SyntaxSubroutines._generate_examples = killed
datasets.prepare(sys.argv[1], sys.argv[2], eval(sys.argv[3]))
"""
  command = [sys.executable, "-c", script, _NAME, str(tmp_path), str(_SIZES)]
  assert subprocess.run(command, check=False).returncode == -9
  config_dir = _version_dir(tmp_path).parent
  assert [p.name.split(".")[0] for p in config_dir.iterdir()] == ["incomplete"]
  datasets.prepare(_NAME, tmp_path, _SIZES)
  assert [p.name for p in config_dir.iterdir()] == ["1.0.0"]
  assert (
    _shard(tmp_path, "train").read_bytes()
    == _shard(prepared, "train").read_bytes()
  )


def _halve(path):
  os.truncate(path, path.stat().st_size // 2)


def _empty(path):
  os.truncate(path, 0)


def _first_block(path):
  """array_record pads files to 64 KiB, and does not notice a cut there."""
  os.truncate(path, 1 << 16)


def _flip(path):
  data = bytearray(path.read_bytes())
  data[1000] ^= 0xFF
  path.write_bytes(data)


@pytest.mark.parametrize(
  "damage", [_halve, _empty, _first_block, _flip, pathlib.Path.unlink]
)
def test_damaged_file_is_refused_by_name(tmp_path, damage):
  datasets.prepare(_NAME, tmp_path, {"train": 1000})
  damage(_shard(tmp_path, "train"))
  with pytest.raises(
    UserError, match=r"train\.array_record.*is damaged.*delete .*prepare"
  ) as raised:
    datasets.load(_NAME, tmp_path, "train")
  assert "\n" not in str(raised.value)
  # The other splits are whole.
  assert len(datasets.load(_NAME, tmp_path, "test")) == 1000


def test_damaged_file_is_not_reused(tmp_path):
  datasets.prepare(_NAME, tmp_path, _SIZES)
  _halve(_shard(tmp_path, "test"))
  with pytest.raises(UserError, match="is damaged"):
    datasets.prepare(_NAME, tmp_path, _SIZES)


@pytest.mark.parametrize("call", [datasets.prepare, datasets.load])
@pytest.mark.parametrize("damage", [_halve, _empty, pathlib.Path.unlink])
def test_damaged_description_is_refused(tmp_path, call, damage):
  datasets.prepare(_NAME, tmp_path, _SIZES)
  damage(_version_dir(tmp_path) / "dataset_info.json")
  last = _SIZES if call is datasets.prepare else "train"
  with pytest.raises(UserError, match=r"sv_singular\.base.*; delete "):
    call(_NAME, tmp_path, last)


def test_empty_version_directory_is_refused(tmp_path):
  _version_dir(tmp_path).mkdir(parents=True)
  with pytest.raises(UserError, match="not a complete data set; delete it"):
    datasets.prepare(_NAME, tmp_path, _SIZES)


@pytest.mark.parametrize(
  ("name", "message"),
  [
    ("syntax/sv_singular.base", r"no data set 'syntax/.*syntax_subroutines"),
    ("syntax_subroutines", r"no config ''.*sv_plural\.odd_verb\.disjoint"),
    (
      "syntax_subroutines/sv_singular.odd_verbs",
      r"no config 'sv_singular\.odd_verbs'; use one of sv_singular\.odd_verb",
    ),
  ],
)
def test_unknown_names_are_refused(tmp_path, name, message):
  with pytest.raises(UserError, match=message):
    datasets.prepare(name, tmp_path)
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
  ("num_problems", "message"),
  [
    ({"train": 0}, "cannot have 0 train problems; ask for 1 to 9500"),
    ({"test": 1001}, "cannot have 1001 test problems; ask for 1 to 1000"),
    ({"tests": 1}, "has no split 'tests'; use train, validation, test"),
  ],
)
def test_impossible_numbers_are_refused(tmp_path, num_problems, message):
  with pytest.raises(UserError, match=message):
    datasets.prepare(_NAME, tmp_path, num_problems)


def test_directory_that_is_a_file_is_refused(tmp_path):
  (tmp_path / "file").write_text("")
  with pytest.raises(
    UserError, match=r"cannot write .*; use another --data_dir"
  ):
    datasets.prepare(_NAME, tmp_path / "file")


def test_data_set_that_is_not_prepared(tmp_path):
  with pytest.raises(
    UserError, match=rf"launch\.prepare_data --builder={_NAME} --data_dir="
  ):
    datasets.load(_NAME, tmp_path, "train")


def test_unknown_split(prepared):
  with pytest.raises(UserError, match="no split 'dev'; use train, validation"):
    datasets.load(_NAME, prepared, "dev")


def test_imports_need_neither_tfds_nor_tensorflow():
  script = """
import sys
from structcomp_jax.tasks import datasets
from structcomp_jax.tasks.odd_one_out import metrics, syntax
assert "tensorflow_datasets" not in sys.modules
"""
  subprocess.run([sys.executable, "-c", script], check=True)


def test_building_and_reading_need_no_tensorflow(tmp_path):
  script = f"""
import sys
from structcomp_jax.tasks import datasets
datasets.prepare({_NAME!r}, {str(tmp_path)!r}, {_SIZES!r})
assert len(datasets.load({_NAME!r}, {str(tmp_path)!r}, "train")) == 30
assert "tensorflow" not in sys.modules
"""
  subprocess.run([sys.executable, "-c", script], check=True)


def test_loaded_problems_are_an_object_array(prepared):
  problems = datasets.load(_NAME, prepared, "test")
  assert isinstance(problems, np.ndarray)
  assert (problems.shape, problems.dtype) == ((20, 4), np.dtype(object))
