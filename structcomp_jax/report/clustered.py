"""Tests of the task difference, with whole base networks as the unit.

Masks of one base network are repeats of one observation, so the errors are
clustered by base network. With G clusters of rows g, residuals u and design X

    V = G/(G-1) (X'X)^-1 [ sum_g X_g' u_g u_g' X_g ] (X'X)^-1

(HC0 with the cluster factor, no (n-1)/(n-k)), z-tests, and a chi-squared
test of one linear combination: what the analysis of arXiv 2301.10884 does.
With three networks a z-test is far too sure of itself, so every test also
carries the p-value and the interval of a t distribution with G - 1 degrees of
freedom.
"""

import dataclasses

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats


@dataclasses.dataclass(frozen=True)
class Test:
  """One estimate with its cluster-robust uncertainty.

  Attributes:
    name: what is estimated.
    estimate: in units of the task difference, accuracy in [0, 1].
    standard_error: cluster-robust.
    p_normal: two-sided, normal distribution (used by Lepori et al. 2023).
    p_t: two-sided, t distribution with `num_clusters` - 1 degrees of freedom.
    interval: 95 % interval of that t distribution, (low, high).
    num_clusters: number of base networks.
  """

  # pytest would otherwise try to collect a class of this name.
  __test__ = False

  name: str
  estimate: float
  standard_error: float
  p_normal: float
  p_t: float
  interval: tuple[float, float]
  num_clusters: int


def difference_tests(differences: pd.DataFrame) -> list[Test]:
  """Tests mean D_sub = 0 and mean D_abl = 0 of one subroutine and regime.

  The model is D = b0 + b1 Ablation, by OLS: b0 is the mean of D_sub and
  b0 + b1, a linear hypothesis, the mean of D_abl.

  Args:
    differences: rows of `task_differences`; rows without a number are left
      out. The column `base_seed` names the cluster.

  Returns:
    The tests `D_sub` and `D_abl`; empty with fewer than two base networks.
  """
  data = _long(differences)
  if data["cluster"].nunique() < 2:
    return []
  design = np.column_stack([np.ones(len(data)), data["ablation"]])
  fit = _fit(data, design)
  return [
    _test("D_sub", fit, np.array([1.0, 0.0])),
    _test("D_abl", fit, np.array([1.0, 1.0])),
  ]


def comparison_tests(
  trained: pd.DataFrame, random_init: pd.DataFrame
) -> list[Test]:
  """Tests trained minus random-init in D_sub and D_abl of one subroutine.

  The model is D = b0 + b1 Ablation + b2 Random + b3 Ablation Random; the
  reported estimates are -b2 and -(b2 + b3). Clusters are base seeds within a
  regime: every random-init base seed is a network of its own.

  Args:
    trained: rows of `task_differences` of a trained regime.
    random_init: rows of the same subroutine of regime `random_init`.

  Returns:
    The tests `D_sub` and `D_abl`; empty with fewer than two base networks in
    either table.
  """
  first, second = _long(trained), _long(random_init)
  if min(first["cluster"].nunique(), second["cluster"].nunique()) < 2:
    return []
  first["random"], second["random"] = 0.0, 1.0
  data = pd.concat([first, second], ignore_index=True)
  data["cluster"] = data["random"].astype(str) + "/" + data["cluster"]
  ablation, random = data["ablation"], data["random"]
  design = np.column_stack(
    [np.ones(len(data)), ablation, random, ablation * random]
  )
  fit = _fit(data, design)
  return [
    _test("D_sub", fit, np.array([0.0, 0.0, -1.0, 0.0])),
    _test("D_abl", fit, np.array([0.0, 0.0, -1.0, -1.0])),
  ]


@dataclasses.dataclass(frozen=True)
class _Fit:
  coefficients: np.ndarray
  covariance: np.ndarray
  num_clusters: int


def _long(differences: pd.DataFrame) -> pd.DataFrame:
  """Returns one row per D: performance, ablation 0/1, cluster."""
  parts = [
    pd.DataFrame(
      {
        "performance": differences[column].astype(float),
        "ablation": float(ablation),
        "cluster": differences["base_seed"].astype(str),
      }
    )
    for ablation, column in enumerate(("d_sub", "d_abl"))
  ]
  return pd.concat(parts, ignore_index=True).dropna()


def _fit(data: pd.DataFrame, design: np.ndarray) -> _Fit:
  clusters, labels = pd.factorize(data["cluster"])
  num_clusters = len(labels)
  model = sm.OLS(data["performance"].to_numpy(), design)
  robust = model.fit(
    cov_type="cluster",
    cov_kwds={"groups": clusters, "use_correction": False},
  )
  factor = num_clusters / (num_clusters - 1)
  return _Fit(
    coefficients=np.asarray(robust.params),
    covariance=np.asarray(robust.cov_params()) * factor,
    num_clusters=num_clusters,
  )


def _test(name: str, fit: _Fit, combination: np.ndarray) -> Test:
  """Tests combination . b = 0; the square is the chi-squared of a Wald test."""
  estimate = float(combination @ fit.coefficients)
  variance = float(combination @ fit.covariance @ combination)
  # Rounding may leave a variance of exactly zero slightly negative.
  error = float(np.sqrt(max(variance, 0.0)))
  freedom = fit.num_clusters - 1
  ratio = _ratio(estimate, error)
  half_width = float(stats.t.ppf(0.975, freedom)) * error
  return Test(
    name=name,
    estimate=estimate,
    standard_error=error,
    p_normal=float(2 * stats.norm.sf(abs(ratio))),
    p_t=float(2 * stats.t.sf(abs(ratio), freedom)),
    interval=(estimate - half_width, estimate + half_width),
    num_clusters=fit.num_clusters,
  )


def _ratio(estimate: float, error: float) -> float:
  if error > 0:
    return estimate / error
  return 0.0 if estimate == 0 else float(np.copysign(np.inf, estimate))
