"""Measures how often statistics of structure are wrong, where it is known.

    python -m tools.planted_truth --workdir=DIR

Networks of known structure are made, class by class, and every statistic is
asked; `structcomp_jax/studies/planted` says which. What is measured of a class
is kept in DIR, and the same command goes on with the next one. In the end the
tables are written into docs/results/planted.md between its two comments.
`tools.cut_error_rates` asks the verdict about other networks.
--only=PREFIX measures the classes alone whose names start so ("cnn/", say).
The page names the classes that are not in its tables. With --outside=NPZ copies
of a network from a file are measured instead, and have tables of their own.
"""

import argparse
import dataclasses
import functools
import pathlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

import pandas as pd
import tqdm

from benchmarks import measure
from structcomp_jax.io import files
from structcomp_jax.report import markup
from structcomp_jax.report.text import markdown_table, replace_between_markers
from structcomp_jax.structure import error_rates
from structcomp_jax.structure.separability import WORTH_A_CLAIM
from structcomp_jax.studies.planted import (
  analysis,
  outside,
  problems,
  recovery,
  roc,
)
from structcomp_jax.studies.planted import run as planted
from structcomp_jax.studies.planted.classes.every import CLASSES, OF_KIND
from structcomp_jax.studies.planted.classes.kinds import Kind
from structcomp_jax.studies.planted.classes.planted import Effort
from structcomp_jax.studies.planted.one_sided import RANDOM_MASKS
from structcomp_jax.studies.planted.recovery import LIMITS
from structcomp_jax.studies.planted.run import Measured, Setup
from structcomp_jax.studies.planted.statistics import JUDGED, STATISTICS
from structcomp_jax.types import UserError
from tools.readme import ROOT, read

PAGE = "docs/results/planted.md"
NAMES = tuple(name for one in STATISTICS for name in one.names)
_MEASURES = ("score", "excess")


def content(found: Mapping[Kind, Sequence[Measured]], setup: Setup) -> str:
  """Returns all tables, as Markdown, one architecture after the other."""
  parts = []
  for kind, classes in found.items():
    parts += [f"## {kind.title}", *_of_kind(classes)]
    parts.append(origin(setup, classes))
  there = {
    f"{kind.prefix}{one.name}" for kind, some in found.items() for one in some
  }
  missing = [name for name in CLASSES if name not in there]
  if missing:
    parts.append(f"Not in the tables: {', '.join(missing)}.")
  return "\n\n".join(parts)


def _of_kind(found: Sequence[Measured]) -> Iterator[str]:
  """Yields the tables of an architecture."""
  for head, table in {
    "What the networks do": accuracy_table,
    "Scores": score_table,
    "Modular networks against each other class": auc_table,
    "Single networks": threshold_table,
    "Masks against blocks": recovery_table,
    "CPU seconds": cost_table,
  }.items():
    yield f"### {head}\n\n{table(found)}"


def accuracy_table(found: Sequence[Measured]) -> str:
  """Returns the mean accuracy of the networks on every task."""
  lines = [("class", "networks", *problems.TASKS)]
  for one in found:
    accuracies = [
      analysis.networks(one.scores, f"{planted.ACCURACY}{task}")["score"]
      for task in problems.TASKS
    ]
    cells = [markup.number(values.mean()) for values in accuracies]
    lines.append((one.name, str(one.facts["num_networks"]), *cells))
  return markdown_table(lines)


def score_table(found: Sequence[Measured], names: Sequence[str] = NAMES) -> str:
  """Returns mean and deviation of every score, then the means of controls."""
  lines = [("class", *names)]
  lines += [
    (one.name, *(_score_cell(one, name) for name in names)) for one in found
  ]
  return markdown_table(lines)


def _score_cell(one: Measured, name: str) -> str:
  table = analysis.networks(one.scores, name)
  drawn = analysis.networks(one.scores, f"{name}{RANDOM_MASKS}")["score"]
  controls = [table["untrained"], table["nonsense"]]
  if len(drawn):
    controls.append(drawn)
  means = ", ".join(markup.number(values.mean()) for values in controls)
  spread = markup.spread(table["score"].mean(), table["score"].std())
  return f"{spread} ({means})"


def auc_table(found: Sequence[Measured], names: Sequence[str] = NAMES) -> str:
  """Returns the AUC of modular networks against every other class."""
  others = [one for one in found if one.name not in analysis.MODULAR]
  lines = [("statistic", "", *(one.name for one in others))]
  for name in names:
    for column in _MEASURES:
      values = _values(found, name, column)
      modular = _together(values, analysis.MODULAR)
      cells = []
      for one in others:
        area, low, high = roc.auc_with_interval(
          modular.to_numpy(), values[one.name].to_numpy()
        )
        cells.append(
          f"{markup.number(area)} [{markup.number(low)}, {markup.number(high)}]"
        )
      lines.append((name, column, *cells))
  return markdown_table(lines)


def threshold_table(found: Sequence[Measured]) -> str:
  """Returns the percentage of single networks that count as modular."""
  lines = [("statistic", "", "limit", *(one.name for one in found))]
  for name in NAMES:
    for column in _MEASURES:
      values = _values(found, name, column)
      # Half of the networks choose the limit that judges the other half.
      limit = roc.threshold(
        _together(values, analysis.MODULAR, slice(0, None, 2)).to_numpy(),
        _together(values, analysis.NOT_MODULAR, slice(0, None, 2)).to_numpy(),
      )
      shares = [(one.iloc[1::2] > limit).mean() for one in values.values()]
      lines.append((name, column, markup.number(limit), *map(_percent, shares)))
  values = _values(found, JUDGED.names[0], "excess")
  shares = [(one > WORTH_A_CLAIM).mean() for one in values.values()]
  limit = f"{markup.number(WORTH_A_CLAIM)}, that of the verdict"
  lines.append((JUDGED.names[0], "excess", limit, *map(_percent, shares)))
  return markdown_table(lines)


def recovery_table(found: Sequence[Measured]) -> str:
  """Returns how well masks find the blocks of modular networks."""
  lines = [("class", "mask", *(f"change > {one:g}" for one in LIMITS))]
  for one in (one for one in found if len(one.recovery)):
    shares = one.recovery.groupby("limit")["share"].mean()
    cells = (f"{_percent(shares[limit])} % of weights" for limit in LIMITS)
    lines.append((one.name, "", *cells))
    for method, rows in one.recovery.groupby("method", sort=False):
      of_network = rows.groupby(["limit", "base_seed"])[["auc", "iou"]].mean()
      mean = of_network.groupby("limit").mean()
      cells = (
        " / ".join(markup.number(value) for value in mean.loc[limit])
        for limit in LIMITS
      )
      lines.append((one.name, str(method), *cells))
  return markdown_table(lines)


def cost_table(found: Sequence[Measured]) -> str:
  """Returns what each piece took, with its compilation."""
  pieces = list(found[0].facts["seconds"])
  lines = [("class", *pieces)]
  lines += [
    (one.name, *(f"{one.facts['seconds'][piece]:.0f}" for piece in pieces))
    for one in found
  ]
  return markdown_table(lines)


def origin(
  setup: Setup, found: Sequence[Measured], tool: str = "planted_truth"
) -> str:
  """Returns where the numbers come from."""
  counts = [one.facts["num_networks"] for one in found]
  return (
    f"`python -m tools.{tool} --networks={setup.effort.num_networks}"
    f" --nonsense={setup.num_nonsense} --seed={setup.seed}`:"
    f" {min(counts)} to {max(counts)} networks a class, {setup.num_nonsense}"
    f" pairs of nonsense properties. Measured by {measured_by(found)}."
  )


def measured_by(found: Sequence[Measured]) -> str:
  """Returns what measured which classes, as each of them says."""
  classes: dict[str, list[str]] = {}
  for one in found:
    facts = one.facts["origin"]
    changed = " with changes" if facts["changed"] else ""
    text = (
      f"commit {facts['commit']}{changed}, {facts['machine']}, Python"
      f" {facts['python']}, JAX {facts['jax']}, SciPy {facts['scipy']}"
    )
    classes.setdefault(text, []).append(one.name)
  if len(classes) == 1:
    return next(iter(classes))
  return "; ".join(
    f"{text} ({', '.join(names)})" for text, names in classes.items()
  )


def of_others(
  root: pathlib.Path,
  workdir: pathlib.Path,
  paths: Sequence[pathlib.Path],
  setup: Setup,
) -> str:
  """Measures networks of others, see `outside`, and writes their tables.

  Args:
    root: the repository.
    workdir: where classes are kept.
    paths: NAME.npz; copies of the network are the class outside/NAME.
    setup: what is measured.

  Raises:
    UserError: the page has no place for the tables, a file is not to be read,
      or a class cannot be measured.
  """
  page = root / PAGE
  replace_between_markers(read(page), "outside", "")
  for path in paths:
    planted.measure(
      workdir,
      f"outside/{path.stem}",
      setup,
      measure.facts("scipy", "pandas"),
      functools.partial(outside.copies, path),
    )
  found = [planted.load(workdir, f"outside/{path.stem}") for path in paths]
  tables = [
    accuracy_table(found),
    known_cut_table(paths, setup),
    score_table(found),
    recovery_table(found),
  ]
  text = "\n\n".join([*tables, origin(setup, found)])
  files.write_atomic(page, replace_between_markers(read(page), "outside", text))
  return text


def known_cut_table(paths: Sequence[pathlib.Path], setup: Setup) -> str:
  """Returns what networks do that are cut between the parts known of them."""
  first, _ = problems.SUBROUTINES
  halves = (f"{first} alone", f"without {first}")
  lines = [
    (
      "known cut",
      *(f"{task}, {half}" for task in problems.SUBROUTINES for half in halves),
    )
  ]
  for path in paths:
    copies = outside.copies(path, setup.effort, setup.seed)
    tests = setup.effort.sets(copies.pair, setup.seed)["test"]
    means = recovery.known_cut(copies, tests).mean(axis=0)
    lines.append((f"outside/{path.stem}", *map(markup.number, means.ravel())))
  return markdown_table(lines)


def update(
  root: pathlib.Path,
  workdir: pathlib.Path,
  setup: Setup,
  only: str = "",
  *,
  place: str = "planted",
  tables: Callable[[Mapping[Kind, Sequence[Measured]], Setup], str] = content,
) -> str:
  """Measures what is missing, and writes what is complete.

  Args:
    root: the repository.
    workdir: where classes are kept.
    setup: what is measured.
    only: how the names of the classes start that are measured now.
    place: the comments of the page between which the tables stand.
    tables: makes them, as Markdown.

  Returns:
    The tables, which the page has, too: of the architectures of which classes
    with parts and without are measured.

  Raises:
    UserError: the page has no place for the tables, or a class cannot be
      measured.
  """
  page = root / PAGE
  replace_between_markers(read(page), place, "")
  measure_missing(workdir, setup, only)
  found = load_all(workdir, setup)
  text = tables(found, setup)
  if found:
    files.write_atomic(page, replace_between_markers(read(page), place, text))
  return text


def measure_missing(workdir: pathlib.Path, setup: Setup, only: str) -> None:
  """Measures the classes whose names start so and that are not done."""
  todo = [
    name
    for name in CLASSES
    if name.startswith(only) and not planted.is_measured(workdir, name, setup)
  ]
  with tqdm.tqdm(todo) as bar:
    for name in bar:
      bar.set_description(name)
      planted.measure(workdir, name, setup, measure.facts("scipy", "pandas"))


def load_all(workdir: pathlib.Path, setup: Setup) -> dict[Kind, list[Measured]]:
  """Returns the architectures of which classes with parts and without are done.

  The names of classes have no prefix.
  """
  done = {name for name in CLASSES if planted.is_measured(workdir, name, setup)}
  return {
    kind: classes
    for kind, names in OF_KIND.items()
    if _says_something(
      classes := [_load(workdir, name, kind) for name in names if name in done]
    )
  }


def _says_something(found: Sequence[Measured]) -> bool:
  """Returns whether there are networks with parts and without."""
  truths = {analysis.truth(one.name) for one in found}
  return {error_rates.PARTS, error_rates.NO_PARTS} <= truths


def _load(workdir: pathlib.Path, name: str, kind: Kind) -> Measured:
  """Returns what is known of a class, without the prefix of its name."""
  found = planted.load(workdir, name)
  return dataclasses.replace(found, name=name.removeprefix(kind.prefix))


def _values(
  found: Sequence[Measured], name: str, column: str
) -> dict[str, pd.Series]:
  """Returns {class: a number of each network}."""
  return {
    one.name: analysis.networks(one.scores, name)[column] for one in found
  }


def _together(
  values: Mapping[str, pd.Series],
  names: Sequence[str],
  which: slice = slice(None),
) -> pd.Series:
  """Returns the numbers of those classes that there are, or of a part."""
  return pd.concat(
    [values[name].iloc[which] for name in names if name in values]
  )


def _percent(share: float) -> str:
  return f"{100 * share:.0f}"


def main() -> None:
  """Writes the page; exit status 1 where that cannot be done."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--workdir", type=pathlib.Path, required=True)
  parser.add_argument("--networks", type=int, default=60)
  parser.add_argument("--nonsense", type=int, default=2)
  parser.add_argument("--seed", type=int, default=0)
  parser.add_argument("--only", default="", metavar="PREFIX")
  parser.add_argument("--outside", type=pathlib.Path, nargs="+", metavar="NPZ")
  parser.add_argument("--root", type=pathlib.Path, default=ROOT)
  given = parser.parse_args()
  setup = Setup(Effort(given.networks), given.nonsense, given.seed)
  try:
    if given.outside:
      print(of_others(given.root, given.workdir, given.outside, setup))
    else:
      print(update(given.root, given.workdir, setup, given.only))
  except UserError as error:
    sys.exit(f"error: {error}")


if __name__ == "__main__":
  main()
