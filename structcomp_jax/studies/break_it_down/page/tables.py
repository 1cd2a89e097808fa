"""The verdicts and the numbers behind them as text, for a terminal."""

from collections.abc import Sequence

import pandas as pd

from structcomp_jax.report import markup
from structcomp_jax.report.text import text_table
from structcomp_jax.studies.break_it_down.findings import published
from structcomp_jax.studies.break_it_down.findings.conclude import Findings
from structcomp_jax.studies.break_it_down.findings.verdict import Verdict

_HEAD = ("", "own task", "D_sub", "D_abl", "random mask", "kept", "n")


def verdict_table(found: Sequence[Findings]) -> str:
  """Returns a table and the verdicts of every network."""
  lines = []
  for findings in found:
    title = findings.evidence.title
    lines.append(f"{title}   (mean \u00b1 sd over mask searches)")
    rows = [_terminal_row(row) for _, row in findings.summary.iterrows()]
    table = text_table([_HEAD, *rows], gap="   ")
    lines += [f"  {line}" for line in table.splitlines()]
    lines += [
      f"  {regime}, cut in two: {one.label.upper()}. {one.sentence}"
      for regime, one in findings.cuts.items()
    ]
    lines += [f"  {_verdict_line(one)}" for one in findings.verdicts]
    lines.append("")
  return "\n".join(lines)


def published_differences(row: pd.Series) -> tuple[str, str, str]:
  """Returns the published D_sub, D_abl and n that go with a summary row."""
  theirs = published.lookup(
    row["experiment"], row["regime"], row["subroutine"], row["model"]
  )
  if theirs is None:
    return markup.DASH, markup.DASH, markup.DASH
  count = f"{theirs['n']} ({theirs['num_bases']})"
  return (*differences(theirs), count)


def differences(row: pd.Series) -> tuple[str, str]:
  """Returns D_sub and D_abl of a summary row, with their spread."""
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
    *(cell.replace("\u00a0", " ") for cell in differences(row)),
    matched,
    markup.percent(row["density_mean"]),
    str(row["n"]),
  )


def _verdict_line(one: Verdict) -> str:
  notes = f" [{'; '.join(one.notes)}]" if one.notes else ""
  return f"{one.network[2]}: {one.label.upper()}. {one.sentence}{notes}"
