"""The examples run and find what they promise."""

import importlib

import pytest

NAMES = ("plain_function", "flax_linen", "flax_nnx", "equinox_mlp")


@pytest.mark.parametrize("name", NAMES)
def test_example_finds_a_subnetwork_for_one_rule(name, capsys):
  table = importlib.import_module(f"examples.{name}").main()
  assert table["whole"]["count"] == 1.0
  assert table["subnetwork"]["first"] >= 0.95
  # Guessing one answer for all inputs is right for half of them.
  assert table["subnetwork"]["second"] <= 0.6
  assert table["ablated"]["first"] <= 0.6
  assert table["ablated"]["second"] >= 0.7
  printed = capsys.readouterr().out.splitlines()
  assert [line.split()[0] for line in printed] == list(table)
