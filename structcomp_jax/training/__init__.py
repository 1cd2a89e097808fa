"""Training of the base networks that are frozen afterwards."""

from structcomp_jax.training import simclr
from structcomp_jax.training.config import TrainConfig, make_optimizer
from structcomp_jax.training.optimisers import Adam, Sgd
from structcomp_jax.training.simclr import SimclrConfig, with_backbone
from structcomp_jax.training.supervised import (
  MovingLossFn,
  Supervised,
  TrainState,
  choose_width,
  failed_seeds,
  fetch_best,
  init_state,
  run,
)

__all__ = [
  "Adam",
  "MovingLossFn",
  "Sgd",
  "SimclrConfig",
  "Supervised",
  "TrainConfig",
  "TrainState",
  "choose_width",
  "failed_seeds",
  "fetch_best",
  "init_state",
  "make_optimizer",
  "run",
  "simclr",
  "with_backbone",
]
