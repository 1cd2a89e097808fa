"""The further statistics have tables of their own on the page."""

import pandas as pd
import pytest

from structcomp_jax.studies.planted import run
from structcomp_jax.studies.planted.classes import kinds
from structcomp_jax.studies.planted.classes.every import OF_KIND
from structcomp_jax.studies.planted.run import Measured, Setup
from structcomp_jax.types import UserError
from tools import planted_removal, planted_truth

MLP = kinds.KINDS[0]


def measured(name):
  level = 0.8 if name.startswith("modular") else 0.3
  rows = [
    (statistic, regime, pair, seed, value + seed / 1000)
    for statistic in planted_removal._NAMES
    for regime, pair, value in (
      ("planted", "subroutines", level),
      ("planted", "nonsense_0", 0.1),
      ("untrained", "subroutines", 0.2),
    )
    for seed in range(3)
  ]
  columns = ["statistic", "regime", "pair", "base_seed", "score"]
  origin = {"commit": "c0ffee", "changed": "", "machine": "x", "python": "3"}
  facts = {"num_networks": 3, "origin": origin | {"jax": "1", "scipy": "2"}}
  return Measured(name, pd.DataFrame(rows, columns=columns), None, facts)


@pytest.fixture
def page(tmp_path, monkeypatch):
  path = tmp_path / planted_truth.PAGE
  path.parent.mkdir(parents=True)
  path.write_text("before\n<!-- removal -->\nold\n<!-- /removal -->\nafter\n")
  done = set(OF_KIND[MLP])
  monkeypatch.setattr(
    run, "is_measured", lambda workdir, name, setup: name in done
  )
  monkeypatch.setattr(run, "load", lambda workdir, name: measured(name))
  return path


def test_every_statistic_has_scores_and_areas(page, tmp_path):
  text = planted_removal.update(tmp_path, tmp_path, Setup(), only="modular")
  whole = page.read_text()
  assert text in whole and "old" not in whole
  assert whole.startswith("before\n") and whole.endswith("after\n")
  for name in planted_removal._NAMES:
    assert f"| {name} | score |" in text
  assert "| shared | 0.30\u00a0±\u00a00.00 (0.20, 0.10) |" in text
  assert "1.00 [1.00, 1.00]" in text and "Measured by commit c0ffee" in text
  assert f"### {MLP.title}" in text and "Transformers" not in text


def test_a_page_without_a_place_is_refused(page, tmp_path):
  page.write_text("nothing\n")
  with pytest.raises(UserError, match="there is no place for the removal"):
    planted_removal.update(tmp_path, tmp_path, Setup())
