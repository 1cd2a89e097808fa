"""The example in the README runs as it stands, and prints what it says."""

import contextlib
import io
import pathlib
import re

import pytest

README = pathlib.Path(__file__).parents[1] / "README.md"
# Other machines, and programs compiled with fewer optimisations, round in
# another way: accuracies of a masked network may move by a few of 256 inputs.
_PERCENTAGE_POINTS = 5


def example_and_output():
  """Returns the code of the README and the output that follows it."""
  text = README.read_text(encoding="utf-8")
  found = re.search(
    r"```python\n(?P<code>.*?)```\s+prints\s+```\n(?P<output>.*?)```",
    text,
    flags=re.DOTALL,
  )
  assert found, "the README has no Python code followed by what it prints"
  return found["code"], found["output"]


def split(output):
  """Returns the words of a printed table, and its percentages."""
  words = re.sub(r" +\d+%", " %", output)
  return words, [int(number) for number in re.findall(r"(\d+)%", output)]


def test_the_example_prints_what_the_readme_says():
  code, expected = example_and_output()
  printed = io.StringIO()
  with contextlib.redirect_stdout(printed):
    exec(compile(code, str(README), "exec"), {"__name__": "__main__"})
  words, numbers = split(printed.getvalue())
  expected_words, expected_numbers = split(expected)
  assert words == expected_words
  assert numbers == pytest.approx(expected_numbers, abs=_PERCENTAGE_POINTS)


def test_there_is_no_python_example_that_is_not_run():
  # The second one is run by tests/bridges/test_torch.py.
  assert README.read_text(encoding="utf-8").count("```python") == 2
