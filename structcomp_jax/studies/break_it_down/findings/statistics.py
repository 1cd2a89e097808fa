"""Tests of the task differences, with whole base networks as the unit.

`network_tests` and `network_comparisons` are what the report concludes from:
one number per network, and pairs of trained and untrained networks
(`report.inference`). `difference_tests` and `comparison_tests` are the
published ones (`report.clustered`). The published analysis fits both
differences of a subroutine at once,

    D = b0 + b1 Ablation

and tests b0 and b0 + b1; of two regimes it fits

    D = b0 + b1 Ablation + b2 Random + b3 Ablation Random

and tests b2 and b2 + b3. Every kind of row has a coefficient of its own in
these models, so the coefficients and their cluster-robust errors are those of
the means and the differences of means below.
"""

import pandas as pd

from structcomp_jax.report import inference
from structcomp_jax.report.clustered import (
  clustered_difference,
  clustered_mean,
)
from structcomp_jax.report.estimate import Estimate

# Name of a difference -> column of the table of task differences.
DIFFERENCES = {"D_sub": "d_sub", "D_abl": "d_abl"}


def network_tests(differences: pd.DataFrame) -> dict[str, Estimate]:
  """Tests mean D_sub = 0 and mean D_abl = 0 over base networks.

  Args:
    differences: rows of `task_differences` of one subroutine and regime.

  Returns:
    {"D_sub", "D_abl"}, without those of fewer than two base networks.
  """
  means = _network_means(differences)
  return _existing({name: inference.mean(one) for name, one in means.items()})


def network_comparisons(
  trained: pd.DataFrame, untrained: pd.DataFrame
) -> dict[str, Estimate]:
  """Tests trained minus untrained base networks in D_sub and D_abl.

  Args:
    trained: rows of `task_differences` of one subroutine and trained regime.
    untrained: rows of the same subroutine of regime `random_init`; networks of
      the same base seed are pairs.

  Returns:
    {"D_sub", "D_abl"}, without those of too few base networks.
  """
  first, second = _network_means(trained), _network_means(untrained)
  return _existing(
    {name: inference.difference(first[name], second[name]) for name in first}
  )


def _network_means(differences: pd.DataFrame) -> dict[str, pd.Series]:
  return {
    name: inference.network_means(differences[column], differences["base_seed"])
    for name, column in DIFFERENCES.items()
  }


def _existing(found: dict[str, Estimate | None]) -> dict[str, Estimate]:
  return {name: one for name, one in found.items() if one is not None}


def difference_tests(differences: pd.DataFrame) -> dict[str, Estimate]:
  """Tests mean D_sub = 0 and mean D_abl = 0 over searches, as published.

  Args:
    differences: rows of `task_differences`; the column `base_seed` names the
      cluster.

  Returns:
    {"D_sub", "D_abl"}, without those of fewer than two base networks.
  """
  clusters = differences["base_seed"]
  found = {
    name: clustered_mean(differences[column], clusters)
    for name, column in DIFFERENCES.items()
  }
  return _existing(found)


def comparison_tests(
  trained: pd.DataFrame, random_init: pd.DataFrame
) -> dict[str, Estimate]:
  """Tests trained minus random-init in D_sub and D_abl, as published.

  Clusters are base seeds within a regime, as if every random-init base seed
  were a network that has nothing to do with a trained one.

  Args:
    trained: rows of `task_differences` of a trained regime.
    random_init: rows of the same subroutine of regime `random_init`.

  Returns:
    {"D_sub", "D_abl"}, without those of fewer than two base networks in either
    table.
  """
  found = {
    name: clustered_difference(
      trained[column],
      trained["base_seed"],
      random_init[column],
      random_init["base_seed"],
    )
    for name, column in DIFFERENCES.items()
  }
  return _existing(found)
