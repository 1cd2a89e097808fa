import errno
import os

import pytest

from structcomp_jax.io import files
from structcomp_jax.types import UserError


def test_write_atomic_replaces_the_whole_file(tmp_path):
  path = tmp_path / "new" / "file.txt"
  files.write_atomic(path, "a long first content\r\n")
  files.write_atomic(path, "é\n")
  assert path.read_bytes() == "é\n".encode()
  files.write_atomic(path, b"\x00\xff")
  assert path.read_bytes() == b"\x00\xff"
  assert os.listdir(path.parent) == ["file.txt"]


def test_others_may_read_what_the_umask_allows(tmp_path):
  old = os.umask(0o022)
  try:
    files.write_atomic(tmp_path / "file", "")
  finally:
    os.umask(old)
  assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
  ("code", "remedy"),
  [
    (errno.ENOSPC, "free disk space"),
    (errno.EACCES, "permission to write it"),
    (errno.EROFS, "permission to write it"),
  ],
)
@pytest.mark.parametrize("function", ["replace", "fsync"])
def test_failure_keeps_the_old_file(
  tmp_path, monkeypatch, code, remedy, function
):
  path = tmp_path / "file"
  files.write_atomic(path, "old")

  def fail(*unused):
    raise OSError(code, os.strerror(code))

  monkeypatch.setattr(os, function, fail)
  with pytest.raises(UserError, match=f"{path}.*{remedy}") as caught:
    files.write_atomic(path, "new")
  assert "\n" not in str(caught.value)
  assert path.read_text() == "old"
  assert os.listdir(tmp_path) == ["file"]


def test_path_below_a_file_is_a_user_error(tmp_path):
  (tmp_path / "file").write_text("")
  with pytest.raises(UserError, match="a part of this path is a file"):
    files.write_atomic(tmp_path / "file" / "x", "")


def test_done_mark(tmp_path):
  assert not files.is_done(tmp_path / "step")
  files.mark_done(tmp_path / "step", {"step": 3})
  assert files.is_done(tmp_path / "step")
  assert (tmp_path / "step" / "DONE").read_text() == '{\n  "step": 3\n}\n'
