"""What dense, subnetwork and ablated networks do on the test tasks."""

from structcomp_jax.evaluation.conditions import (
  ABLATIONS,
  evaluate_dense,
  evaluate_masks,
  kept_weights,
  networks,
)

__all__ = [
  "ABLATIONS",
  "evaluate_dense",
  "evaluate_masks",
  "kept_weights",
  "networks",
]
