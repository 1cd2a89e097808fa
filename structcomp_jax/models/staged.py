"""What a network must offer so that it can be run from any of its stages.

A search masks some stage and all stages after it. What enters the first masked
stage is the same for every candidate, so it can be computed once:
`features_before` stops in front of a stage, `from_stage` goes on there.

Inputs and features are dicts of arrays with one row per item. Inputs are

    {"token_ids": i32[N, length], "attention_mask": bool[N, length]}
    {"images": u8[N, height, width, 3]}
    {"features": float[N, ...]}

and features {"hidden", "attention_mask"} and {"features"}.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import jax

from structcomp_jax.types import Batch, UserError


class Staged(Protocol):
  """A `flax.linen` module made of named stages.

  Its fields are hashable: modules with equal fields are equal, and so are the
  compiled programs that are kept by module.
  """

  @property
  def config(self) -> Any:
    """Sizes: a frozen dataclass, hashable, made of JSON values."""

  @property
  def dtype(self) -> Any:
    """The dtype of the computation; parameters are float32 always."""

  @property
  def stages(self) -> tuple[str, ...]:
    """Names of the stages, first to last.

    The path of every parameter starts with the name of its stage.
    """

  def __call__(self, inputs: Batch) -> jax.Array:
    """Returns a vector for every item, or for every position of an item.

    They are float[N, features] or float[N, positions, features].
    """

  def features_before(self, inputs: Batch, stage: str) -> Batch:
    """Returns what enters `stage`, arrays [N, ...].

    Raises:
      UserError: there is no such stage, or it is the first one.
    """

  def from_stage(self, features: Batch, stage: str) -> jax.Array:
    """Returns what `__call__` does, given what enters `stage`.

    Raises:
      UserError: there is no such stage, or it is the first one.
    """

  # Of `flax.linen.Module`.

  @property
  def init(self) -> Callable[..., Any]:
    """(key, inputs) -> variables."""

  @property
  def apply(self) -> Callable[..., Any]:
    """(variables, ..., method=name) -> what that method returns."""

  @property
  def clone(self) -> Callable[..., Any]:
    """(field=value) -> the same module with some fields changed."""


def index(model: Staged, stage: str) -> int:
  """Returns the position of a stage in front of which features can be cached.

  Raises:
    UserError: there is no such stage, or nothing lies before it.
  """
  stages = model.stages
  if stage not in stages[1:]:
    raise UserError(
      f"{type(model).__name__} model: nothing can be cached before stage "
      f"{stage!r}; use one of {', '.join(stages[1:])}"
    )
  return stages.index(stage)


def stages_from(
  stages: Sequence[str], first: str | int, *, name: str
) -> tuple[str, ...]:
  """Returns a stage and all stages after it.

  >>> stages_from(("layer_0", "layer_1", "layer_2"), "layer_1", name="first")
  ('layer_1', 'layer_2')
  >>> stages_from(("layer_0", "layer_1", "layer_2"), 1, name="first")
  ('layer_1', 'layer_2')

  Args:
    stages: names of the stages to choose from, first to last.
    first: one of them, or its number, counted from 0.
    name: what `first` is called in an error.

  Raises:
    UserError: there is no such stage.
  """
  if isinstance(first, str) and first in stages:
    return tuple(stages[stages.index(first) :])
  if isinstance(first, int) and 0 <= first < len(stages):
    return tuple(stages[first:])
  raise UserError(
    f"{name} {first!r} is not a stage of the network; choose from "
    f"{', '.join(stages)}, or a number from 0 to {len(stages) - 1}"
  )
