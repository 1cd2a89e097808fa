"""Drawn tables have the stated truth, and every label is counted once."""

import numpy as np
import pytest

from tools import null_simulations, verdict_rates
from tools.verdict_rates import Truth


def test_tables_have_the_stated_truth():
  truth = Truth(num_networks=400, effect=-0.3, spread=0.1)
  found, damage = verdict_rates.draw(truth, 2, np.random.default_rng(0))
  trained = found["regime"] == "scratch"
  assert trained.sum() == 2 * 400 * 2 * verdict_rates.NUM_MASKS
  means = found.groupby(["regime", "experiment", "subroutine", "base_seed"])[
    "d_abl"
  ].mean()
  scratch = means["scratch"]
  assert scratch.mean() == pytest.approx(-0.3, abs=0.02)
  # Networks, masks of which there are three, and two accuracies each.
  masks = verdict_rates.MASK_SPREAD**2
  noise = 2 * 0.22 / verdict_rates.NUM_PROBLEMS
  expected = np.sqrt(0.1**2 + (masks + noise) / verdict_rates.NUM_MASKS)
  assert scratch.std() == pytest.approx(expected, rel=0.05)
  # Clamped at chance: a little less than the truth.
  assert means["random_init"].mean() == pytest.approx(0.5, abs=0.03)
  assert found["d_sub"].mean() == pytest.approx(0.6, abs=0.01)
  assert (damage[["d_sub", "d_abl"]] == 0).all(axis=None)
  alike = scratch.unstack("subroutine").corr().iloc[0, 1]
  assert abs(alike) < 0.15


def test_two_networks_without_an_effect_are_rarely_modular():
  found = verdict_rates.rates(Truth(2, 0.0, 0.25), 60, seed=0)
  assert sum(found.values()) == pytest.approx(1.0)
  wrong = found.get("modular", 0.0) + found.get("modular by ablation", 0.0)
  assert wrong <= 0.05


def test_ten_networks_with_an_effect_are_modular():
  found = verdict_rates.rates(Truth(10, -0.35, 0.2), 20, seed=0)
  assert found["modular by ablation"] > 0.8


def test_the_page_gets_a_row_for_every_truth(monkeypatch, capsys):
  few = [Truth(2, -0.4, 0.05), Truth(3, 0.0, 0.2)]
  monkeypatch.setattr(verdict_rates, "truths", lambda: few)
  text = null_simulations.simulate_verdicts(4, seed=0)
  assert text in capsys.readouterr().out
  rows = [line.split(" | ") for line in text.splitlines()[:4]]
  assert rows[2][:2] == ["| -0.4 ± 0.05", "2"]
  assert rows[3][:2] == ["| 0 ± 0.2", "3"]
  for row in rows[2:]:
    shares = [float(cell.strip(" |")) for cell in row[2:]]
    assert sum(shares) == pytest.approx(100)
  assert "--part=verdicts --verdicts=4 --seed=0`" in text
