"""Settings of probes, and their checks."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from structcomp_jax import masks, settings
from structcomp_jax.engine.plan import (
  Machine,
  Plan,
  check_parts,
  refuse_model_devices,
)
from structcomp_jax.types import UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Probing(Plan, Machine):
  """What all kinds of probes have in common.

  Attributes (besides those of `engine.Plan` and `engine.Machine`):
    learning_rate: Adam's step size of the probes, constant.
    weight_decay: loss per half the square of a probe's weight, biases left out.
    seeds: every probe is learned once with each: order of the examples, labels
      of the control task.
  """

  batch_size: int = 64
  learning_rate: float = 1e-2
  weight_decay: float = 0.0
  seeds: tuple[int, ...] = (0, 1, 2)

  def __post_init__(self) -> None:
    """Raises UserError for values no probe can be learned with."""
    Plan.__post_init__(self)
    Machine.__post_init__(self)
    settings.real("learning_rate", self.learning_rate, above=0)
    settings.real("weight_decay", self.weight_decay, least=0)
    object.__setattr__(self, "seeds", _several("seeds", self.seeds, "(0, 1)"))
    for seed in self.seeds:
      settings.whole("seeds", seed)
    check_parts(self.batch_size, 1, self.data_devices, "one chunk")
    refuse_model_devices(self, "a probe")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProbeConfig(_Probing):
  """How linear probes on given features are learned.

  Attributes (besides those of `engine.Plan` and `engine.Machine`):
    learning_rate, weight_decay, seeds: see `SubnetworkConfig`.
    patience: looks (epochs, by default) without a lower validation loss before
      a probe stops; its weights of the best look are kept.
  """

  num_epochs: int = 100
  patience: int = 5

  def __post_init__(self) -> None:
    """Raises UserError for values no probe can be learned with."""
    super().__post_init__()
    settings.whole("patience", self.patience, 1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SubnetworkConfig(_Probing):
  """How masks and the probes on what they leave are learned together.

  Attributes (besides those of `engine.Plan` and `engine.Machine`):
    learning_rate: Adam's step size of the probes, constant.
    weight_decay: loss per half the square of a probe's weight, biases left out.
    seeds: every probe is learned once with each: order of the examples, noise
      of the masks, labels of the control task.
    relaxation: how logits become masks, as `masks.get_relaxation` takes it;
      one without beta.
    mask_learning_rate: Adam's step size of the mask logits, constant.
    init_logit: initial value of every mask logit.
    penalties: loss per weight that a mask is expected to keep; every mask is
      learned once with each.
  """

  num_epochs: int = 20
  relaxation: str | Mapping[str, Any] | masks.Relaxation = "hard_concrete"
  mask_learning_rate: float = 0.1
  init_logit: float = 1.0
  penalties: tuple[float, ...] = (0.0, 1e-5, 1e-4)

  def __post_init__(self) -> None:
    """Raises UserError for values no mask can be learned with."""
    super().__post_init__()
    # A mapping has no hash, and programs are found by their settings.
    relaxation = masks.get_relaxation(self.relaxation)
    object.__setattr__(self, "relaxation", relaxation)
    if relaxation.uses_beta:
      raise UserError(
        f"relaxation {type(relaxation).__name__} needs a schedule of its "
        "sharpness, which probes have not; choose hard_concrete or "
        "gumbel_sigmoid"
      )
    settings.real("mask_learning_rate", self.mask_learning_rate, above=0)
    settings.real("init_logit", self.init_logit)
    penalties = _several("penalties", self.penalties, "(1e-5,)")
    object.__setattr__(self, "penalties", penalties)
    for penalty in penalties:
      settings.real("penalties", penalty, least=0)


def _several(name: str, values: Any, example: str) -> tuple[Any, ...]:
  """Returns the values of an axis of probes, each of which stands once."""
  values = settings.sequence(name, values, example)
  if not values or len(set(values)) < len(values):
    raise UserError(f"{name} {values} must hold at least one value, each once")
  return values
