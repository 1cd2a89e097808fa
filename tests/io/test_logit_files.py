"""Files of mask logits."""

import numpy as np
import pytest

from structcomp_jax.io import logit_files
from structcomp_jax.types import UserError

LOGITS = {"layer_0/kernel": np.arange(6, dtype=np.float32).reshape(2, 3) - 2}


@pytest.fixture
def path(tmp_path):
  """A file of two candidates."""
  path = tmp_path / "new" / "logits.safetensors"
  logit_files.save(path, LOGITS, fingerprint="f0")
  return path


def test_round_trip(path):
  for fingerprint in ("f0", None):
    (found,) = logit_files.load(path, fingerprint).items()
    assert found[0] == "layer_0/kernel"
    np.testing.assert_array_equal(found[1], LOGITS["layer_0/kernel"])
  assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_logits_of_another_network_are_refused(path):
  with pytest.raises(UserError, match="belong to another network; delete"):
    logit_files.load(path, "f1")


def test_a_torn_file_is_refused(path):
  content = path.read_bytes()
  for length in (0, 4, len(content) - 1):
    path.write_bytes(content[:length])
    with pytest.raises(UserError, match=r"cannot read the mask logits .*; del"):
      logit_files.load(path)


def test_a_lost_file_is_refused(tmp_path):
  with pytest.raises(UserError, match=r"cannot read .*; delete their dir"):
    logit_files.load(tmp_path / "none.safetensors")
