"""Measures further statistics of removed weights on planted networks.

    python -m tools.planted_removal --workdir=DIR

They are those of `structcomp_jax/studies/planted/removal.py`, asked about the
networks of `tools.planted_truth` of the same seed. The tables are written into
docs/results/planted.md between its two comments. What is measured of a class is
kept in DIR, and the same command goes on with the next one. --only=PREFIX
measures the classes alone whose names start so.
"""

import argparse
import pathlib
import sys
from collections.abc import Mapping, Sequence

from structcomp_jax.studies.planted.classes.kinds import Kind
from structcomp_jax.studies.planted.classes.planted import Effort
from structcomp_jax.studies.planted.removal import REMOVAL
from structcomp_jax.studies.planted.run import Measured, Setup
from structcomp_jax.types import UserError
from tools import planted_truth
from tools.readme import ROOT

_NAMES = tuple(name for one in REMOVAL for name in one.names)


def content(found: Mapping[Kind, Sequence[Measured]], setup: Setup) -> str:
  """Returns all tables, as Markdown, one architecture after the other."""
  parts = []
  for kind, classes in found.items():
    parts += [
      f"### {kind.title}",
      planted_truth.score_table(classes, _NAMES),
      planted_truth.auc_table(classes, _NAMES),
      planted_truth.origin(setup, classes, "planted_removal"),
    ]
  return "\n\n".join(parts)


def update(
  root: pathlib.Path, workdir: pathlib.Path, setup: Setup, only: str = ""
) -> str:
  """Does what `planted_truth.update` does, with these tables."""
  return planted_truth.update(
    root, workdir, setup, only, place="removal", tables=content
  )


def main() -> None:
  """Writes the tables; exit status 1 where that cannot be done."""
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument("--workdir", type=pathlib.Path, required=True)
  parser.add_argument("--networks", type=int, default=60)
  parser.add_argument("--nonsense", type=int, default=2)
  parser.add_argument("--seed", type=int, default=2)
  parser.add_argument("--only", default="", metavar="PREFIX")
  parser.add_argument("--root", type=pathlib.Path, default=ROOT)
  given = parser.parse_args()
  effort = Effort(given.networks)
  setup = Setup(effort, given.nonsense, given.seed, REMOVAL, recovers=False)
  try:
    print(update(given.root, given.workdir, setup, given.only))
  except UserError as error:
    sys.exit(f"error: {error}")


if __name__ == "__main__":
  main()
