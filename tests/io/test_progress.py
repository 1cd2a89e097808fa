import io
import re

import numpy as np
import pytest

from structcomp_jax.io.progress import Progress


class Terminal(io.StringIO):
  def isatty(self):
    return True


class Clock:
  def __init__(self):
    self.seconds = 100.0

  def __call__(self):
    return self.seconds


def run(total, steps, seconds_each, **options):
  stream, clock = io.StringIO(), Clock()
  with Progress(total, "search", stream, clock=clock, **options) as progress:
    for _ in range(steps):
      clock.seconds += seconds_each
      progress.update(loss=np.float32(0.25))
  return stream.getvalue().splitlines()


def test_log_lines_are_few_and_complete():
  lines = run(100, 50, seconds_each=1.0, every=10.0)
  assert len(lines) == 5
  assert lines[0].startswith("search:  10% 10/100 [00:10<01:30,")
  assert "loss=0.25" in lines[0]
  assert not any("\r" in line for line in lines)


def test_last_state_is_always_shown_once():
  assert run(3, 3, seconds_each=0.1)[-1].startswith("search: 100% 3/3")
  assert len(run(20, 20, seconds_each=1.0, every=10.0)) == 2


def test_resumed_steps_do_not_count_for_the_rate():
  (line,) = run(100, 10, seconds_each=1.0, start=50, every=10.0)
  assert line.startswith("search:  60% 60/100 [00:10<00:40,")
  assert re.search(r"1\.00it/s", line)


@pytest.mark.parametrize("n", [1, 5])
def test_terminal_gets_a_bar(n):
  stream = Terminal()
  with Progress(10, "train", stream, start=5) as progress:
    progress.update(n, accuracy=0.5)
  last = stream.getvalue().split("\r")[-1]
  assert "train" in last
  assert f"{5 + n}/10" in last
  assert "accuracy=0.5" in last
