"""Which interpreters the test matrix finds."""

import pathlib
import sys

import pytest

from tools import elsewhere


def test_this_python_is_found():
  found = elsewhere.find_pythons()
  assert sys.version_info[:2] in found
  assert min(found) >= (3, 11)


@pytest.mark.parametrize("program", ["exit 1", "echo 3 12; exit 1"])
def test_what_does_not_start_is_no_python(tmp_path, program):
  shim = tmp_path / "python3.12"
  shim.write_text(f"#!/bin/sh\n{program}\n")
  shim.chmod(0o755)
  assert elsewhere.version_of(shim) is None
  assert elsewhere.version_of(tmp_path / "nothing") is None
  assert elsewhere.version_of(pathlib.Path(sys.executable)) is not None


def test_what_it_names_exists():
  for name in (*elsewhere.SHORT_SUITE, *elsewhere.BESIDE_THE_WHEEL):
    assert (elsewhere.ROOT / name).exists(), name
