"""Least squares whose errors are clustered, and tests of its coefficients.

With design X, coefficients b, residuals u and G clusters, the covariance is

    V = G/(G-1) (X'X)^-1 [ sum_g X_g' u_g u_g' X_g ] (X'X)^-1

that is HC0 with the cluster factor and without (n-1)/(n-k): what `vcovCL` of
the R package sandwich gives for a generalised linear model. Tests take the
normal distribution, as `coeftest` of lmtest does for such a model, or the
chi-squared one, as `linearHypothesis` of car does.

Means and differences of means have simpler formulas: `report.clustered`.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

# Errors below this share of the largest value are rounding: in exact arithmetic
# they are zero.
_ROUNDING = 1e-12


@dataclasses.dataclass(frozen=True)
class Fit:
  """Estimated coefficients.

  Attributes:
    coefficients: {term: estimate}, in the units of the values.
    influence: float[G, k], (X'X)^-1 X_g' u_g of every cluster.
    scale: the largest absolute value that was fitted.
  """

  coefficients: Mapping[str, float]
  influence: np.ndarray
  scale: float

  @property
  def num_clusters(self) -> int:
    """How many clusters the data had."""
    return len(self.influence)


@dataclasses.dataclass(frozen=True)
class WaldTest:
  """A test that a sum of coefficients is zero.

  Attributes:
    estimate: the sum.
    standard_error: its cluster-robust error.
    z: the estimate in units of its error; infinite where only the error is
      zero, NaN where both are.
    chi2: the square of z.
    p: two-sided, of z in the normal distribution; equally of chi2 in the
      chi-squared distribution with one degree of freedom.
  """

  estimate: float
  standard_error: float
  z: float
  chi2: float
  p: float


def fit(
  design: Mapping[str, ArrayLike], values: ArrayLike, clusters: ArrayLike
) -> Fit:
  """Fits values = sum over terms of coefficient x term.

  >>> found = fit({"1": [1, 1, 1, 1]}, [1.0, 2.0, 3.0, 6.0], [0, 0, 1, 2])
  >>> found.coefficients["1"], found.num_clusters
  (3.0, 3)

  Args:
    design: {term: float[n]}; a constant is a term like any other.
    values: float[n].
    clusters: [n], the cluster of every value.

  Raises:
    ValueError: the terms depend on each other, or there are fewer than two
      clusters.
  """
  x = np.column_stack([np.asarray(term, float) for term in design.values()])
  y = np.asarray(values, float)
  if np.linalg.matrix_rank(x) < x.shape[1]:
    raise ValueError(f"the terms {', '.join(design)} depend on each other")
  bread = np.linalg.inv(x.T @ x)
  coefficients = bread @ x.T @ y
  scores = x * (y - x @ coefficients)[:, None]
  of_cluster = pd.DataFrame(scores).groupby(np.asarray(clusters)).sum()
  if len(of_cluster) < 2:
    raise ValueError("clustered errors need at least two clusters")
  return Fit(
    dict(zip(design, coefficients.tolist(), strict=True)),
    of_cluster.to_numpy() @ bread,
    float(np.abs(y).max()),
  )


def wald_test(found: Fit, *terms: str) -> WaldTest:
  """Tests that the coefficients of some terms add up to zero.

  >>> found = fit({"1": [1, 1, 1, 1]}, [1.0, 2.0, 3.0, 6.0], [0, 0, 1, 2])
  >>> round(wald_test(found, "1").z, 3)
  2.309

  Args:
    found: the fit.
    *terms: one or more terms of its design.
  """
  picked = np.array([float(name in terms) for name in found.coefficients])
  estimate = float(picked @ np.array(list(found.coefficients.values())))
  # Sums of squares, since the terms of the covariance may cancel.
  count = found.num_clusters
  error = float(np.linalg.norm(found.influence @ picked))
  error *= float(np.sqrt(count / (count - 1)))
  if error <= _ROUNDING * found.scale:
    error = 0.0
  with np.errstate(divide="ignore", invalid="ignore"):
    z = float(np.divide(estimate, error))
  return WaldTest(estimate, error, z, z**2, float(2 * stats.norm.sf(abs(z))))
