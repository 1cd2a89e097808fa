"""Samples of the public generator of questions, as files of the public archive.

    python tools/public_mathematics.py DIR [--count=N] [--seed=S]

It runs in an environment of its own, because the public generator needs old
packages (Python 3.11, numpy 1.23.5, sympy 1.5.1):

    python3.11 -m venv .public
    .public/bin/pip install numpy==1.23.5 sympy==1.5.1 mathematics_dataset
    .public/bin/python tools/public_mathematics.py DIR

It writes DIR/train-easy/arithmetic__add_or_sub.txt and so on, N questions for
every one of five modules and three levels (a tenth of it for derivatives, which
take 15 ms each), a line for a question and one for its answer. They are drawn
with replacement. `tools/mathematics_samples.py` compares them with ours.
"""

import argparse
import pathlib
import random

MODULES = (
  "arithmetic__add_or_sub",
  "algebra__linear_1d",
  "calculus__differentiate",
  "comparison__sort",
  "polynomials__collect",
)
LEVELS = ("easy", "medium", "hard")
# As in the public archive.
_MAX_QUESTION, _MAX_ANSWER = 160, 30
_SLOW = "calculus__differentiate"


def main() -> None:
  """Draws and writes all samples."""
  # Neither is a package of this project.
  import numpy as np
  from mathematics_dataset.modules import modules

  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument("directory", type=pathlib.Path)
  parser.add_argument("--count", type=int, default=10_000)
  parser.add_argument("--seed", type=int, default=0)
  arguments = parser.parse_args()
  random.seed(arguments.seed)
  np.random.seed(arguments.seed)
  for number, level in enumerate(LEVELS):
    makers = modules.train(_third(number))
    folder = arguments.directory / f"train-{level}"
    folder.mkdir(parents=True, exist_ok=True)
    for name in MODULES:
      group, _, kind = name.partition("__")
      count = arguments.count // (10 if name == _SLOW else 1)
      lines = _lines(makers[group][kind], count)
      (folder / f"{name}.txt").write_text("".join(lines))
      print(f"{name}, {level}: {count} questions", flush=True)


def _third(number):
  """Returns how a level cuts a range of entropies."""

  def cut(entropies):
    low, high = entropies
    width = (high - low) / len(LEVELS)
    return low + number * width, low + (number + 1) * width

  return cut


def _lines(make, count):
  """Returns lines of questions and answers that are not too long."""
  lines = []
  while len(lines) < 2 * count:
    problem = make()
    question, answer = str(problem.question), str(problem.answer)
    if len(question) <= _MAX_QUESTION and len(answer) <= _MAX_ANSWER:
      lines += [f"{question}\n", f"{answer}\n"]
  return lines


if __name__ == "__main__":
  main()
