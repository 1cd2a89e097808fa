"""What XLA compiles while a test runs."""

import contextlib
from collections.abc import Iterator

import jax

_EVENT = "/jax/core/compile/backend_compile_duration"
_listening = []


def _listen(event, seconds, **info):
  if event == _EVENT:
    for names in _listening:
      names.append(info.get("fun_name"))


jax.monitoring.register_event_duration_secs_listener(_listen)


@contextlib.contextmanager
def counted() -> Iterator[list[str]]:
  """Gives the names of the functions that are compiled inside."""
  names = []
  _listening.append(names)
  try:
    yield names
  finally:
    # Equal lists are not the same list.
    _listening[:] = [other for other in _listening if other is not names]
