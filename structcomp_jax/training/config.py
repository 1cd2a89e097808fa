"""How base networks are trained, and the optimiser that follows from it."""

import dataclasses

from structcomp_jax import settings, types
from structcomp_jax.engine.plan import (
  Machine,
  Plan,
  check_parts,
  refuse_model_devices,
)
from structcomp_jax.training.optimisers import Adam, Sgd


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig(Plan, Machine):
  """How base networks are trained.

  Attributes (besides those of `engine.Plan` and `engine.Machine`):
    optimizer: "adam"; "sgd", see `optimisers.Sgd`.
    learning_rate: the step size, at the beginning.
    warmup_steps, b2, epsilon: of "adam", see `optimisers.Adam`.
    cooldown_steps: of "adam": in the last of `num_steps`, the step size falls
      to zero.
    momentum, weight_decay, drops: of "sgd".
    patience: looks (epochs, by default) without a lower validation loss before
      a seed stops. Lepori et al. 2023 used 30 for language and 75 for vision.
    clip_norm: the gradient of a network is scaled down to this Euclidean norm
      where it is larger; 0: never.
    keep: which weights are the result: "best", those of the lowest validation
      loss; "last", those of the last step, and no seed stops early.
  """

  num_epochs: int = 100
  optimizer: str = "adam"
  learning_rate: float = 1e-4
  warmup_steps: int = 0
  cooldown_steps: int = 0
  b2: float = 0.999
  epsilon: float = 1e-8
  momentum: float = 0.9
  weight_decay: float = 0.0
  drops: tuple[int, ...] = ()
  patience: int = 30
  clip_norm: float = 0.0
  keep: str = "best"

  def __post_init__(self) -> None:
    """Raises UserError for values no training can run with."""
    Plan.__post_init__(self)
    Machine.__post_init__(self)
    settings.whole("patience", self.patience, 1)
    settings.real("learning_rate", self.learning_rate, above=0)
    settings.whole("warmup_steps", self.warmup_steps)
    settings.whole("cooldown_steps", self.cooldown_steps)
    if self.cooldown_steps > self.num_steps:
      raise types.UserError(
        f"cooldown_steps {self.cooldown_steps} is more than num_steps "
        f"{self.num_steps}; lower it"
      )
    settings.real("b2", self.b2, least=0, most=0.99999)
    settings.real("epsilon", self.epsilon, above=0)
    settings.real("clip_norm", self.clip_norm, least=0)
    settings.real("momentum", self.momentum, least=0, most=1)
    settings.real("weight_decay", self.weight_decay, least=0)
    object.__setattr__(self, "drops", tuple(self.drops))
    for step in self.drops:
      settings.whole("drops", step, 1)
    if self.optimizer not in ("adam", "sgd"):
      raise types.UserError(
        f"unknown optimizer {self.optimizer!r}; choose adam or sgd"
      )
    if self.keep not in ("best", "last"):
      raise types.UserError(f"unknown keep {self.keep!r}; choose best or last")
    check_parts(self.batch_size, 1, self.data_devices, "one chunk")
    refuse_model_devices(self, "a training")


def make_optimizer(config: TrainConfig) -> Adam | Sgd:
  """Returns the optimiser that a config names."""
  if config.optimizer == "adam":
    first = config.num_steps - config.cooldown_steps
    return Adam(
      learning_rate=config.learning_rate,
      clip_norm=config.clip_norm,
      warmup_steps=config.warmup_steps,
      cooldown=(first, config.cooldown_steps)
      if config.cooldown_steps
      else (0, 0),
      b2=config.b2,
      epsilon=config.epsilon,
    )
  return Sgd(
    config.learning_rate,
    config.clip_norm,
    config.momentum,
    config.weight_decay,
    config.drops,
  )
