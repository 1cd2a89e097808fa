"""The code of README and of pages runs as it stands and prints what it says.

All blocks of a page are one program. Those that need PyTorch are run by
tests/bridges/test_torch.py.
"""

import contextlib
import io
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = (
  README,
  ROOT / "docs" / "own_network.md",
  ROOT / "docs" / "probing.md",
)
# Other machines, and programs compiled with fewer optimisations, round in
# another way: accuracies of a masked network may move by a few of 256 inputs.
_PERCENTAGE_POINTS = 5
_BLOCK = re.compile(
  r"```python\n(?P<code>.*?)```(?:\s+prints\s+```\n(?P<output>.*?)```)?",
  re.DOTALL,
)


def blocks(page, *, torch=False):
  """Returns [(code, what the page says it prints)], with PyTorch or without."""
  found = _BLOCK.finditer(page.read_text(encoding="utf-8"))
  return [
    (block["code"], block["output"] or "")
    for block in found
    if ("import torch" in block["code"] or ", torch" in block["code"]) == torch
  ]


def split(output):
  """Returns the words of a printed table, and its percentages."""
  words = re.sub(r" +\d+%", " %", output)
  return words, [int(number) for number in re.findall(r"(\d+)%", output)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_prints_what_the_page_says(page):
  names = {"__name__": "__main__"}
  for code, expected in blocks(page):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
      exec(compile(code, str(page), "exec"), names)
    words, numbers = split(printed.getvalue())
    expected_words, expected_numbers = split(expected)
    assert words == expected_words
    assert numbers == pytest.approx(expected_numbers, abs=_PERCENTAGE_POINTS)


def test_the_readme_has_an_example_with_pytorch_and_one_without():
  for torch in (False, True):
    ((_, output),) = blocks(README, torch=torch)
    assert output


def test_no_other_output_is_promised():
  for page in PAGES:
    every = [*blocks(page), *blocks(page, torch=True)]
    printing = [output for _, output in every if output]
    text = page.read_text(encoding="utf-8")
    assert len(re.findall(r"^prints$", text, re.MULTILINE)) == len(printing)
