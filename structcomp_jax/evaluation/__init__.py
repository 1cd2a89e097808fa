"""What dense, subnetwork and ablated network do on the test tasks."""

from structcomp_jax.evaluation.conditions import (
  ABLATIONS,
  TaskMetrics,
  evaluate_dense,
  evaluate_masks,
  kept_weights,
  network,
)

__all__ = [
  "ABLATIONS",
  "TaskMetrics",
  "evaluate_dense",
  "evaluate_masks",
  "kept_weights",
  "network",
]
