"""What the numbers of `benchmarks.mask_search` say: ratios and tables.

A network is what `mask_search.measure_network` returned, a row one of its
"rows".
"""

import statistics
from typing import Any

from benchmarks import measure

_HEAD = (
  "network", "masked from", "reads", "candidates", "steps/s",
  "problems/s x K", "of peak", "memory", "beside", ": training",
  ": K alone", "cached : not",
)  # fmt: skip


def lines(results: dict[str, Any]) -> list[tuple[str, ...]]:
  """Returns the table of all networks as lines of cells, the head first."""
  found = [_HEAD]
  for network in results["networks"]:
    for row in network["rows"]:
      found.append(_line(network, row))
  return found


def _line(network, row) -> tuple[str, ...]:
  number, step = row["num_candidates"], statistics.median(row["seconds"])
  return (
    network["network"],
    str(row["masked_from"]),
    "features" if row["is_cached"] else "problems",
    f"{number} {how(row)}" if number > 1 else "1",
    f"{1 / step:.3g}",
    f"{number * network['batch_size'] / step:.3g}",
    f"{share_of_peak(network, row):.2f}",
    f"{row['total'] / 1e9:.2f} GB",
    f"{row['temporary'] / 1e9:.2f} GB",
    f"{against_training(row):.2f}",
    f"{against_alone(network, row):.2f}" if number > 1 else "-",
    f"{against_uncached(network, row):.2f}"
    if row["is_cached"] and number == 1
    else "-",
  )


def how(row: dict[str, Any]) -> str:
  """Says how the candidates of a row were computed."""
  text = f"by {row['width']}" if row["width"] else "at once"
  if row.get("micro_batches", 1) > 1:
    text += f", batches in {row['micro_batches']} parts"
  return text + (", auto" if row.get("is_auto") else "")


def share_of_peak(network: dict[str, Any], row: dict[str, Any]) -> float:
  """Returns the useful arithmetic per second / the matmul peak."""
  step = statistics.median(row["seconds"])
  return row["flops"] / step / max(network["peaks"])


def against_training(row: dict[str, Any]) -> float:
  """Returns seconds of a candidate's step / seconds of a training step."""
  ratio = measure.median_ratio(row["seconds"], row["training_seconds"])
  return ratio / row["num_candidates"]


def against_alone(network: dict[str, Any], row: dict[str, Any]) -> float:
  """Returns the throughput of K candidates / that of one."""
  alone = find(network, row["masked_from"], is_cached=row["is_cached"])
  ratio = measure.median_ratio(alone["seconds"], row["seconds"])
  return row["num_candidates"] * ratio


def against_uncached(network: dict[str, Any], row: dict[str, Any]) -> float:
  """Returns seconds of a step without cache / seconds of the same with it."""
  uncached = find(network, row["masked_from"], is_cached=False)
  return measure.median_ratio(uncached["seconds"], row["seconds"])


def find(network, masked_from, *, num_candidates=1, **wanted) -> dict[str, Any]:
  """Returns the first row of a network with these values."""
  wanted |= {"masked_from": masked_from, "num_candidates": num_candidates}
  return next(
    row
    for row in network["rows"]
    if all(row[name] == value for name, value in wanted.items())
  )


def about(network: dict[str, Any]) -> str:
  """Returns a line on batch, peak and host of one network."""
  host = network["host"]
  device = network["peak_device_bytes"]
  return (
    f"{network['network']}: {network['batch_size']} problems a step "
    f"({network['why']}); {network['dtype']} matmul peak "
    f"{max(network['peaks']) / 1e9:.0f} GFLOP/s; host "
    f"{host['share']:.2%} of epochs of {host['steps_per_epoch']} steps from "
    f"{host['masked_from']}, {host['published_share']:.3%} of published ones "
    f"of {host['published_steps_per_epoch']}"
    + (f"; most memory on the device {device / 1e9:.1f} GB" if device else "")
  )


def first_rows(
  network: dict[str, Any], num_candidates: int
) -> list[dict[str, Any]]:
  """Returns how candidates were searched from the first measured stage."""
  first = network["rows"][0]
  return [
    row
    for row in network["rows"]
    if row["masked_from"] == first["masked_from"]
    and row["is_cached"] == first["is_cached"]
    and row["num_candidates"] == num_candidates
  ]
