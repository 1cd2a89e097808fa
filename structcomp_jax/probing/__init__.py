"""Probes: what can be read from a frozen network, beside control tasks."""

from structcomp_jax.probing.config import ProbeConfig, SubnetworkConfig
from structcomp_jax.probing.controls import control_labels, type_ids
from structcomp_jax.probing.features import compute_features
from structcomp_jax.probing.linear import (
  LinearLearner,
  LinearResult,
  run_linear,
)
from structcomp_jax.probing.results import summarise
from structcomp_jax.probing.subnetwork import (
  SubnetworkLearner,
  SubnetworkResult,
  run_subnetwork,
)

__all__ = [
  "LinearLearner",
  "LinearResult",
  "ProbeConfig",
  "SubnetworkConfig",
  "SubnetworkLearner",
  "SubnetworkResult",
  "compute_features",
  "control_labels",
  "run_linear",
  "run_subnetwork",
  "summarise",
  "type_ids",
]
