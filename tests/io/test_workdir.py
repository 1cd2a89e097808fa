import errno
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import pytest

from structcomp_jax.io.workdir import (
  config_differences,
  json_config,
  open_workdir,
)
from structcomp_jax.types import UserError

CONFIG = {
  "model": {"width": 8, "stages": (1, 2)},
  "seeds": [0, 1],
  "runtime": {"num_devices": 1},
}


def enter(path, config=CONFIG, **options):
  with open_workdir(path, config, launched_as="test", **options) as directory:
    return directory


def changed(**model):
  return {**CONFIG, "model": {**CONFIG["model"], **model}}


def test_creates_with_sorted_config_and_leaves_no_lock(tmp_path):
  path = tmp_path / "a" / "b"
  assert enter(path) == path
  assert os.listdir(path) == ["config.json"]
  text = (path / "config.json").read_text()
  stored = json.loads(text)
  assert stored["model"] == {"stages": [1, 2], "width": 8}
  assert text == json.dumps(stored, indent=2, sort_keys=True) + "\n"


def test_same_config_reopens_and_keeps_the_file(tmp_path):
  enter(tmp_path / "w")
  before = os.stat(tmp_path / "w" / "config.json")
  enter(str(tmp_path / "w"), json.loads(json.dumps(CONFIG)))
  assert os.stat(tmp_path / "w" / "config.json").st_ino == before.st_ino


def test_another_config_is_refused_naming_fields_and_values(tmp_path):
  enter(tmp_path)
  with pytest.raises(UserError) as caught:
    enter(tmp_path, {**changed(width=16, depth=2), "seeds": [0, 2]})
  message = str(caught.value)
  assert "model.width is 8 there and 16 now" in message
  assert "model.depth is absent there and 2 now" in message
  assert "seeds is [0, 1] there and [0, 2] now" in message
  assert "choose another work directory" in message
  assert "model.stages" not in message
  assert "\n" not in message
  # The refused config left nothing behind, so the right one still works.
  assert os.listdir(tmp_path) == ["config.json"]
  enter(tmp_path)


def test_runtime_fields_may_differ_unless_asked(tmp_path):
  enter(tmp_path)
  other = {**CONFIG, "runtime": {"num_devices": 8}}
  enter(tmp_path, other)
  with pytest.raises(UserError, match=r"runtime\.num_devices is 1 there"):
    enter(tmp_path, other, ignore=())


def test_ignored_prefixes_are_whole_names():
  a, b = {"runtime": 1, "runtime_x": 1}, {"runtime": 2, "runtime_x": 2}
  assert config_differences(a, b, ["runtime"]) == ["runtime_x"]
  nested = {"a": {"b": {"c": 1}, "bc": 1}}, {"a": {"b": {"c": 2}, "bc": 2}}
  assert config_differences(*nested, ["a.b"]) == ["a.bc"]


def test_differences_are_symmetric_and_sorted():
  a, b = {"z": 1, "d": {}, "m": None}, {"z": 2, "d": {"x": 1}, "m": None}
  assert config_differences(a, b) == ["d", "d.x", "z"]
  assert config_differences(b, a) == ["d", "d.x", "z"]
  assert config_differences(a, a) == []
  assert config_differences({"m": None}, {}) == ["m"]


def test_json_config_is_what_json_reads_back():
  config = json_config({"a": (1, (2.5, "x")), "b": {"c": None, "d": True}})
  assert config == json.loads(json.dumps(config))
  assert config["a"] == [1, [2.5, "x"]]
  assert json_config(config) == config


@pytest.mark.parametrize(
  ("value", "cause"),
  [
    (float("nan"), r"model\.x is nan; use a finite number"),
    ([1, float("inf")], r"model\.x\[1\] is inf"),
    (np.float32(1), r"model\.x is a float32"),
    (len, r"model\.x is a builtin"),
    ({3: 1}, r"model\.x has the key 3"),
  ],
)
def test_other_values_are_refused_by_name(tmp_path, value, cause):
  with pytest.raises(UserError, match=cause):
    enter(tmp_path / "w", changed(x=value))
  assert not (tmp_path / "w").exists()


def test_somebody_elses_directory_is_refused_and_untouched(tmp_path):
  (tmp_path / "thesis.tex").write_text("")
  with pytest.raises(UserError, match=r"thesis.tex.*somebody else's"):
    enter(tmp_path)
  assert os.listdir(tmp_path) == ["thesis.tex"]


def test_leftovers_of_a_killed_start_do_not_count_as_files(tmp_path):
  (tmp_path / "run.lock").write_text("")
  (tmp_path / ".config.json.123.tmp").write_text("{")
  enter(tmp_path)
  assert (tmp_path / "config.json").exists()


@pytest.mark.parametrize(
  "content", ["", '{"model": {"wid', "[]", "3", "\udcff", '{"a": NaN}']
)
def test_torn_config_is_refused(tmp_path, content):
  enter(tmp_path)
  data = content.encode(errors="surrogateescape")
  (tmp_path / "config.json").write_bytes(data)
  with pytest.raises(UserError, match=r"config.json is torn or not a config"):
    enter(tmp_path)
  assert (tmp_path / "config.json").read_bytes() == data


def test_a_file_in_the_way_is_named(tmp_path):
  (tmp_path / "file").write_text("x")
  for path in (tmp_path / "file", tmp_path / "file" / "below"):
    with pytest.raises(UserError, match=f"{path}.*choose another directory"):
      enter(path)
  assert (tmp_path / "file").read_text() == "x"


@pytest.mark.skipif(not os.path.exists("/proc/self"), reason="needs /proc")
def test_directory_that_cannot_be_made():
  with pytest.raises(UserError, match=r"cannot write /proc/.*choose another"):
    enter("/proc/structcomp_test")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC])
@pytest.mark.parametrize("function", ["mkdir", "open", "replace"])
def test_unwritable_directory(tmp_path, monkeypatch, code, function):
  def fail(*unused, **unused_too):
    raise OSError(code, os.strerror(code))

  monkeypatch.setattr(os, function, fail)
  with pytest.raises(UserError, match=r"cannot write .*; (give|free)"):
    enter(tmp_path / "w")


def test_read_only_directory_as_a_plain_user():
  # Root may write everywhere, so the attempt is made by another user.
  code = (
    "import os, sys\n"
    "from structcomp_jax.io.workdir import open_workdir\n"
    "from structcomp_jax.types import UserError\n"
    "if os.getuid() == 0: os.setgid(65534); os.setuid(65534)\n"
    "try:\n"
    "  with open_workdir(sys.argv[1], {}, launched_as='t'): pass\n"
    "except UserError as error: print(error)\n"
  )
  # `tmp_path` will not do: other users cannot enter the directories above it.
  with tempfile.TemporaryDirectory() as path:
    os.chmod(path, 0o555)
    done = subprocess.run(
      [sys.executable, "-c", code, path],
      capture_output=True,
      text=True,
      check=False,
    )
    os.chmod(path, 0o755)
  assert "Permission denied; give yourself permission" in done.stdout, (
    done.stderr
  )


def test_lists_that_may_grow_grow_and_are_stored(tmp_path):
  enter(tmp_path, may_grow=("seeds",))
  more = {**CONFIG, "seeds": [0, 1, 5]}
  with pytest.raises(UserError, match=r"seeds is \[0, 1\] there"):
    enter(tmp_path, more)
  enter(tmp_path, more, may_grow=("seeds",))
  stored = json.loads((tmp_path / "config.json").read_text())
  assert stored["seeds"] == [0, 1, 5]
  enter(tmp_path, more)


@pytest.mark.parametrize(
  "config",
  [
    {**CONFIG, "seeds": [0]},
    {**CONFIG, "seeds": [0, 2, 3]},
    {**CONFIG, "seeds": 3},
    {**changed(stages=(1, 2, 3)), "seeds": [0, 1, 5]},
  ],
  ids=["fewer", "others", "no list", "another field too"],
)
def test_nothing_else_may_differ(tmp_path, config):
  enter(tmp_path)
  before = (tmp_path / "config.json").read_bytes()
  with pytest.raises(UserError, match="has another config"):
    enter(tmp_path, config, may_grow=("seeds",))
  assert (tmp_path / "config.json").read_bytes() == before
