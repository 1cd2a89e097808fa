"""Makes many problems in several processes.

A worker is a program that writes pictures to its standard output. So no process
that runs JAX is forked, nothing of the main program is imported, and a worker
waits while nobody reads and ends when the reader does.
"""

import contextlib
import io
import itertools
import os
import subprocess
import sys
from collections.abc import Generator, Iterator

import numpy as np

from structcomp_jax.tasks.odd_one_out.names import DatasetName
from structcomp_jax.tasks.odd_one_out.shapes import drawing
from structcomp_jax.tasks.odd_one_out.shapes.problems import (
  PICTURES,
  make_problems,
)
from structcomp_jax.types import UserError

# Problems that are made and handed over at a time.
_CHUNK = 512
# The process that stores the problems keeps up with no more workers than this.
_MOST_PROCESSES = 8
# Starting a process takes as long as making this many problems.
_WORTH_A_PROCESS = 1000

# These variables tell the GNU C library to keep memory that was freed. Getting
# it from the system again would take half as long as the arithmetic done in it.
KEEP_MEMORY = {
  "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
  "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
}

_PROGRAM = f"import sys; from {__name__} import main; main(*sys.argv[1:])"
_SHAPE = (PICTURES, drawing.SIDE, drawing.SIDE, 3)


def stream_problems(
  name: str | DatasetName, split: str, count: int, processes: int | None = None
) -> Iterator[np.ndarray]:
  """Makes the first problems of a split in order, as `make_problems` does.

  Args:
    name: as for `make_problems`.
    split: as for `make_problems`.
    count: how many problems.
    processes: how many workers; by default one for each CPU of this process,
      or fewer if there is little to do.

  Yields:
    uint8[4, 128, 128, 3], the problems one by one.

  Raises:
    UserError: as for `make_problems`, or a process has died.
  """
  if processes is None:
    processes = min(
      len(os.sched_getaffinity(0)), _MOST_PROCESSES, count // _WORTH_A_PROCESS
    )
  if processes < 2:
    chunks = (
      make_problems(name, split, rows) for rows in _chunks(count, _CHUNK)
    )
  else:
    chunks = _from_workers(str(name), split, count, processes)
  with contextlib.closing(chunks):
    for chunk in chunks:
      yield from chunk


def _chunks(count: int, size: int) -> list[range]:
  return [
    range(start, min(start + size, count)) for start in range(0, count, size)
  ]


def _from_workers(
  name: str, split: str, count: int, processes: int
) -> Generator[np.ndarray]:
  """Yields the chunks; worker i of n makes chunks i, i + n, i + 2 n, ..."""
  with contextlib.ExitStack() as stack:
    workers = [
      stack.enter_context(_started(name, split, count, _CHUNK, i, processes))
      for i in range(processes)
    ]
    for worker, rows in zip(itertools.cycle(workers), _chunks(count, _CHUNK)):
      yield _read(worker, len(rows))


@contextlib.contextmanager
def _started(*arguments: object) -> Iterator[subprocess.Popen[bytes]]:
  command = [sys.executable, "-c", _PROGRAM, *map(str, arguments)]
  path = {"PYTHONPATH": os.pathsep.join(sys.path)}
  with subprocess.Popen(
    command,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    env=os.environ | KEEP_MEMORY | path,
  ) as worker:
    try:
      yield worker
    finally:
      worker.kill()


def _read(worker: subprocess.Popen[bytes], count: int) -> np.ndarray:
  assert isinstance(worker.stdout, io.BufferedReader)
  assert worker.stderr is not None
  problems = np.empty((count, *_SHAPE), np.uint8)
  if worker.stdout.readinto(problems.data.cast("B")) < problems.nbytes:
    lines = worker.stderr.read().decode(errors="replace").splitlines()
    raise UserError(
      "a process that makes problems has died"
      f" ({lines[-1] if lines else 'out of memory?'}); run again with fewer"
      " CPUs"
    )
  return problems


def main(name: str, split: str, *numbers: str) -> None:
  """Writes the chunks that one worker makes.

  Args:
    name: data set.
    split: of the data set.
    *numbers: problems of the split, problems per chunk, number of this worker,
      number of workers.
  """
  count, chunk, worker, processes = map(int, numbers)
  with contextlib.suppress(BrokenPipeError):
    for rows in _chunks(count, chunk)[worker::processes]:
      problems = make_problems(name, split, rows)
      sys.stdout.buffer.write(problems.data)
    sys.stdout.buffer.flush()
