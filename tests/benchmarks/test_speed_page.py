"""The page on speed judges what was measured."""

import json

import pytest

from benchmarks import search_table, speed_page
from benchmarks.pytorch import baseline as torch_baseline

FACTS = {"commit": "abc", "changed": "", "machine": "m"}


def row(**changes):
  return {
    "masked_from": "first",
    "is_cached": False,
    "num_candidates": 1,
    "width": 0,
    "is_auto": False,
    "seconds": [1.0, 2.0, 1.0],
    "training_seconds": [1.0, 2.0, 2.0],
    "flops": 60.0,
    "total": 2000,
    "temporary": 1000,
    "data": 100,
    **changes,
  }


def network(name, **changes):
  four = row(num_candidates=4, flops=240.0)
  return {
    "network": name,
    "facts": FACTS,
    "dtype": "float32",
    "batch_size": 8,
    "why": "published",
    "network_bytes": 900,
    "masked_weights": {"first": 10},
    "peaks": [90.0, 100.0],
    "rows": [
      row(),
      four | {"seconds": [8.0, 16.0, 8.0]},
      four | {"seconds": [4.0, 8.0, 4.0], "width": 1, "is_auto": True},
    ],
    "host": {
      "masked_from": "first",
      "steps_per_epoch": 4,
      "share": 0.02,
      "published_steps_per_epoch": 100,
      "published_share": 0.001,
    },
    "published_memory": [row(num_candidates=4, total=1960)],
    "peak_device_bytes": None,
    **changes,
  }


def case(name, times_faster, **changes):
  return {
    "case": name,
    "facts": FACTS,
    "network": name.partition(":")[0],
    "masked_from": name.partition(":")[2],
    "is_cached": True,
    "batch_size": 8,
    "num_epochs": 10,
    "torch_flops": 300.0,
    "peaks": [90.0, 100.0],
    "flops": 100.0,
    "candidates": [1, 4],
    "widths": [1, 2],
    "losses": {"torch": [1.386, 1.3], "ours": [1.3861, 1.3]},
    "seconds": {
      "torch": [times_faster, 10 * times_faster],
      "1": [1.0, 10.0],
      "4": [8.0, 80.0],
      "features": [5.0, 50.0],
    },
    **changes,
  }


SEARCH = {
  "command": "python -m benchmarks.mask_search",
  "networks": [network("bert_small"), network("resnet50")],
}
TORCH = {
  "command": "python -m benchmarks.pytorch.baseline",
  "cases": [case("resnet50:stage_4", 3.6), case("resnet50:first", 1.7)],
}


def test_ratios():
  (one, at_once, by_one) = SEARCH["networks"][0]["rows"]
  found = SEARCH["networks"][0]
  assert search_table.against_training(one) == 1
  assert search_table.against_alone(found, at_once) == 0.5
  assert search_table.against_alone(found, by_one) == 1
  assert search_table.share_of_peak(found, one) == 0.6
  stage_4 = TORCH["cases"][0]
  assert torch_baseline.times_faster(stage_4, 1) == pytest.approx(3.6)
  assert torch_baseline.times_faster(stage_4, 4) == pytest.approx(1.8)
  # One step and a tenth of the features.
  assert torch_baseline.times_faster(
    stage_4, 1, with_features=True
  ) == pytest.approx(3.6 / 1.5)


def test_agreement_is_that_of_the_first_step():
  assert torch_baseline.agrees(case("a:b", 1.0))
  other = {"torch": [1.386, 1.3], "ours": [1.389, 1.3]}
  assert not torch_baseline.agrees(case("a:b", 1.0, losses=other))


def test_targets_are_judged_and_what_was_not_measured_is_left_out():
  _, *lines = speed_page.target_lines(SEARCH, TORCH)
  verdicts = [verdict.strip("*") for _, _, _, verdict in lines]
  assert verdicts == ["met"] * 2 + ["met", "missed"] + ["met"] * 2 + ["missed"]
  # (1960 - 900 - 100) / (4 candidates x 10 weights x 4 bytes)
  assert lines[-1][2].startswith("6.00 x K")


def test_the_page_has_every_section():
  page = speed_page.page(SEARCH, TORCH)
  for heading in ("Targets", "Search steps", "Against PyTorch"):
    assert f"## {heading}\n" in page


def test_the_page_is_written(tmp_path, monkeypatch):
  for name, content in (("a.json", SEARCH), ("b.json", TORCH)):
    (tmp_path / name).write_text(json.dumps(content))
  arguments = [
    "speed_page",
    f"--mask_search={tmp_path / 'a.json'}",
    f"--torch_baseline={tmp_path / 'b.json'}",
    f"--out={tmp_path / 'speed.md'}",
  ]
  monkeypatch.setattr("sys.argv", arguments)
  assert speed_page.main() == 0
  page = (tmp_path / "speed.md").read_text()
  assert page == speed_page.page(SEARCH, TORCH)
