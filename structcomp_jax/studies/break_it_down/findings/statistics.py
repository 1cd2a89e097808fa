"""Tests of the task differences, with whole base networks as the unit.

The published analysis fits both differences of a subroutine at once,

    D = b0 + b1 Ablation

and tests b0 and b0 + b1; of two regimes it fits

    D = b0 + b1 Ablation + b2 Random + b3 Ablation Random

and tests b2 and b2 + b3. Every kind of row has a coefficient of its own in
these models, so the coefficients and their cluster-robust errors are those of
the means and the differences of means below.
"""

import pandas as pd

from structcomp_jax.report.clustered import (
  Estimate,
  clustered_difference,
  clustered_mean,
)

# Name of a difference -> column of the table of task differences.
DIFFERENCES = {"D_sub": "d_sub", "D_abl": "d_abl"}


def difference_tests(differences: pd.DataFrame) -> dict[str, Estimate]:
  """Tests mean D_sub = 0 and mean D_abl = 0 of one subroutine and regime.

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
  return {name: test for name, test in found.items() if test is not None}


def comparison_tests(
  trained: pd.DataFrame, random_init: pd.DataFrame
) -> dict[str, Estimate]:
  """Tests trained minus random-init in D_sub and D_abl of one subroutine.

  Clusters are base seeds within a regime: every random-init base seed is a
  network of its own.

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
  return {name: test for name, test in found.items() if test is not None}
