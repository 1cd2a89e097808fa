"""Training of the base networks that are frozen afterwards."""

from structcomp_jax.training import simclr
from structcomp_jax.training.optimisers import Adam
from structcomp_jax.training.simclr import SimclrConfig, with_backbone
from structcomp_jax.training.supervised import (
  Supervised,
  TrainConfig,
  TrainState,
  choose_width,
  failed_seeds,
  fetch_best,
  init_state,
  run,
)

__all__ = [
  "Adam",
  "SimclrConfig",
  "Supervised",
  "TrainConfig",
  "TrainState",
  "choose_width",
  "failed_seeds",
  "fetch_best",
  "init_state",
  "run",
  "simclr",
  "with_backbone",
]
