"""The settings that all candidates of a search share, and their checks."""

import dataclasses

from structcomp_jax import masks, types
from structcomp_jax.search import candidates, schedules


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchConfig:
  """What all candidates of one search share.

  Attributes:
    num_epochs: passes over the training set.
    batch_size: examples per step; the remainder of an epoch is left out, a
      different one each epoch.
    relaxation: name in `masks.RELAXATIONS`.
    schedule: name in `schedules.SCHEDULES`.
    max_beta: beta at the end of the run (published: 200).
    constant_beta: path regexes of leaves held at beta = 1 throughout, as the
      head was in the published vision searches; default: none.
    num_mask_samples: the batch is cut into as many equal chunks, each of
      which sees its own sample of a stochastic relaxation.
    data_order: "per_candidate" (a function of its seed) or "shared".
    steps_per_call: steps between two looks of the host; 0: one epoch.
    vmap_width: candidates computed at once on a device; 0: all. See
      `search.choose_width`.
    eval_batch_size: validation examples held in memory at a time.
    feed: "device": the training set lies on every device. "host": it stays in
      the host's memory or in a memory-mapped file, and the batches of the
      coming steps are copied while the devices compute; same results.
    data_devices: devices that share every batch of a candidate, for networks
      whose batch does not fit on one. Each computes an equal part; losses and
      gradients are averaged over them.
    seeds, learning_rates, init_logits, penalties: the candidates are the
      product of these.
  """

  num_epochs: int = 90
  batch_size: int = 64
  relaxation: str = "continuous_sparsification"
  schedule: str = "geometric"
  max_beta: float = 200.0
  constant_beta: tuple[str, ...] = ()
  num_mask_samples: int = 1
  data_order: str = "per_candidate"
  steps_per_call: int = 0
  vmap_width: int = 0
  eval_batch_size: int = 256
  feed: str = "device"
  data_devices: int = 1
  seeds: tuple[int, ...] = (0,)
  learning_rates: tuple[float, ...] = (1e-4,)
  init_logits: tuple[float, ...] = (0.0,)
  penalties: tuple[float, ...] = (1e-8,)

  def __post_init__(self):
    """Raises UserError for values no search can run with."""
    masks.get_relaxation(self.relaxation)
    schedules.get_schedule(self.schedule)
    if self.num_epochs < 1:
      raise types.UserError(f"num_epochs {self.num_epochs} must be at least 1")
    if not self.max_beta >= 1:
      raise types.UserError(f"max_beta {self.max_beta} must be at least 1")
    if self.num_mask_samples < 1 or self.batch_size % self.num_mask_samples:
      raise types.UserError(
        f"batch_size {self.batch_size} is not a multiple of "
        f"num_mask_samples {self.num_mask_samples}; change one of them"
      )
    chunk = self.batch_size // self.num_mask_samples
    if self.data_devices < 1 or chunk % self.data_devices:
      raise types.UserError(
        f"data_devices {self.data_devices} cannot share {chunk} examples "
        "(batch_size over num_mask_samples) equally; change one of them"
      )
    if self.data_order not in ("per_candidate", "shared"):
      raise types.UserError(
        f"unknown data_order {self.data_order!r}; choose per_candidate or "
        "shared"
      )
    if self.feed not in ("device", "host"):
      raise types.UserError(
        f"unknown feed {self.feed!r}; choose device or host"
      )

  def candidates(self) -> candidates.Candidate:
    """Returns the stacked candidates, seeds varying fastest."""
    return candidates.grid(
      seeds=self.seeds,
      learning_rates=self.learning_rates,
      init_logits=self.init_logits,
      penalties=self.penalties,
    )
