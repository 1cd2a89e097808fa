"""Writes the page on speed from the numbers of two benchmarks.

    python -m benchmarks.speed_page --mask_search=FILE --torch_baseline=FILE
      --out=docs/results/speed.md

The files are what `benchmarks.mask_search` and `benchmarks.pytorch.baseline`
wrote for `--json`.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Callable
from typing import Any

from benchmarks import search_table
from benchmarks.pytorch import baseline as torch_baseline
from structcomp_jax.report.text import markdown_table

# What was measured, in words, and whether it is enough.
_Judge = Callable[[dict[str, Any], dict[str, Any]], tuple[str, bool]]
# Facts that differ between the two runs.
_OF_A_RUN = ("commit", "changed")
_ABOUT = """\
# Speed of mask search

Written by `benchmarks.speed_page` from the JSON files beside it. Whatever is
compared was timed in turns within one process, on a machine that did nothing
else; a ratio is the median of the ratios within a turn. What the columns mean
is said at the top of `benchmarks/mask_search.py` and
`benchmarks/pytorch/baseline.py`; how it is measured, in
[design/speed.md](../design/speed.md); why a target is missed, in
[notes/speed.md](../notes/speed.md)."""


def main() -> int:
  """Writes the page; returns the exit status."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  for name in ("mask_search", "torch_baseline", "out"):
    parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
  arguments = parser.parse_args()
  search, torch = (
    json.loads(path.read_text())
    for path in (arguments.mask_search, arguments.torch_baseline)
  )
  arguments.out.write_text(page(search, torch))
  return 0


def page(search: dict[str, Any], torch: dict[str, Any]) -> str:
  """Returns the whole page."""
  sections = [
    _ABOUT,
    _facts(search, torch),
    "## Targets",
    markdown_table(target_lines(search, torch)),
    "## Search steps",
    markdown_table(search_table.lines(search)),
    "\n".join(f"- {search_table.about(one)}" for one in search["networks"]),
    "## Against PyTorch",
    markdown_table(torch_baseline.lines(torch)),
  ]
  return "\n\n".join(sections) + "\n"


def _facts(search: dict[str, Any], torch: dict[str, Any]) -> str:
  """Returns what both runs were made with, as the second one noted it."""
  facts = torch["cases"][0]["facts"]
  lines = [
    f"- {name}: {value}"
    for name, value in facts.items()
    if name not in _OF_A_RUN
  ]
  lines += [
    f"- `{run['command']}`, commit {_commits(parts)}"
    for run, parts in ((search, search["networks"]), (torch, torch["cases"]))
  ]
  return "\n".join(lines)


def _commits(parts: list[dict[str, Any]]) -> str:
  """Returns the commits that the parts of a run were measured at."""
  found = {
    facts["commit"] + (" with changes" if facts["changed"] else ""): None
    for facts in (part["facts"] for part in parts)
  }
  return ", ".join(found)


def target_lines(
  search: dict[str, Any], torch: dict[str, Any]
) -> list[tuple[str, ...]]:
  """Returns what was aimed at, what came out, and whether it was reached."""
  networks = {one["network"]: one for one in search["networks"]}
  cases = {}
  for one in torch["cases"]:
    cases.setdefault(one["case"], []).append(one)
  found = [("", "target", "measured", "")]
  for what, target, judge in _TARGETS:
    try:
      measured, is_met = judge(networks, cases)
    except KeyError:  # That network was not measured.
      continue
    found.append((what, target, measured, "met" if is_met else "**missed**"))
  return found


def _against_training(networks, cases):
  """The first masked stage leaves nothing out; BERT's embeddings are few."""
  del cases
  ratios = {
    name: search_table.against_training(_first_row(network))
    for name, network in networks.items()
  }
  return _listed(ratios), max(ratios.values()) <= 1.05


def _many_candidates(networks, cases):
  del cases
  texts, best = {}, []
  for name in ("bert_small", "resnet50"):
    rows = search_table.first_rows(networks[name], num_candidates=4)
    values = [search_table.against_alone(networks[name], row) for row in rows]
    texts[name] = ", ".join(
      f"{value:.2f} ({search_table.how(row)})"
      for value, row in zip(values, rows, strict=True)
    )
    best += [
      value for value, row in zip(values, rows, strict=True) if row["is_auto"]
    ]
  text = "; ".join(f"{name} {values}" for name, values in texts.items())
  return text, min(best) >= 0.95


def _against_torch(case: str, least: float) -> _Judge:
  """Judges by the largest batch: published ones are larger still, or equal."""

  def judge(networks, cases):
    del networks
    by_size = sorted(cases[case], key=lambda one: one["batch_size"])
    largest = by_size[-1]
    best = max(
      torch_baseline.times_faster(largest, number)
      for number in largest["candidates"]
    )
    return "; ".join(map(_of_one_batch, by_size)), best >= least

  return judge


def _of_one_batch(case: dict[str, Any]) -> str:
  """Returns what was measured with one batch size."""
  ratios = {
    f"K = {number}": torch_baseline.times_faster(case, number)
    for number in case["candidates"]
  }
  text = f"{_listed(ratios)}; at peak {torch_baseline.at_peak(case):.2f}"
  if case["is_cached"]:
    number = case["candidates"][0]
    whole = torch_baseline.times_faster(case, number, with_features=True)
    text += f"; K = {number} that bears the cost of its features {whole:.2f}"
  return f"{case['batch_size']} problems: {text}"


def _of_peak(networks, cases):
  del cases
  shares = {
    name: search_table.share_of_peak(networks[name], _first_row(networks[name]))
    for name in ("bert_small", "resnet50")
  }
  return _listed(shares), min(shares.values()) >= 0.6


def _of_host(networks, cases):
  del cases
  hosts = {name: network["host"] for name, network in networks.items()}
  text = "; ".join(
    f"{name} {host['published_share']:.2%}" for name, host in hosts.items()
  )
  return text, all(host["published_share"] < 0.01 for host in hosts.values())


def _memory(networks, cases):
  del cases
  network = networks["resnet50"]
  texts, factors = [], []
  for row in network["published_memory"]:
    masked = network["masked_weights"][str(row["masked_from"])]
    rest = row["total"] - network["network_bytes"] - row["data"]
    factors.append(rest / (4 * masked * row["num_candidates"]))
    texts.append(
      f"{factors[-1]:.2f} x K x masked weights x 4 bytes "
      f"(K = {row['num_candidates']} {search_table.how(row)})"
    )
  return "; ".join(texts), min(factors) <= 5.5


def _listed(values: dict[str, float]) -> str:
  return "; ".join(f"{name} {value:.2f}" for name, value in values.items())


def _first_row(network: dict[str, Any]) -> dict[str, Any]:
  """Returns the row of one candidate."""
  return search_table.first_rows(network, num_candidates=1)[0]


# (what, target, function of networks and cases -> text, whether it is met)
_TARGETS = (
  (
    "masked search step : training step of the same network",
    "at most 1.05",
    _against_training,
  ),
  (
    "4 candidates in one program, throughput against 4 runs of one",
    "at least 0.95",
    _many_candidates,
  ),
  (
    "ResNet50, stage_4 and head, cached, against PyTorch",
    "at least 3.5 times faster",
    _against_torch("resnet50:stage_4", 3.5),
  ),
  (
    "ResNet50, masks everywhere, against PyTorch",
    "at least 1.8 times faster",
    _against_torch("resnet50:first", 1.8),
  ),
  (
    "BERT-small, all layers, against PyTorch",
    "at least 6 times faster",
    _against_torch("bert_small:0", 6.0),
  ),
  (
    "BERT-small from layer 2, cached, against PyTorch",
    "at least 7 times faster",
    _against_torch("bert_small:2", 7.0),
  ),
  ("share of the float32 matmul peak", "at least 0.6", _of_peak),
  (
    "host time between steps, published epochs",
    "under 1 %",
    _of_host,
  ),
  (
    "memory of ResNet50 from stage_4, published batch, beside network and data",
    "at most 5.5 x K x masked weights x 4 bytes",
    _memory,
  ),
)


if __name__ == "__main__":
  sys.exit(main())
