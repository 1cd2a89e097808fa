"""Turns and ratios of the benchmarks."""

import pytest

from benchmarks import measure


def test_turns_go_forth_and_back():
  calls = []

  def stopwatch(name):
    return lambda: calls.append(name) or len(calls)

  seconds = measure.take_turns({n: stopwatch(n) for n in "abc"}, repeats=2)
  assert "".join(calls) == "abccba"
  assert seconds == {"a": [1, 6], "b": [2, 5], "c": [3, 4]}


def test_a_slow_turn_does_not_change_a_ratio():
  # The machine is ten times slower in the second turn, for both.
  first, second = [2.0, 20.0, 2.2], [1.0, 10.0, 1.1]
  assert measure.median_ratio(first, second) == pytest.approx(2)


def test_the_command_names_the_module_and_not_the_output(monkeypatch):
  script = measure.ROOT / "benchmarks" / "pytorch" / "baseline.py"
  monkeypatch.setattr(
    "sys.argv", [str(script), "--repeats=3", "--json=numbers.json"]
  )
  assert (
    measure.command() == "python -m benchmarks.pytorch.baseline --repeats=3"
  )


@pytest.mark.parametrize(
  ("number", "power"), [(0.3, 1), (1, 1), (7.9, 4), (64, 64), (65, 64)]
)
def test_power_of_two_below(number, power):
  assert measure.power_of_two_below(number) == power
