"""The tool that kills experiments can run those of every study."""

import pytest

from tests.launcher import CONFIG, ROOT
from tools import kill_resume


@pytest.mark.parametrize(
  ("config", "length"),
  [
    (CONFIG, "num_epochs"),
    ("configs/arithmetic/double_addition.py:smoke", "num_steps"),
    ("configs/scan/scan.py:smoke", "num_steps"),
    ("configs/mathematics/mathematics.py:smoke", "num_steps"),
  ],
)
def test_a_run_is_made_longer_whatever_counts_its_length(
  monkeypatch, config, length
):
  monkeypatch.chdir(ROOT)
  found = kill_resume.overrides(config)
  assert set(found) == {
    f"training.{length}",
    f"search.{length}",
    "runtime.checkpoint_seconds",
    "runtime.steps_per_call",
  }


def test_steps_are_read_off_the_log():
  log = "search ...\nmasks 1/9: 50%\n"
  assert kill_resume.current_step(log) == "search"
  assert kill_resume.current_step(f"{log}search took 3.0 s\n") == ""


def test_files_that_differ_are_named(tmp_path):
  for name, text in (("one", "a"), ("other", "b")):
    directory = tmp_path / name
    directory.mkdir()
    (directory / "results.csv").write_text(text)
    (directory / "overlaps.csv").write_text("same")
  (tmp_path / "one" / "histograms.csv").write_text("")
  found = kill_resume.differences(tmp_path / "one", tmp_path / "other")
  assert found == ["histograms.csv", "results.csv"]
