"""The settings that all candidates of a search share, and their checks."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from structcomp_jax import masks, settings, types
from structcomp_jax.engine.plan import Machine, Plan, check_parts
from structcomp_jax.search import adam, candidates, clipping, schedules

# Adam squares gradients, which beta multiplies; larger squares overflow.
_LARGEST_BETA = 1e9
_AXES = ("seeds", "learning_rates", "init_logits", "penalties")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchConfig(Plan, Machine):
  """What all candidates of one search share.

  Attributes (besides those of `engine.Plan` and `engine.Machine`):
    relaxation: how logits become masks, as `masks.get_relaxation` takes it: a
      name, {"name": ..., parameter: value}, or a relaxation. It is kept as a
      relaxation.
    schedule: name in `schedules.SCHEDULES`.
    max_beta: beta at the end of the run (Lepori et al. 2023: 200).
    constant_beta: path regexes of leaves held at beta = 1 throughout, as the
      head was in the vision searches of Lepori et al. 2023; default: none.
    num_mask_samples: the batch is cut into as many equal chunks, each of
      which sees its own sample of a stochastic relaxation.
    micro_batches: equal parts of a batch, one after the other, whose gradients
      are added up, see `engine.micro_batches`. It changes no result beyond
      rounding: a batch takes the memory of a part.
    moments: dtype of Adam's moments, "float32" or "bfloat16", which takes 8
      instead of 12 bytes for a masked weight, see `search.adam`.
    clip_norm: the gradient of all logits of a candidate is scaled down to this
      Euclidean norm where it is larger; 0: never.
    clip_scope: over what that norm is taken: "masks", the logits; "reference",
      also the frozen weights, see `search.clipping`.
    patience: looks without a lower validation loss of the hard mask before a
      candidate stops; its logits of the best look are kept. 0: candidates go
      on to the end, and the last logits are kept.
    loss_draws: the loss draws at random: every training batch has a field
      "key", keys[batch], which depend on the seed and the step.
    two_sided: the mask cuts the network in two, and both halves learn a task:
      what it keeps learns that of `dataset["kept"]`, what it removes that of
      `dataset["rest"]`.
    seeds, learning_rates, init_logits, penalties: the candidates are the
      product of these.
  """

  num_epochs: int = 90
  batch_size: int = 64
  relaxation: str | Mapping[str, Any] | masks.Relaxation = (
    "continuous_sparsification"
  )
  schedule: str = "geometric"
  max_beta: float = 200.0
  constant_beta: tuple[str, ...] = ()
  num_mask_samples: int = 1
  micro_batches: int = 1
  moments: str = "float32"
  clip_norm: float = 0.0
  clip_scope: str = "masks"
  patience: int = 0
  loss_draws: bool = False
  two_sided: bool = False
  seeds: tuple[int, ...] = (0,)
  learning_rates: tuple[float, ...] = (1e-4,)
  init_logits: tuple[float, ...] = (0.0,)
  penalties: tuple[float, ...] = (1e-8,)

  def __post_init__(self) -> None:
    """Raises UserError for values no search can run with."""
    Plan.__post_init__(self)
    Machine.__post_init__(self)
    # A mapping has no hash, and a config is part of what programs are found by.
    object.__setattr__(
      self, "relaxation", masks.get_relaxation(self.relaxation)
    )
    schedules.get_schedule(self.schedule)
    settings.real("max_beta", self.max_beta, least=1, most=_LARGEST_BETA)
    settings.real("clip_norm", self.clip_norm, least=0)
    settings.whole("patience", self.patience)
    for name in ("num_mask_samples", "micro_batches"):
      settings.whole(name, getattr(self, name), 1)
    for name in ("loss_draws", "two_sided"):
      settings.switch(name, getattr(self, name))
    regexes = settings.sequence(
      "constant_beta", self.constant_beta, "('head/.*',)"
    )
    object.__setattr__(self, "constant_beta", regexes)
    axes = candidates.check_axes({name: getattr(self, name) for name in _AXES})
    for name, values in axes.items():
      object.__setattr__(self, name, values)
    if self.moments not in adam.DTYPES:
      raise types.UserError(
        f"unknown moments {self.moments!r}; choose float32 or bfloat16"
      )
    if self.clip_scope not in clipping.SCOPES:
      raise types.UserError(
        f"unknown clip_scope {self.clip_scope!r}; choose from "
        f"{', '.join(clipping.SCOPES)}"
      )
    what = "num_mask_samples"
    if self.micro_batches > 1:
      what += " times micro_batches,"
    check_parts(self.batch_size, self.num_parts, self.data_devices, what)
    if self.clips_all and self.micro_batches > 1:
      raise types.UserError(
        f"micro_batches {self.micro_batches} has no gradient of the frozen "
        "weights, which clip_scope 'reference' needs; set one of them to its "
        "default"
      )

  @property
  def num_parts(self) -> int:
    """Parts of a batch: mask samples, and micro-batches of each."""
    return self.num_mask_samples * self.micro_batches

  @property
  def clips_all(self) -> bool:
    """Whether gradients of the frozen weights count in the norm."""
    return bool(self.clip_norm) and self.clip_scope == "reference"

  def candidates(self) -> candidates.Candidate:
    """Returns the stacked candidates, seeds varying fastest."""
    return candidates.grid(**{name: getattr(self, name) for name in _AXES})

  def objective(self) -> "SearchConfig":
    """Returns the settings of a step alone: equal for equal programs.

    What the candidates are is data, and `Plan` and `Machine` stand beside it.

    >>> SearchConfig(seeds=(0, 1)).objective() == SearchConfig().objective()
    True
    """
    default = SearchConfig()
    beside = [field.name for part in (Plan, Machine)
              for field in dataclasses.fields(part)]  # fmt: skip
    cleared = {name: getattr(default, name) for name in (*beside, *_AXES)}
    # A batch has to be a multiple of the number of its parts.
    cleared["batch_size"] = self.num_parts
    own = {
      field.name: getattr(self, field.name)
      for field in dataclasses.fields(SearchConfig)
    }
    return SearchConfig(**{**own, **cleared})
