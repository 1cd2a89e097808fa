"""Measures how often the tests of the reports are wrong, where nothing differs.

    python -m tools.null_simulations [--part=tests|verdicts]

Numbers of masks are drawn whose true mean, or difference, is zero, and the
functions of `structcomp_jax.report` are asked. How often each finds p < 0.05 is
printed, and written into docs/results/inference.md between its two comments.
That is 5 % of the time for a test that is what it says, and as often its 95 %
interval misses the truth. How often each verdict of one-sided masks is given
(`tools.verdict_rates`) stands between two more comments.
"""

import argparse
import dataclasses
import functools
import pathlib
import sys
from collections.abc import Callable, Sequence

import numpy as np
import tqdm

from benchmarks import measure
from structcomp_jax.io import files
from structcomp_jax.report import inference, markup
from structcomp_jax.report.estimate import LEVEL
from structcomp_jax.report.text import markdown_table, replace_between_markers
from structcomp_jax.types import UserError
from tools import verdict_rates
from tools.null_designs import Design, designs
from tools.readme import ROOT, read

PAGE = "docs/results/inference.md"
# Data sets that are held in memory together.
_TOGETHER = 2_000


@dataclasses.dataclass(frozen=True)
class Rates:
  """How often tests find p < 0.05 in one design.

  Attributes:
    method: of the reports' test, see `report.estimate.Method`.
    ours: of the reports' test.
    signs: of the sign flips; None without pairs.
    published_t: of the published errors with a t distribution.
    published_z: of the published test.
  """

  method: str
  ours: float
  signs: float | None
  published_t: float
  published_z: float


def rates(design: Design, simulations: int, calls: int, seed: int) -> Rates:
  """Simulates one design.

  Args:
    design: what is drawn.
    simulations: data sets for the reports' test.
    calls: data sets for tests that take one data set a call, and sign flips.
    seed: of the draws.
  """
  draws = np.random.default_rng(seed)
  ours, signs = [], []
  for start in range(0, simulations, _TOGETHER):
    count = min(_TOGETHER, simulations - start)
    tested, numbers = design.test(design.draw(count, draws))
    ours.append(tested.p < LEVEL)
    if start < calls and numbers.size:
      signs.append(inference.sign_flip(numbers) < LEVEL)
  values = design.draw(calls, draws)
  published = [design.published(one) for one in zip(*values, strict=True)]
  return Rates(
    method=design.estimate([one[0] for one in values]).method,
    ours=float(np.mean(np.concatenate(ours))),
    signs=float(np.mean(np.concatenate(signs))) if signs else None,
    published_t=float(np.mean([one.p_t < LEVEL for one in published])),
    published_z=float(np.mean([one.p_normal < LEVEL for one in published])),
  )


def table(found: Sequence[tuple[Design, Rates]]) -> str:
  """Returns the rates in percent, as Markdown."""
  head = ("networks", "test", "t", "sign flips", "published, t", "published, z")
  lines = [
    (
      design.words,
      one.method,
      *(
        markup.DASH if rate is None else f"{100 * rate:.1f}"
        for rate in (one.ours, one.signs, one.published_t, one.published_z)
      ),
    )
    for design, one in found
  ]
  return markdown_table([head, *lines])


def origin(simulations: int, calls: int, seed: int) -> str:
  """Returns where the numbers come from."""
  facts = measure.facts("scipy", "pandas")
  changed = " with changes" if facts["changed"] else ""
  return (
    f"`python -m tools.null_simulations --simulations={simulations}"
    f" --calls={calls} --seed={seed}`, commit {facts['commit']}{changed},"
    f" Python {facts['python']}, NumPy {facts['numpy']}, SciPy"
    f" {facts['scipy']}. `t`: {simulations:,} data sets a row, so that 5 % is"
    f" known to {100 * _error(simulations):.2f} points (one standard error);"
    f" the other columns: {calls:,}, {100 * _error(calls):.2f} points."
  )


def _error(count: int) -> float:
  """Returns the standard error of a rate of 5 %."""
  return float(np.sqrt(LEVEL * (1 - LEVEL) / count))


def update(
  root: pathlib.Path, content: Callable[[], str], place: str = "simulations"
) -> None:
  """Writes results between two comments of the page.

  Args:
    root: the repository.
    content: makes them, which takes time; only called where there is a place.
    place: what the comments say.

  Raises:
    UserError: the page has no place for them.
  """
  page = root / PAGE
  replace_between_markers(read(page), place, "")
  text = replace_between_markers(read(page), place, content())
  files.write_atomic(page, text)


def simulate(simulations: int, calls: int, seed: int) -> str:
  """Simulates all designs, prints and returns the results."""
  found = [
    (design, rates(design, simulations, calls, seed))
    for design in tqdm.tqdm(designs())
  ]
  text = f"{table(found)}\n\n{origin(simulations, calls, seed)}"
  print(text)
  return text


def simulate_verdicts(count: int, seed: int) -> str:
  """Simulates all truths, prints and returns how often each label is given."""
  found = [
    (truth, verdict_rates.rates(truth, count, seed))
    for truth in tqdm.tqdm(verdict_rates.truths())
  ]
  text = (
    f"{verdict_rates.table(found)}\n\n`python -m tools.null_simulations"
    f" --part=verdicts --verdicts={count} --seed={seed}`: {count:,} data sets a"
    f" row, so that 5 % is known to {100 * _error(count):.2f} points (one"
    " standard error)."
  )
  print(text)
  return text


def main() -> None:
  """Writes the page; exit status 1 where that cannot be done."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--simulations", type=int, default=100_000)
  parser.add_argument("--calls", type=int, default=10_000)
  parser.add_argument("--verdicts", type=int, default=1_000)
  parser.add_argument("--part", choices=("tests", "verdicts"))
  parser.add_argument("--seed", type=int, default=0)
  parser.add_argument("--root", type=pathlib.Path, default=ROOT)
  given = parser.parse_args()
  try:
    for part, place, content in (
      (
        "tests",
        "simulations",
        functools.partial(simulate, given.simulations, given.calls, given.seed),
      ),
      (
        "verdicts",
        "verdicts",
        functools.partial(simulate_verdicts, given.verdicts, given.seed),
      ),
    ):
      if given.part in (None, part):
        update(given.root, content, place)
  except UserError as error:
    sys.exit(f"error: {error}")


if __name__ == "__main__":
  main()
