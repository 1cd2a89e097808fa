"""The examples run and find what they promise."""

import importlib
import math

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


def test_probe_subject_reads_the_networks_of_a_work_directory(
  finished, tmp_path, capsys
):
  page = tmp_path / "page.md"
  sites, subnetworks = importlib.import_module("examples.probe_subject").main(
    [f"--workdir={finished}", f"--out={page}", "--num_train=256", "--seeds=1",
     "--probe_epochs=20", "--mask_epochs=1"]
  )  # fmt: skip
  assert page.read_text() == capsys.readouterr().out[:-1]
  assert sites.seen > 0.9
  found = {line["site"]: line for line in sites.summary()}
  # [CLS] is the same in all sentences until attention has looked around.
  nothing = found["trained 0 [CLS] embeddings/stream"]
  guesses = {sites.majority, 1 - sites.majority}
  assert min(abs(nothing["accuracy"] - guess) for guess in guesses) < 1e-6
  # The word itself has its number, and all else about it.
  word = found["trained 0 subject embeddings/stream"]
  assert word["accuracy"] > 0.8
  assert word["selectivity"] < 0.2
  kinds = {(line["network"], line["penalty"]) for line in subnetworks.summary()}
  assert len(kinds) == 2 * 4
  assert not any(math.isnan(row["accuracy"]) for row in subnetworks.rows)
