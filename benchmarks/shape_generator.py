"""Times the generator of the shape problems, phase by phase.

    python -m benchmarks.shape_generator [--problems=1024] [NAME ...]

Prints, by default for every data set of the policy "published", problems per
second of processor time on one core with everything `make_problems` does, and
how the time is shared: contours (hashing, midpoint displacement), places (free
spots, contact, slots), drawing (pixels of the outlines, cv2.polylines),
colours, check (of the pixels), and the rest. The last column is what storing
costs on top, in microseconds per problem.
"""

import argparse
import collections
import os
import sys
import time
import zlib
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from structcomp_jax.tasks.odd_one_out import shapes
from structcomp_jax.tasks.odd_one_out.shapes import (
  contact_count,
  contours,
  drawing,
  inside_contact,
  inside_count,
  pictures,
  workers,
)
from structcomp_jax.tasks.odd_one_out.shapes.pixels import (
  judge as pixel_check,
)

_PHASES = {
  "contours": [
    (contours, "draw_contours"),
    (inside_contact, "draw_contours"),
    (inside_count, "draw_contours"),
    (contact_count, "draw_contours"),
  ],
  "drawing": [(drawing, "draw")],
  "check": [(pixel_check, "judge")],
}


class Clock:
  """Processor time per phase; a phase within another interrupts it."""

  def __init__(self):
    self.seconds = collections.Counter()
    self._phases = ["rest"]
    self._since = time.process_time()

  def timed(self, phase: str, function: Callable) -> Callable:
    def call(*args, **kwargs):
      self._switch(phase)
      try:
        return function(*args, **kwargs)
      finally:
        self._switch(None)

    return call

  def _switch(self, phase: str | None) -> None:
    now = time.process_time()
    self.seconds[self._phases[-1]] += now - self._since
    self._since = now
    if phase is None:
      self._phases.pop()
    else:
      self._phases.append(phase)

  def read(self) -> dict[str, float]:
    """Seconds per phase since the last reading."""
    self._switch("rest")
    self._switch(None)
    seconds, self.seconds = dict(self.seconds), collections.Counter()
    return seconds


def instrument(clock: Clock) -> None:
  """Lets the functions of the generator tell the clock when they run."""
  for phase, functions in _PHASES.items():
    for module, name in functions:
      setattr(module, name, clock.timed(phase, getattr(module, name)))
  for name, policy in pictures.POLICIES.items():
    samplers = {
      experiment: clock.timed("places", sampler)
      for experiment, sampler in policy.samplers.items()
    }
    pictures.POLICIES[name] = pictures.Policy(
      samplers=samplers, colours=clock.timed("colours", policy.colours)
    )


def measure(clock: Clock, name: str, problems: int) -> tuple[dict, float]:
  """Seconds per phase, and of storing, for so many problems."""
  shapes.make_problems(name, "test", range(512))
  clock.read()
  images = shapes.make_problems(name, "test", range(problems))
  phases = clock.read()
  start = time.process_time()
  for image in images:
    zlib.compress(image.tobytes())
  return phases, time.process_time() - start


def table(names: list[str], problems: int) -> Iterator[str]:
  clock = Clock()
  instrument(clock)
  columns = ("contours", "places", "drawing", "colours", "check", "rest")
  yield (
    f"{'data set':28}{'problems/s':>11}"
    + "".join(f"{column:>10}" for column in columns)
    + f"{'+storing':>10}"
  )
  for name in names:
    phases, storing = measure(clock, name, problems)
    total = sum(phases.values())
    shares = "".join(f"{phases[column] / total:>10.0%}" for column in columns)
    stored = f"{storing / problems * 1e6:>7.0f} us"
    yield f"{name:28}{problems / total:>11.0f}{shares}{stored}"


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("names", nargs="*", metavar="NAME")
  parser.add_argument("--problems", type=int, default=1024)
  args = parser.parse_args()
  if not workers.KEEP_MEMORY.items() <= os.environ.items():
    # As in the processes that build data sets; read when a program starts.
    os.execve(
      sys.executable,
      [sys.executable, "-m", "benchmarks.shape_generator", *sys.argv[1:]],
      os.environ | workers.KEEP_MEMORY,
    )
  cv2.setNumThreads(1)
  published = [
    str(name)
    for name in shapes.DATASET_NAMES.values()
    if name.policy == "published"
  ]
  np.seterr(all="raise")
  for line in table(args.names or published, args.problems):
    print(line, flush=True)


if __name__ == "__main__":
  main()
