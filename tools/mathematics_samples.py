"""Checks generated questions of mathematics; compares them with public ones.

    python -m tools.mathematics_samples [--count=N] [--public=DIR]

Draws N questions of every module (default: 100,000; a third of each level), and
evaluates every question to check its answer (`checking` in
`structcomp_jax.tasks.mathematics`). A wrong answer is printed, and the exit
status is 1.

With --public, a folder of samples of the public generator
(`tools/public_mathematics.py`) or the public archive itself, their answers are
checked in the same way, and the two distributions are compared, module by
module and level by level. A distance is half of the sum of absolute differences
of frequencies, the total variation: 0 for equal distributions, 1 for ones that
share nothing. Beside it stands that of two halves of the public sample, which
is what chance alone makes, for samples of half the size.
"""

import argparse
import collections
import pathlib
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

from structcomp_jax.report.text import text_table
from structcomp_jax.tasks.mathematics import archive, checking
from structcomp_jax.tasks.mathematics.draws import Draws
from structcomp_jax.tasks.mathematics.levels import LEVELS, MODULES

Question = tuple[str, str]
# At most so many public questions of a module and level are read.
_MOST = 100_000
_SHOWN = 3


def main() -> int:
  """Prints what was found; returns the exit status."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument("--count", type=int, default=100_000)
  parser.add_argument("--public", type=pathlib.Path)
  arguments = parser.parse_args()
  num_wrong = 0
  rows = []
  for module in MODULES:
    for level in LEVELS:
      count = -(-arguments.count // len(LEVELS))
      ours = drawn(module, level, count)
      num_wrong += _report_wrong("generated", module, level, ours)
      if arguments.public is None:
        continue
      theirs = public(arguments.public, module, level)
      num_wrong += _report_wrong("public", module, level, theirs)
      rows += compared(module, level, ours, theirs)
  if rows:
    head = ("module", "level", "of what", "distance", "two halves")
    print(text_table([head, *rows]))
  return 1 if num_wrong else 0


def drawn(module: str, level: str, count: int) -> list[Question]:
  """Returns questions of the own generator, other than those of data sets."""
  draws = Draws(module, level, "samples")
  return [MODULES[module].question(draws, level) for _ in range(count)]


def public(root: pathlib.Path, module: str, level: str) -> list[Question]:
  """Returns public questions of one level."""
  return archive.read_part(root, module, level)[:_MOST]


def wrong(module: str, questions: Iterable[Question]) -> list[Question]:
  """Returns the questions whose answer is wrong, or that cannot be read."""
  found = []
  for question, answer in questions:
    try:
      is_right = checking.is_right(module, question, answer)
    except ValueError:
      is_right = False
    if not is_right:
      found.append((question, answer))
  return found


def _report_wrong(
  source: str, module: str, level: str, questions: Sequence[Question]
) -> int:
  found = wrong(module, questions)
  print(
    f"{source} {module} {level}: {len(questions)} questions,"
    f" {len({question for question, _ in questions})} distinct,"
    f" {len(found)} wrong answers",
    flush=True,
  )
  for question, answer in found[:_SHOWN]:
    print(f"  {question!r}: {answer!r}")
  return len(found)


def compared(
  module: str,
  level: str,
  ours: Sequence[Question],
  theirs: Sequence[Question],
) -> list[tuple[str, ...]]:
  """Returns a row for every property that is compared."""
  halves = theirs[::2], theirs[1::2]
  return [
    (
      module,
      level,
      name,
      f"{distance(counts(ours), counts(theirs)):.3f}",
      f"{distance(*map(counts, halves)):.3f}",
    )
    for name, counts in PROPERTIES.items()
  ]


def distance(
  first: Mapping[object, int], second: Mapping[object, int]
) -> float:
  """Returns the total variation between two lists of frequencies.

  >>> distance({"a": 1, "b": 1}, {"a": 4})
  0.5
  """
  totals = sum(first.values()), sum(second.values())
  names = {*first, *second}
  return (
    sum(
      abs(first.get(name, 0) / totals[0] - second.get(name, 0) / totals[1])
      for name in names
    )
    / 2
  )


def _each(
  of: Callable[[str, str], Iterable[object]],
) -> Callable[[Sequence[Question]], collections.Counter[object]]:
  """Returns a function that counts what questions have, all together."""
  return lambda questions: collections.Counter(
    one for question in questions for one in of(*question)
  )


def _wording(question: str) -> str:
  """Returns a question without what is computed.

  >>> _wording("What is -1.5 less than 3?"), _wording("Put 1/2, 3 in order.")
  ('What is # less than #?', 'Put # in order.')
  """
  # Terms of polynomials first, because they hold numbers.
  power = r"[a-z](?:\*\*\d+)?"
  term = rf"(?<![\w*])-?(?:\d+\*)?{power}(?:\*{power})*(?![\w*])"
  number = r"(?<![\w.])-?\d[\d./]*(?<![.])"
  masked = re.sub(number, "#", re.sub(term, "#", question))
  masked = re.sub(r"#(?: [-+=] #)+", "#", masked)
  return re.sub(r"#(?:, #)+", "#", masked)


# {what is compared: questions -> how often every value occurs}
PROPERTIES = {
  "length of questions": _each(lambda question, answer: [len(question)]),
  "length of answers": _each(lambda question, answer: [len(answer)]),
  "characters of questions": _each(lambda question, answer: question),
  "characters of answers": _each(lambda question, answer: answer),
  "numbers of operators": _each(
    lambda question, answer: [
      tuple(question.count(one) for one in (" + ", " - ", "**", "/", "="))
    ]
  ),
  "digits of numbers": _each(
    lambda question, answer: [len(one) for one in re.findall(r"\d+", question)]
  ),
  "wording": _each(lambda question, answer: [_wording(question)]),
}


if __name__ == "__main__":
  sys.exit(main())
