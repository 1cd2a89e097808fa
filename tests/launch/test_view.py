"""`launch.view` as a user runs it."""

import numpy as np
import pytest

from structcomp_jax.io import mask_files
from tests.launcher import assert_one_line


@pytest.fixture
def masks(tmp_path):
  file = tmp_path / "masks.npz"
  mask_files.save(
    file, {"kernel": np.ones((1, 2, 3), bool)}, fingerprint="f", stacked=True
  )
  return file


def test_writes_the_page_and_says_where(launch, masks):
  out = masks.parent / "page.html"
  outcome = launch("view", f"--masks=one={masks},two={masks}", f"--out={out}")
  assert outcome.status == 0, outcome.text
  assert f"masks: {out}" in outcome.text
  assert "kept by two" in out.read_text()


@pytest.mark.parametrize(
  ("arguments", "expected"),
  [
    ([], "give --workdir or --masks"),
    (["--workdir=d", "--masks=one=f"], "give --workdir or --masks"),
    (["--masks={file}", "--out=page.html"], "not NAME=FILE"),
    (["--masks=one={file}"], "give --out"),
    (["--masks=one={file}", "--row=1", "--out=page.html"], "there is no 1"),
    (["--workdir={file}"], "there is no work directory"),
  ],
)
def test_what_cannot_be_done_is_said_in_a_line(
  launch, masks, arguments, expected
):
  outcome = launch("view", *(one.format(file=masks) for one in arguments))
  assert_one_line(outcome, expected)
