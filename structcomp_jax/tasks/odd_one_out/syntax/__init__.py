"""Syntactic odd-one-out problems (Lepori, Serre & Pavlick 2023, section 6)."""

from structcomp_jax.tasks.odd_one_out.names import SYNTAX, DatasetName
from structcomp_jax.tasks.odd_one_out.syntax.grammar import vocabulary
from structcomp_jax.tasks.odd_one_out.syntax.problems import make_datasets
from structcomp_jax.tasks.odd_one_out.syntax.separation import (
  separation_report,
)

EXPERIMENTS = SYNTAX.experiments
POLICIES = SYNTAX.policies
DATASET_NAMES = SYNTAX.dataset_names
experiment_spec = SYNTAX.experiment_spec

__all__ = [
  "DATASET_NAMES",
  "EXPERIMENTS",
  "POLICIES",
  "DatasetName",
  "experiment_spec",
  "make_datasets",
  "separation_report",
  "vocabulary",
]
