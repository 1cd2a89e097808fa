"""The kind of machine that programs are made for.

Some code takes another road on a CPU than on an accelerator. That is asked
here, and not of JAX, since a program can be compiled for a machine that is not
there: the compiler of a TPU runs on any host.
"""

import contextlib
import contextvars
from collections.abc import Iterator

import jax

_CHOSEN: contextvars.ContextVar[str] = contextvars.ContextVar("target")


def platform() -> str:
  """Returns what programs are made for: "cpu", "gpu" or "tpu".

  >>> with compiling_for("tpu"):
  ...   platform()
  'tpu'
  """
  return _CHOSEN.get(jax.default_backend())


@contextlib.contextmanager
def compiling_for(name: str) -> Iterator[None]:
  """Within it, programs are made for another kind of machine than this one.

  What was traced before is not traced anew: enter it first.

  Args:
    name: "cpu", "gpu" or "tpu".
  """
  token = _CHOSEN.set(name)
  try:
    yield
  finally:
    _CHOSEN.reset(token)
