"""The point about three networks and a normal distribution."""

import pandas as pd

from structcomp_jax.report.clustered import clustered_mean
from structcomp_jax.studies.break_it_down.findings.statistics import DIFFERENCES
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  UNTRAINED_REGIME,
)
from structcomp_jax.studies.break_it_down.reanalysis import published_tests
from structcomp_jax.studies.break_it_down.reanalysis.points.point import (
  Point,
  of,
)
from structcomp_jax.studies.break_it_down.reanalysis.published_data import (
  Published,
)

_LEVEL = 0.05
_COLUMNS = [
  "table",
  "task",
  "difference",
  "estimate",
  "standard_error",
  "p_normal",
  "p_t",
  "low",
  "high",
  "num_networks",
  "is_predicted",
]


def with_t(found: Published) -> Point:
  """Returns the point about the distribution of the tests."""
  means = with_intervals(found)
  trained = ~means["table"].str.endswith(f"-{UNTRAINED_REGIME}")
  predicted = trained & means["is_predicted"]
  normal = predicted & (means["p_normal"] < _LEVEL)
  with_t = predicted & (means["p_t"] < _LEVEL)
  fewest = means["num_networks"].min() if len(means) else 0
  return Point(
    "t",
    "few networks",
    "Beside the published p of a normal distribution stands that of a t"
    " distribution with one degree of freedom less than there are networks"
    f" ({fewest} at the fewest), and its 95 % interval.",
    f"Of {int(trained.sum())} means of D of trained networks,"
    f" {int(predicted.sum())} lie on the side that"
    f" modular parts predict; {int(normal.sum())} of these are below {_LEVEL}"
    f" as published and {int(with_t.sum())} with t."
    f" {of(int((normal & ~with_t).sum()), int(normal.sum()))} lose their"
    " support.",
    tables={"t_means": means},
  )


def with_intervals(found: Published) -> pd.DataFrame:
  """Returns the mean D of every released table, task and kind of network.

  Returns:
    Columns table, task, difference, estimate, standard_error, p_normal, p_t,
    low and high (95 % t interval), num_networks, is_predicted (D_sub above or
    D_abl below 0).
  """
  rows = []
  for name, table in found.tables.items():
    table = published_tests.with_clusters(table)
    for task, of_task in table.groupby("Task"):
      for number, difference in enumerate(DIFFERENCES):
        part = of_task[of_task["Ablation"] == number]
        mean = clustered_mean(part["Performance"], part["cluster"])
        if mean is None:
          continue
        sign = 1 if difference == "D_sub" else -1
        rows.append(
          {
            "table": name,
            "task": task,
            "difference": difference,
            "estimate": mean.value,
            "standard_error": mean.standard_error,
            "p_normal": mean.p_normal,
            "p_t": mean.p_t,
            "low": mean.interval[0],
            "high": mean.interval[1],
            "num_networks": mean.num_clusters,
            "is_predicted": sign * mean.value > 0,
          }
        )
  return pd.DataFrame(rows, columns=_COLUMNS)
