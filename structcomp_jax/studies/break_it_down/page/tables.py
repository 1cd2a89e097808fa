"""Plain-text and Markdown tables of the results."""

import re
from typing import Any

import pandas as pd

from structcomp_jax.pipeline.tables import SETTINGS
from structcomp_jax.report import markup
from structcomp_jax.report.workdir import Workdir
from structcomp_jax.studies.break_it_down.findings import published, summary
from structcomp_jax.studies.break_it_down.findings.collect import Network
from structcomp_jax.studies.break_it_down.findings.task_difference import clamp
from structcomp_jax.studies.break_it_down.findings.verdict import (
  Verdict,
  verdicts,
)


def verdict_table(networks: list[Network]) -> str:
  """Returns the verdicts and the numbers behind them, for a terminal."""
  header = ("", "own task", "D_sub", "D_abl", "random mask", "kept", "n")
  lines = []
  for network in networks:
    lines.append(f"{network.title}   (mean \u00b1 sd over mask searches)")
    rows = [header] + [
      _terminal_row(row) for _, row in network_summary(network).iterrows()
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    for row in rows:
      cells = [
        cell.ljust(width) if column == 0 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
      ]
      lines.append("  " + "   ".join(cells).rstrip())
    lines += [f"  {_verdict_line(one)}" for one in network_verdicts(network)]
    lines.append("")
  return "\n".join(lines)


def readme_table(networks: list[Network]) -> str:
  """Returns a Markdown table: ours beside the published numbers."""
  lines = [
    "| experiment | network | regime | subroutine | own task | D_sub | D_abl |"
    " kept | n (bases) | published D_sub | published D_abl | n (bases) |",
    "|---" * 12 + "|",
  ]
  for network in networks:
    for _, row in network_summary(network).iterrows():
      cells = [
        row["experiment"],
        row["model"],
        row["regime"],
        row["subroutine"],
        markup.spread(row["own_accuracy_mean"], row["own_accuracy_sd"]),
        *_differences(row),
        markup.percent(row["density_mean"]),
        f"{row['n']} ({row['num_bases']})",
        *published_differences(row),
      ]
      lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
  return ("\n".join(lines) + "\n").replace("\u00a0", " ")


def origin_lines(directories: list[Workdir]) -> str:
  """Returns a Markdown list: which run made the numbers."""
  lines = []
  for one in directories:
    made = one.versions
    seeds = [
      f"{name} seeds {', '.join(map(str, values))}"
      for name, values in (
        ("base", one.config.get("base_seeds", ())),
        ("mask", one.config.get("search", {}).get("seeds", ())),
      )
    ]
    command = made.get("command", "command unknown")
    # Where somebody keeps their runs is nobody's business.
    command = re.sub(r"--workdir[= ]\S+", "--workdir=DIR", command)
    minutes = sum(one.timings.values()) / 60
    lines.append(
      f"- {one.config.get('experiment', one.path.name)}: "
      f"`{command}`; {'; '.join(seeds)}; "
      f"{made.get('machine', 'machine unknown')}; commit "
      f"{made.get('commit', 'unknown')}; {minutes:.0f} minutes"
    )
  return "\n".join(lines) + "\n"


def grid_table(directories: list[Workdir]) -> str:
  """Returns a Markdown table: D_abl of every setting that was tried.

  On validation problems, mean over base networks. It sets networks beside
  each other at equal settings, which the selected masks may not have.
  """
  rows = pd.DataFrame(
    [row for one in directories for row in _grid_rows(one)],
    columns=["experiment", "subroutine", "setting", "regime", "d_abl"],
  )
  if rows.empty:
    return ""
  table = rows.pivot_table(
    index=["experiment", "subroutine", "setting"],
    columns="regime",
    values="d_abl",
    sort=False,
  )
  header = [*table.index.names, *table.columns]
  lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
  for names, values in table.iterrows():
    cells = [*names, *(markup.number(value, sign=True) for value in values)]
    lines.append("| " + " | ".join(cells) + " |")
  return ("\n".join(lines) + "\n").replace("\u00a0", " ")


def _grid_rows(one: Workdir) -> list[tuple[Any, ...]]:
  """Returns (experiment, subroutine, setting, regime, D_abl) of a grid."""
  rows = []
  for (regime, _, subroutine), content in one.selections.items():
    for setting in content["settings"]:
      d_abl = clamp(setting["ablated_target"]) - clamp(setting["ablated_other"])
      # The first masked layer of a BERT is a number, of a ResNet a name.
      label = ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in ((name, setting[name]) for name in SETTINGS)
      )
      rows.append((one.config["experiment"], subroutine, label, regime, d_abl))
  return rows


def network_summary(network: Network) -> pd.DataFrame:
  """Returns `summary.summarise` of a network."""
  return summary.summarise(network.differences, network.controls)


def network_verdicts(network: Network) -> list[Verdict]:
  """Returns the verdicts of a network, trained regimes only where any."""
  answers = verdicts(network.differences, network.controls)
  trained = [one for one in answers if one.label != "control"]
  return trained or answers


def published_differences(row: pd.Series) -> tuple[str, str, str]:
  """Returns the published D_sub, D_abl and n that go with a summary row."""
  theirs = published.lookup(
    row["experiment"], row["regime"], row["subroutine"], row["model"]
  )
  if theirs is None:
    return markup.DASH, markup.DASH, markup.DASH
  count = f"{theirs['n']} ({theirs['num_bases']})"
  return (*_differences(theirs), count)


def _differences(row: pd.Series) -> tuple[str, str]:
  d_sub, d_abl = (
    markup.spread(row[f"{name}_mean"], row[f"{name}_sd"], sign=True)
    for name in ("d_sub", "d_abl")
  )
  return d_sub, d_abl


def _terminal_row(row: pd.Series) -> tuple[str, ...]:
  matched = "/".join(
    markup.number(row[f"{name}_matched_mean"], sign=True)
    for name in ("d_sub", "d_abl")
  )
  return (
    f"{row['regime']} {row['subroutine']}",
    markup.number(row["own_accuracy_mean"]),
    *(cell.replace("\u00a0", " ") for cell in _differences(row)),
    matched,
    markup.percent(row["density_mean"]),
    str(row["n"]),
  )


def _verdict_line(one: Verdict) -> str:
  notes = f" [{'; '.join(one.notes)}]" if one.notes else ""
  return f"{one.network[2]}: {one.label.upper()}. {one.sentence}{notes}"
