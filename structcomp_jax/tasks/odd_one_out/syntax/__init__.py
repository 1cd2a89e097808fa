"""Syntactic odd-one-out problems (Lepori, Serre & Pavlick 2023, section 6)."""

from structcomp_jax.tasks.odd_one_out.syntax.problems import (
  DATASET_NAMES,
  POLICIES,
  DatasetName,
  ExperimentSpec,
  experiment_spec,
  make_datasets,
)
from structcomp_jax.tasks.odd_one_out.syntax.separation import (
  separation_report,
)

__all__ = [
  "DATASET_NAMES",
  "POLICIES",
  "DatasetName",
  "ExperimentSpec",
  "experiment_spec",
  "make_datasets",
  "separation_report",
]
