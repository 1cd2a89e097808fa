"""Training of the base networks that are frozen afterwards."""

from structcomp_jax.training.base import (
  TrainConfig,
  TrainState,
  init_state,
  run,
)

__all__ = ["TrainConfig", "TrainState", "init_state", "run"]
