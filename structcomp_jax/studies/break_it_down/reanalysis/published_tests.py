"""The published statistics, computed from the released tables.

One subroutine at a time, with base networks as clusters:

    (a)  Performance = b0 + b1 Ablation
    (b)  Performance = b0 + b1 Ablation + b2 Random + b3 Ablation Random

Random is 1 in the table of untrained networks. b0 is the mean D_sub of trained
networks and b0 + b1 their mean D_abl; b2 and b2 + b3 are untrained minus
trained in both. Every model is fitted again with Subnetwork = 1 - Ablation,
whose intercept (a) or Random (b) repeats the test of the sum.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from structcomp_jax.report import least_squares
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  UNTRAINED_REGIME,
)

INTERCEPT, ABLATION, SUBNETWORK = "(Intercept)", "Ablation", "Subnetwork"
RANDOM = "Random"
_COLUMNS = [
  "table",
  "task",
  "model",
  "coding",
  "term",
  "estimate",
  "standard_error",
  "statistic",
  "kind",
  "p",
  "num_clusters",
  "num_rows",
]


def tests(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
  """Returns every published test, one per row.

  Args:
    tables: {name: table}; see `analysis_data.released`.

  Returns:
    Columns table, task, model (a or b), coding (Ablation or Subnetwork: which
    of the two is 1), term (a coefficient, or what is tested to be zero),
    estimate, standard_error, statistic, kind (z or chi2), p, num_clusters,
    num_rows. Model b stands under the name of the trained table.
  """
  found: list[dict[str, Any]] = []
  for name, table in tables.items():
    for task, rows in _by_task(with_clusters(table)):
      found += _rows(name, task, "a", rows)
    untrained = tables.get(_control_name(name))
    if untrained is not None:
      for task, rows in _by_task(compared(table, untrained)):
        found += _rows(name, task, "b", rows)
  return pd.DataFrame(found, columns=_COLUMNS)


def with_clusters(table: pd.DataFrame) -> pd.DataFrame:
  """Adds `cluster`, the base network: other numbers for singular networks."""
  cluster = table["Base_Model"]
  if "singular" in table:
    plural = table[table["singular"] == 0]["Base_Model"]
    cluster = cluster + table["singular"] * (1 + plural.max())
  return table.assign(cluster=cluster)


def compared(trained: pd.DataFrame, untrained: pd.DataFrame) -> pd.DataFrame:
  """Returns both tables with `Random` and clusters that they do not share."""
  first, second = with_clusters(trained), with_clusters(untrained)
  second["cluster"] += 1 + first["cluster"].max()
  return pd.concat(
    [first.assign(Random=0), second.assign(Random=1)], ignore_index=True
  )


def _by_task(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
  for task, rows in table.groupby("Task"):
    yield str(task), rows


def _control_name(name: str) -> str:
  """Returns the table of untrained networks with the same settings, or ""."""
  stem, found, rest = name.rpartition("-scratch")
  return f"{stem}-{UNTRAINED_REGIME}" if found and not rest else ""


def _rows(
  name: str, task: str, model: str, rows: pd.DataFrame
) -> list[dict[str, Any]]:
  """Returns the tests of one model of one task, in both codings.

  There are none with fewer than two base networks of a kind.
  """
  kinds = [RANDOM, "cluster"] if model == "b" else ["cluster"]
  networks = rows[kinds].drop_duplicates()
  counts = networks.value_counts(RANDOM) if model == "b" else [len(networks)]
  if min(counts) < 2:
    return []
  found = []
  for coding in (ABLATION, SUBNETWORK):
    fitted = least_squares.fit(
      _design(rows, model, coding), rows["Performance"], rows["cluster"]
    )
    for term, summed, kind in _hypotheses(model, coding):
      tested = least_squares.wald_test(fitted, *summed)
      found.append(
        {
          **{"table": name, "task": task, "model": model, "coding": coding},
          "term": term,
          "estimate": tested.estimate,
          "standard_error": tested.standard_error,
          "statistic": tested.z if kind == "z" else tested.chi2,
          "kind": kind,
          "p": tested.p,
          "num_clusters": fitted.num_clusters,
          "num_rows": len(rows),
        }
      )
  return found


def _design(rows: pd.DataFrame, model: str, coding: str) -> dict[str, Any]:
  """Returns {term: column} of a model."""
  kind = rows["Ablation"] if coding == ABLATION else 1 - rows["Ablation"]
  terms: dict[str, Any] = {INTERCEPT: 1 + 0 * kind, coding: kind}
  if model == "b":
    terms |= {RANDOM: rows[RANDOM], f"{coding}:{RANDOM}": kind * rows[RANDOM]}
  return terms


def _hypotheses(
  model: str, coding: str
) -> Iterator[tuple[str, tuple[str, ...], str]]:
  """Yields (name, terms whose sum is tested to be zero, statistic)."""
  terms = [INTERCEPT, coding]
  if model == "b":
    terms += [RANDOM, f"{coding}:{RANDOM}"]
  yield from ((term, (term,), "z") for term in terms)
  if coding == ABLATION:
    both = (terms[-2], terms[-1])
    yield f"{both[0]} + {both[1]} = 0", both, "chi2"
