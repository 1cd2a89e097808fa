"""The networks that masks make, and how they do on the test tasks."""

from structcomp_jax.evaluation.evaluate import (
  Networks,
  TaskMetrics,
  evaluate,
  examples_of_chunk,
  make_program,
)
from structcomp_jax.evaluation.variants import Variant, ablations, dense

__all__ = [
  "Networks",
  "TaskMetrics",
  "Variant",
  "ablations",
  "dense",
  "evaluate",
  "examples_of_chunk",
  "make_program",
]
