"""Type aliases and protocols shared by every layer."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import chex
import jax
import numpy as np

# A PyTree of model weights, of any container type. Never written to.
Params: TypeAlias = chex.ArrayTree
# {path: f32[...]}: one real score per unit that may be masked. Selected
# leaves only; a leading candidate axis where a function says "stacked".
MaskLogits = dict[str, jax.Array]
# {path: f32[...]} in [0, 1]: what the forward pass multiplies with.
SoftMask = dict[str, jax.Array]
# {path: bool[...]}: True is kept.
Mask = dict[str, jax.Array]
# The same, of JAX or NumPy arrays, where it is only read.
AnyMask = Mapping[str, jax.Array | np.ndarray]
# A dict of arrays whose leading axis is the example.
Batch = Mapping[str, Any]

# Characters of another library's error that a line of ours repeats.
_LONGEST_CAUSE = 300


class LossFn(Protocol):
  """Mean loss of a network on one batch."""

  def __call__(self, params: Params, batch: Batch, /) -> jax.Array:
    """Returns a float scalar, the mean over the examples of `batch`."""

  def __hash__(self) -> int:
    """Compiled programs are kept by function."""


class MetricsFn(Protocol):
  """Per-example metrics of a network on one batch."""

  def __call__(self, params: Params, batch: Batch, /) -> dict[str, jax.Array]:
    """Returns {name: f32[batch]}; "loss" is one of them."""

  def __hash__(self) -> int:
    """Compiled programs are kept by function."""


class UserError(Exception):
  """Something the user can mend: bad config, file or directory.

  The message is one line: what is wrong, then what to do about it. Launch
  scripts print it without a traceback and exit with status 1.
  """


def one_line(error: BaseException) -> str:
  """Returns what an error says, cut to fit into the line of a `UserError`.

  >>> one_line(ValueError("no   such axis"))
  'no such axis'
  >>> one_line(ValueError())
  'ValueError'
  """
  text = " ".join(str(error).split())
  return text[:_LONGEST_CAUSE] or type(error).__name__
