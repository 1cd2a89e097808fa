"""Processes that work together on one experiment, one on every host.

All run the same program. Only the first process looks at the files of a work
directory, decides from them and changes them; the others get its answer. So all
agree, even on a file system that shows changes late.
"""

import contextlib
import functools
import itertools
import pickle
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from structcomp_jax.types import UserError

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
# How long a process waits for work that another one does, such as preparing
# data. If a process dies, JAX ends the others much sooner.
_PATIENCE_MS = 30 * 24 * 3600 * 1000
# Messages are padded to this many bytes or a power of two, because JAX compiles
# a program for each size.
_SMALLEST_MESSAGE = 1024

_barrier_numbers = itertools.count()
_alone = False


def is_alone() -> bool:
  """Returns whether there is no other process to agree with."""
  return _alone or not jax.distributed.is_initialized()


def is_first() -> bool:
  """Returns whether this process writes the files and reports progress."""
  return not jax.distributed.is_initialized() or jax.process_index() == 0


def by_first(
  fn: Callable[_Arguments, _Result],
) -> Callable[_Arguments, _Result]:
  """Lets the first process call `fn`, and all return or raise what it does.

  All processes must call such functions, and in the same order. While `fn`
  runs, the first process counts as alone, so that these functions can call each
  other.

  Args:
    fn: a function whose results and errors can be pickled. A single process
      just calls it.

  Returns:
    A function with the arguments of `fn`.
  """

  @functools.wraps(fn)
  def run(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
    if is_alone():
      return fn(*args, **kwargs)
    outcome: tuple[Any, Exception | None] = None, None
    if is_first():
      with _on_its_own():
        outcome = _outcome(fn, args, kwargs)
    told = _from_first(pickle.dumps(outcome))
    result, error = outcome if is_first() else pickle.loads(told)
    if error is not None:
      raise error
    return result

  return run


@by_first
def agree(value: _Result) -> _Result:
  """Returns the value of the first process, e.g. something it measured."""
  return value


def check_all(is_fine: bool, problem: str) -> None:
  """Raises a UserError in all processes if something is wrong in one.

  Args:
    is_fine: whether nothing is wrong in this process.
    problem: what is wrong otherwise. The message is "process 1, 3: " and this.

  Raises:
    UserError: `is_fine` is False in some process.
  """
  if is_alone():
    return
  _wait_for_all()
  all_fine = multihost_utils.process_allgather(np.array(is_fine))
  wrong = [str(index) for index in np.flatnonzero(~all_fine)]
  if wrong:
    raise UserError(f"process {', '.join(wrong)}: {problem}")


@contextlib.contextmanager
def _on_its_own() -> Iterator[None]:
  global _alone
  _alone = True
  try:
    yield
  finally:
    _alone = False


def _outcome(
  fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, Exception | None]:
  try:
    return fn(*args, **kwargs), None
  except Exception as error:
    return None, error


def _from_first(message: bytes) -> bytes:
  """Returns in every process the bytes that the first one gave."""
  _wait_for_all()
  size = int(multihost_utils.broadcast_one_to_all(np.int32(len(message))))
  padded = np.zeros(max(_SMALLEST_MESSAGE, 1 << size.bit_length()), np.uint8)
  if is_first():
    padded[:size] = np.frombuffer(message, np.uint8)
  return multihost_utils.broadcast_one_to_all(padded)[:size].tobytes()


def _wait_for_all() -> None:
  """Waits until all processes are here, at a barrier between the hosts.

  A program on the devices would wait as well, but give up sooner.
  """
  # Imported here, because a single process does not need orbax.
  from orbax.checkpoint import multihost

  key = f"structcomp_jax_{next(_barrier_numbers)}"
  multihost.get_barrier_sync_fn()(key=key, timeout_ms=_PATIENCE_MS)
