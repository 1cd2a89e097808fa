"""What dense, subnetwork and ablated network do on the test tasks."""

from structcomp_jax.evaluation.conditions import (
  ABLATIONS,
  Group,
  TaskMetrics,
  dense,
  evaluate,
  kept_weights,
  network,
)

__all__ = [
  "ABLATIONS",
  "Group",
  "TaskMetrics",
  "dense",
  "evaluate",
  "kept_weights",
  "network",
]
