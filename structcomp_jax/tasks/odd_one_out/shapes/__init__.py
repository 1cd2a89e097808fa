"""Odd-one-out pictures (Lepori, Serre & Pavlick 2023, section 5)."""

from structcomp_jax.tasks.odd_one_out.names import SHAPES, DatasetName
from structcomp_jax.tasks.odd_one_out.shapes.problems import (
  make_problems,
  picture_types,
  split_sizes,
)
from structcomp_jax.tasks.odd_one_out.shapes.workers import (
  stream_problems,
)

EXPERIMENTS = SHAPES.experiments
POLICIES = SHAPES.policies
DATASET_NAMES = SHAPES.dataset_names
experiment_spec = SHAPES.experiment_spec

__all__ = [
  "DATASET_NAMES",
  "EXPERIMENTS",
  "POLICIES",
  "DatasetName",
  "experiment_spec",
  "make_problems",
  "picture_types",
  "split_sizes",
  "stream_problems",
]
