"""Answers of several seeds stand in one table, if only their seeds differ."""

import json

import pytest

from structcomp_jax.types import UserError
from tools import verdicts_by_seed


def make(directory, seed, label="separable", **versions):
  """Writes what the tool reads of a finished work directory."""
  network = {
    "separability": 0.75, "nonsense": 0.125, "untrained": 0.0, "excess": 0.625
  }  # fmt: skip
  verdict = {
    "label": "undecided",
    "statistics": [
      {"subroutine": "subject", "difference": "D_sub", "mean": 0.5},
      {"subroutine": "subject", "difference": "D_abl", "mean": -0.25},
    ],
    "cuts": {
      "label": label,
      "excess": {"interval": [0.5, 0.75]},
      "networks": [network, network | {"separability": 0.25}],
    },
  }
  facts = {"commit": "abc", "jax": "1", "python": "3", "machine": "m"}
  (directory / "report").mkdir(parents=True)
  for name, content in {
    "report/verdicts.json": [verdict],
    "config.json": {"seed": seed, "search": 1},
    "versions.json": facts | versions,
  }.items():
    (directory / name).write_text(json.dumps(content))
  return directory


def test_every_seed_has_a_line_and_answers_are_counted(tmp_path):
  (tmp_path / "docs").mkdir()
  page = tmp_path / verdicts_by_seed.PAGE
  page.write_text("before\n<!-- seeds -->\nold\n<!-- /seeds -->\nafter\n")
  workdirs = [
    make(tmp_path / "b", 1, "undecided"),
    make(tmp_path / "a", 0),
    make(tmp_path / "c", 2),
  ]
  verdicts_by_seed.update(tmp_path, workdirs)
  text = page.read_text()
  rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
  assert rows[0] == (
    "| 0 | 0.50 | 0.12 | 0.00 | +0.50 to +0.75 | separable | subject \u22120.25"
    " | undecided |"
  )
  assert rows[1].startswith("| 1 |") and "| undecided | subject" in rows[1]
  assert "Of 3 seeds: by the cut 2 separable, 1 undecided; by one" in text
  assert "commit abc" in text.lower()
  # Every second network is cut at 0.75, the others at 0.25: none is decided.
  assert "groups drawn among all 6 networks: 4 networks 0.00% separable" in text
  assert "; 6 networks 0.00% separable" in text and "8 networks" not in text
  assert text.startswith("before") and text.endswith("after\n")
  assert "old" not in text


@pytest.mark.parametrize(
  ("second", "message"),
  [
    ({"seed": 0}, "the same seed"),
    ({"seed": 1, "commit": "def"}, "differ in their commit"),
  ],
)
def test_runs_that_are_not_alike_are_refused(tmp_path, second, message):
  runs = [make(tmp_path / "one", 0), make(tmp_path / "two", **second)]
  with pytest.raises(UserError, match=message):
    verdicts_by_seed.check_alike([verdicts_by_seed.load(run) for run in runs])


def test_a_run_without_a_report_is_named(tmp_path):
  with pytest.raises(UserError, match="has no report; finish it"):
    verdicts_by_seed.load(tmp_path)
