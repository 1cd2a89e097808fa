"""Error rates of the verdict are read as they were measured."""

import pandas as pd
import pytest

from structcomp_jax.structure import error_rates
from structcomp_jax.structure.separability import LABELS


@pytest.fixture
def rates(monkeypatch):
  """Rates of three classes, in groups of 4 and 6."""
  shares = {"parts": (0.8, 0.1, 0.1, 0), "no parts": (0, 0, 0.2, 0.8)}
  rows = [
    ("Networks", name, truth, 60, group, *shares.get(truth, (0, 0, 1, 0)))
    for name, truth in (
      ("one", "parts"), ("two", "no parts"), ("three", "unknown"),
    )
    for group in (4, 6)
  ]  # fmt: skip
  table = pd.DataFrame(rows, columns=list(error_rates.COLUMNS))
  six = table["group"] == 6
  table.loc[six, "separable"] += 0.05
  table.loc[six, "undecided"] -= 0.05
  monkeypatch.setattr(error_rates, "measured", lambda: table)


@pytest.mark.parametrize(
  ("num_networks", "group"), [(2, 4), (4, 4), (5, 4), (6, 6), (99, 6)]
)
def test_groups_are_no_larger_than_what_is_judged(rates, num_networks, group):
  table = error_rates.of_group(num_networks)
  assert len(table) == 3 and (table["group"] == group).all()


def test_the_sentence_says_the_rates_of_known_truth(rates):
  assert error_rates.sentence(5) == (
    "On groups of 4 small networks of known structure this rule calls 80 %"
    " separable, 10 % partly and 0 % not separable of those made of parts, and"
    " 0 % separable, 0 % partly and 80 % not separable of those without parts;"
    " the others stay undecided."
  )
  assert "85 % separable, 10 % partly" in error_rates.sentence(6)


def test_what_was_measured_has_all_shares():
  table = error_rates.measured()
  assert tuple(table.columns) == error_rates.COLUMNS
  assert table[list(LABELS)].sum(axis=1).to_numpy() == pytest.approx(1)
  assert {error_rates.PARTS, error_rates.NO_PARTS} <= set(table["truth"])
  assert (table["group"] <= table["networks"]).all()
