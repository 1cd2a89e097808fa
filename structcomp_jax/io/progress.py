"""Shows how far a run is, how fast it is, and how long it will still take."""

import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from tqdm import tqdm

from structcomp_jax.io import hosts
from structcomp_jax.io.values import plain

# Fraction done, count, time spent < time left, steps per second, values.
_FORMAT = (
  "{desc}: {percentage:3.0f}% {n_fmt}/{total_fmt} "
  "[{elapsed}<{remaining}, {rate_fmt}{postfix}]"
)


class Progress:
  """Shows a bar on a terminal, or a line now and then in a log file.

  If there are several processes, only the first one shows anything. Use it in a
  `with` statement, so that the last state is always shown.
  """

  def __init__(
    self,
    total: int,
    label: str,
    stream: TextIO | None = None,
    *,
    start: int = 0,
    every: float = 10.0,
    clock: Callable[[], float] = time.monotonic,
  ):
    """Starts counting.

    Args:
      total: number of steps of the whole run.
      label: what is counted, shown first.
      stream: where to write; standard error by default.
      start: steps of an earlier run that this one resumes; they do not count
        for the speed.
      every: seconds between lines if `stream` is not a terminal.
      clock: returns seconds; for tests.
    """
    self._stream = sys.stderr if stream is None else stream
    self._total, self._label, self._start = total, label, start
    self._every, self._clock = every, clock
    self._count, self._postfix = start, ""
    self._begun = self._shown_at = clock()
    self._shown_count: int | None = None
    self._bar = None
    self._is_shown = hosts.is_first()
    if self._is_shown and self._stream.isatty():
      self._bar = tqdm(
        total=total, desc=label, initial=start, file=self._stream
      )

  def update(self, n: int = 1, **values: Any) -> None:
    """Advances by `n` steps.

    Args:
      n: number of steps.
      **values: scalars to show beside the count, e.g. `loss=0.3`.
    """
    self._count += n
    if values:
      self._postfix = ", ".join(f"{k}={_short(v)}" for k, v in values.items())
    if self._bar is not None:
      self._bar.set_postfix_str(self._postfix, refresh=False)
      self._bar.update(n)
    elif self._clock() - self._shown_at >= self._every:
      self._print_line()

  def close(self) -> None:
    """Shows the last state."""
    if self._bar is not None:
      self._bar.close()
    elif self._shown_count != self._count:
      self._print_line()

  def __enter__(self) -> "Progress":
    return self

  def __exit__(self, *unused: object) -> None:
    self.close()

  def _print_line(self) -> None:
    if not self._is_shown:
      return
    line = tqdm.format_meter(
      self._count,
      self._total,
      self._clock() - self._begun,
      prefix=self._label,
      postfix=self._postfix,
      initial=self._start,
      bar_format=_FORMAT,
    )
    print(line, file=self._stream, flush=True)
    self._shown_at, self._shown_count = self._clock(), self._count


def _short(value: Any) -> str:
  value = plain(value)
  return f"{value:.4g}" if isinstance(value, float) else str(value)
