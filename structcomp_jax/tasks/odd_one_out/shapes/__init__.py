"""Odd-one-out pictures (Lepori, Serre & Pavlick 2023, section 5)."""

from structcomp_jax.tasks.odd_one_out.shapes.names import (
  DATASET_NAMES,
  POLICIES,
  PROPERTIES,
  SPLIT_SIZES,
  DatasetName,
  ExperimentSpec,
  experiment_spec,
)
from structcomp_jax.tasks.odd_one_out.shapes.problems import (
  make_problems,
  picture_types,
)
from structcomp_jax.tasks.odd_one_out.shapes.workers import (
  stream_problems,
)

__all__ = [
  "DATASET_NAMES",
  "POLICIES",
  "PROPERTIES",
  "SPLIT_SIZES",
  "DatasetName",
  "ExperimentSpec",
  "experiment_spec",
  "make_problems",
  "picture_types",
  "stream_problems",
]
