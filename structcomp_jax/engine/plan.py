"""How long rows are stepped, on which batches, and on how much of a machine."""

import dataclasses
from typing import Any, Self

from structcomp_jax import settings, trees
from structcomp_jax.engine import batching, model_axis
from structcomp_jax.types import Batch, UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Part:
  """Settings that a larger config has among its own."""

  @classmethod
  def of(cls, config: Any) -> Self:
    """Returns this part of a config that has all of its fields."""
    names = [field.name for field in dataclasses.fields(cls)]
    return cls(**{name: getattr(config, name) for name in names})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan(_Part):
  """Which batches the rows see, and for how long. It decides the result.

  Attributes:
    num_epochs: passes over the training set.
    num_steps: if not 0, the number of steps, whatever `num_epochs` says.
    batch_size: examples per step.
    data_order: "per_candidate": every row has an order of its own, a function
      of its seed; "shared": all see the same batches.
    with_replacement: every batch is drawn from the whole training set. Else an
      epoch is a permutation, of which full batches are used; the examples that
      remain are others in every epoch.
    look_every: steps between two looks at the rows (validation, history, early
      stopping); 0: one epoch.
  """

  num_epochs: int = 1
  num_steps: int = 0
  batch_size: int = 32
  data_order: str = "per_candidate"
  with_replacement: bool = False
  look_every: int = 0

  def __post_init__(self) -> None:
    """Raises UserError for a plan that nothing can follow."""
    for name, least in (
      ("num_epochs", 1),
      ("num_steps", 0),
      ("batch_size", 1),
      ("look_every", 0),
    ):
      settings.whole(name, getattr(self, name), least)
    settings.switch("with_replacement", self.with_replacement)
    if self.data_order not in ("per_candidate", "shared"):
      raise UserError(
        f"unknown data_order {self.data_order!r}; choose per_candidate or "
        "shared"
      )

  def steps_per_epoch(self, dataset: Batch) -> int:
    """Returns the full batches of a data set; at least one if drawn from it.

    >>> dataset = {"x": batching.empty((10, 2), "float32")}
    >>> Plan(batch_size=4).steps_per_epoch(dataset)
    2

    Raises:
      UserError: the data set is smaller than one batch.
    """
    if self.with_replacement:
      return max(trees.num_rows(dataset) // self.batch_size, 1)
    return batching.steps_per_epoch(dataset, self.batch_size)

  def total_steps(self, steps_per_epoch: int) -> int:
    """Returns how many steps the plan has.

    >>> Plan(num_epochs=3).total_steps(10), Plan(num_steps=7).total_steps(10)
    (30, 7)
    """
    return self.num_steps or self.num_epochs * steps_per_epoch


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine(_Part):
  """How the work is laid out. It changes no result beyond rounding.

  Attributes:
    steps_per_call: steps between two visits of the host; 0: one epoch.
    vmap_width: rows computed at once on a device; 0: all. See
      `engine.width.choose_width`.
    eval_batch_size: validation examples held in memory at a time.
    feed: "device": the training set lies on every device. "host": it stays in
      the host's memory or in a memory-mapped file, and the batches of the
      coming steps are copied while the devices compute.
    data_devices: devices that share every batch of a row, for networks whose
      batch does not fit on one. Each computes an equal part; losses and
      gradients are averaged over them.
    model_devices: devices that share the weights of a row, for networks that do
      not fit on one. See `engine.model_axis`; searches of masks alone.
    model_axes: along which axis weights are cut for them, as ordered rules
      (regex, axis); see `engine.model_axis.cut` for those that no rule names.
  """

  steps_per_call: int = 0
  vmap_width: int = 0
  eval_batch_size: int = 256
  feed: str = "device"
  data_devices: int = 1
  model_devices: int = 1
  model_axes: tuple[model_axis.Rule, ...] = ()

  def __post_init__(self) -> None:
    """Raises UserError for a layout that does not exist."""
    for name, least in (
      ("steps_per_call", 0),
      ("vmap_width", 0),
      ("eval_batch_size", 1),
      ("data_devices", 1),
      ("model_devices", 1),
    ):
      settings.whole(name, getattr(self, name), least)
    rules = model_axis.checked_rules(self.model_axes)
    object.__setattr__(self, "model_axes", rules)
    if self.feed not in ("device", "host"):
      raise UserError(f"unknown feed {self.feed!r}; choose device or host")


def check_parts(
  batch_size: int, num_chunks: int, data_devices: int, what: str
) -> None:
  """Raises UserError unless chunks and devices share a batch equally.

  Args:
    batch_size: examples per step.
    num_chunks: equal parts that a learner cuts a batch into.
    data_devices: devices that share each of them.
    what: name of the setting behind `num_chunks`.
  """
  if batch_size % num_chunks:
    raise UserError(
      f"batch_size {batch_size} is not a multiple of {what} {num_chunks}; "
      "change one of them"
    )
  chunk = batch_size // num_chunks
  if chunk % data_devices:
    raise UserError(
      f"data_devices {data_devices} cannot share {chunk} examples "
      f"(batch_size over {what}) equally; change one of them"
    )


def refuse_model_devices(machine: Machine, what: str) -> None:
  """Raises UserError if a network would have to be cut.

  Args:
    machine: of what cannot do that.
    what: names it.
  """
  if machine.model_devices > 1:
    raise UserError(
      f"model_devices {machine.model_devices} is for searches of masks in a "
      f"frozen network; {what} keeps the network whole on every device, set "
      "model_devices to 1"
    )
