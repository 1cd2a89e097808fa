"""Sections of the study's config, each as an object, and their checks."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from structcomp_jax import training, types
from structcomp_jax.pipeline import checks, config
from structcomp_jax.pipeline.config import Runtime

_CHOICES = {
  "search.selection": ("own_task", "published"),
  "search.unit": ("weight", "neuron"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class MaskSearch(config.MaskSearch):
  """How masks are searched: the section `search`.

  Attributes (besides those of `pipeline.config.MaskSearch`):
    unit: "weight": one logit per weight; "neuron": one per output neuron.
    grid_seed: mask seed with which settings are compared.
    selection: rule that chooses the setting.
  """

  unit: str = "weight"
  grid_seed: int = 0
  selection: str = "own_task"


@dataclasses.dataclass(frozen=True, kw_only=True)
class BaseTraining(config.BaseTraining):
  """How base networks are trained: the section `training`.

  Attributes (besides those of `training.TrainConfig`):
    pretrained_learning_rate: of networks that start from other weights; 0: as
      the others.
    pretrained_batch_size: likewise.
    sweep: {"learning_rates", "batch_sizes"}: pairs to try with the first base
      seed; empty: none.
  """

  pretrained_learning_rate: float = 0.0
  pretrained_batch_size: int = 0
  sweep: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)

  def of_regime(self, *, is_pretrained: bool) -> dict[str, Any]:
    """Returns what differs in networks that start from other weights."""
    pretrained = {
      "learning_rate": self.pretrained_learning_rate,
      "batch_size": self.pretrained_batch_size,
    }
    return {k: v for k, v in pretrained.items() if v and is_pretrained}

  def sweep_pairs(self) -> list[dict[str, Any]]:
    """Returns the changes that the sweep tries.

    Raises:
      UserError: only one of its two lists is empty.
    """
    rates, sizes = self.sweep["learning_rates"], self.sweep["batch_sizes"]
    if bool(rates) != bool(sizes):
      raise types.UserError(
        "training.sweep has only one of learning_rates and batch_sizes; give "
        "both, or neither for no sweep"
      )
    return [
      {"learning_rate": learning_rate, "batch_size": batch_size}
      for learning_rate in rates
      for batch_size in sizes
    ]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pruning:
  """What differs in searches of masks that prune: the section `pruning`.

  Attributes:
    masked_from: first masked stage.
    num_epochs, learning_rates, init_logits, penalties: as in `search`.
  """

  masked_from: Any
  num_epochs: int
  learning_rates: tuple[float, ...]
  init_logits: tuple[float, ...]
  penalties: tuple[float, ...]

  def changes(self) -> dict[str, Any]:
    """Returns the changes to the settings of a search."""
    fields = dataclasses.asdict(self)
    del fields["masked_from"]
    return fields


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pretraining(training.SimclrConfig):
  """How a backbone is pretrained: the section `simclr`.

  Attributes (besides those of `training.SimclrConfig`):
    tasks: experiments whose composite tasks are learned from.
  """

  tasks: tuple[str, ...] = ()

  def simclr_config(self, runtime: Runtime) -> training.SimclrConfig:
    """Returns the settings of the pretraining."""
    return dataclasses.replace(
      training.SimclrConfig.of(self), **runtime.machine(self.batch_size)
    )


def check(config: ConfigDict, choices: Mapping[str, Sequence[str]]) -> None:
  """Checks every field that names something or that must be a number.

  Args:
    config: of an experiment.
    choices: {field: names it may have} of the experiment's domain.

  Raises:
    UserError: a value, named by its field, means nothing.
  """
  checks.names(config, {**choices, **_CHOICES})
  checks.check_common(config)
  checks.auto_base_seeds(config)
  checks.seeds(config, "search.grid_seed")
  checks.seeds(config, "cuts.seeds")
  checks.distinct(config, "cuts.seeds")
  checks.integers(config, "cuts.num_nonsense", 0)
  for field in ("training", "search", "cuts"):
    checks.integers(config, f"{field}.batch_size", 1)
  checks.integers(config, "training.pretrained_batch_size", 0)
  checks.integers(config, "training.sweep.batch_sizes", 1)
  if "simclr" in config.regimes:
    checks.integers(config, "simclr.batch_size", 1)
    if not config.simclr.tasks:
      raise types.UserError(
        "simclr.tasks is empty; give the experiments to learn from"
      )
  for section in ("search", "cuts"):
    if not config[section].masked_from:
      raise types.UserError(
        f"{section}.masked_from is empty; give the first masked stage"
      )
  for field in (
    "search.learning_rates",
    "search.init_logits",
    "search.penalties",
    "evaluation.failed_below",
    "training.pretrained_learning_rate",
  ):
    checks.finite(config, field)
