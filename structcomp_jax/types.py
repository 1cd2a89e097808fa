"""Type aliases, protocols and errors that every layer shares."""

import pathlib
import sys
from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import chex
import jax
import numpy as np

# A PyTree of model weights, of any container type. Never written to.
Params: TypeAlias = chex.ArrayTree
# {path: f32[...]}: one real score per unit that may be masked, of the selected
# leaves alone. With a leading candidate axis where a function says "stacked".
MaskLogits = dict[str, jax.Array]
# {path: f32[...]} in [0, 1]: the forward pass multiplies the weights with it.
SoftMask = dict[str, jax.Array]
# {path: bool[...]}: True where a unit is kept.
Mask = dict[str, jax.Array]
# A mask of JAX or NumPy arrays, for functions that only read it.
AnyMask = Mapping[str, jax.Array | np.ndarray]
# A dict of arrays whose leading axis is the example.
Batch = Mapping[str, Any]


class LossFn(Protocol):
  """Mean loss of a network on one batch."""

  def __call__(self, params: Params, batch: Batch, /) -> jax.Array:
    """Returns a float scalar, the mean over the examples of `batch`."""

  def __hash__(self) -> int:
    """Returns a hash: compiled programs are found by the function's value."""


class MetricsFn(Protocol):
  """Per-example metrics of a network on one batch."""

  def __call__(self, params: Params, batch: Batch, /) -> dict[str, jax.Array]:
    """Returns {name: f32[batch]}; "loss" is one of them."""

  def __hash__(self) -> int:
    """Returns a hash: compiled programs are found by the function's value."""


class UserError(Exception):
  """Something the user can mend: bad config, file or directory.

  The message is one line: what is wrong, then what to do about it. Launch
  scripts print it without a traceback and exit with status 1.
  """


def one_line(error: Exception, limit: int = 200) -> str:
  r"""Returns what an error says, in one line: the cause within a `UserError`.

  >>> one_line(ValueError("the header\n is torn"))
  'the header is torn'

  Args:
    error: any error.
    limit: the text is cut after this many characters.

  Returns:
    The message; the name of the error's type if it has none.
  """
  return " ".join(str(error).split())[:limit] or type(error).__name__


def is_console() -> bool:
  """Returns whether the command `structcomp` started this process.

  Also as `python -m structcomp_jax`, see `console`.
  """
  program = {pathlib.PurePath(one).stem for one in sys.orig_argv[1:3]}
  return bool(program & {"structcomp", __package__})


def command(verb: str) -> str:
  """Returns how a launch script is started, as this process was."""
  return f"structcomp {verb}" if is_console() else f"python -m launch.{verb}"
