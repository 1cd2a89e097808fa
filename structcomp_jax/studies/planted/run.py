"""Measures one class of networks after another, and goes on after a stop.

DIR/<class>/scores.csv    one row per statistic, network, regime and pair
DIR/<class>/recovery.csv  masks against planted blocks, where there are any
DIR/<class>/DONE          settings, number of networks, CPU seconds, and the
                          commit, machine and versions that measured it
"""

import dataclasses
import pathlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
import pandas as pd

from structcomp_jax.io import files, tables
from structcomp_jax.structure.separability import SUBROUTINES
from structcomp_jax.studies.planted import problems, recovery
from structcomp_jax.studies.planted.asking import Statistic
from structcomp_jax.studies.planted.classes.every import (
  CLASSES,
  Effort,
  Maker,
  Planted,
)
from structcomp_jax.studies.planted.network import accuracy
from structcomp_jax.studies.planted.statistics import STATISTICS
from structcomp_jax.types import UserError

# Regimes: the networks in question, and the same before training.
OURS, UNTRAINED = "planted", "untrained"
ACCURACY = "accuracy, "
_FEWEST = 2
_MADE_BY = "python -m tools.planted_truth"
_SCORES = tables.Schema(
  {
    "statistic": str,
    "regime": str,
    "pair": str,
    "base_seed": int,
    "score": float,
  },
  made_by=_MADE_BY,
  filled=("score",),
)
_RECOVERY = tables.Schema(
  {
    "method": str,
    "base_seed": int,
    "subroutine": str,
    "limit": float,
    "share": float,
    "auc": float,
    "iou": float,
  },
  made_by=_MADE_BY,
  may_be_empty=True,
)


@dataclasses.dataclass(frozen=True)
class Setup:
  """What is measured.

  Attributes:
    effort: how many networks of a class, and their training.
    num_nonsense: pairs of nonsense properties for each class.
    seed: of everything.
    statistics: what is asked.
    recovers: whether masks are compared with planted blocks as well. What was
      measured is told apart by all other fields.
  """

  effort: Effort = dataclasses.field(default_factory=Effort)
  num_nonsense: int = 2
  seed: int = 0
  statistics: tuple[Statistic, ...] = STATISTICS
  recovers: bool = dataclasses.field(default=True, repr=False)


@dataclasses.dataclass(frozen=True, eq=False)
class Measured:
  """What is known of one class.

  Attributes:
    name: of the class.
    scores: columns statistic, regime, pair, base_seed, score.
    recovery: columns of `recovery.recover`.
    facts: `num_networks`, `seconds` {piece: CPU seconds}, and `origin`, see
      `measure`.
  """

  name: str
  scores: pd.DataFrame
  recovery: pd.DataFrame
  facts: dict[str, Any]


def is_measured(directory: pathlib.Path, name: str, setup: Setup) -> bool:
  """Returns whether a class is done.

  Raises:
    UserError: it is, but with other settings.
  """
  if not files.is_done(directory / name):
    return False
  if files.read_done(directory / name)["setup"] != repr(setup):
    raise UserError(
      f"{directory / name} was measured with other settings; choose another "
      "directory or delete it"
    )
  return True


def measure(
  directory: pathlib.Path,
  name: str,
  setup: Setup,
  origin: Mapping[str, str],
  make: Maker | None = None,
) -> None:
  """Measures one class, unless it is done.

  Args:
    directory: of all classes.
    name: of the class, see `CLASSES`.
    setup: what is measured.
    origin: commit, machine and versions that measure it.
    make: makes the networks; None: as `CLASSES` says.

  Raises:
    UserError: the class is done with other settings, or too few networks are
      what its name says.
  """
  if is_measured(directory, name, setup):
    return
  seed = 1000 * setup.seed + [*CLASSES, name].index(name)
  begin = time.process_time()
  planted = (make or CLASSES[name])(setup.effort, seed)
  if planted.num_networks < _FEWEST:
    raise UserError(
      f"{planted.num_networks} networks are {name}; ask for more networks"
    )
  seconds = {"networks": time.process_time() - begin}
  sets = setup.effort.sets(planted.pair, _fold(seed, 0))
  rows = _accuracies(planted, sets["test"])
  for statistic in setup.statistics:
    begin = time.process_time()
    rows += list(_scores(statistic, planted, sets, setup, seed))
    seconds[", ".join(statistic.names)] = time.process_time() - begin
  begin = time.process_time()
  found = []
  if planted.truth is not None and setup.recovers:
    found = recovery.recover(planted, sets, _fold(seed, 1))
  seconds["recovery"] = time.process_time() - begin
  tables.write(directory / name / "scores.csv", rows, _SCORES)
  tables.write(directory / name / "recovery.csv", found, _RECOVERY)
  facts = {
    "setup": repr(setup),
    "num_networks": planted.num_networks,
    "seconds": {piece: round(cpu, 1) for piece, cpu in seconds.items()},
    "origin": dict(origin),
  }
  files.mark_done(directory / name, facts)


def load(directory: pathlib.Path, name: str) -> Measured:
  """Reads what was measured of a class.

  Raises:
    UserError: a file is missing or torn.
  """
  return Measured(
    name=name,
    scores=tables.read(directory / name / "scores.csv", _SCORES),
    recovery=tables.read(directory / name / "recovery.csv", _RECOVERY),
    facts=files.read_done(directory / name),
  )


def _scores(
  statistic: Statistic, planted: Planted, sets: Any, setup: Setup, seed: int
) -> Iterator[dict[str, Any]]:
  """Yields rows about networks, and about their controls at equal effort."""
  before = planted.untrained(_fold(seed, 2))
  pairs = problems.nonsense(planted.pair, setup.num_nonsense, _fold(seed, 3))
  searches = [
    (OURS, SUBROUTINES, planted.params, sets),
    (UNTRAINED, SUBROUTINES, before, sets),
  ] + [
    (OURS, f"nonsense_{number}", planted.params,
     setup.effort.sets(pair, _fold(seed, 4 + number)))
    for number, pair in enumerate(pairs)
  ]  # fmt: skip
  for regime, name, params, of_pair in searches:
    found = statistic.scores(planted.network, params, of_pair, seed)
    for number, values in found.items():
      yield from _rows(number, regime, name, values)


def _accuracies(planted, tests):
  """Returns rows about what the networks can do without any mask."""
  rows = []
  for task, batch in tests.items():
    values = np.asarray(accuracy(planted.network, planted.params, batch))
    rows += list(_rows(f"{ACCURACY}{task}", OURS, SUBROUTINES, values))
  return rows


def _rows(statistic, regime, pair, values):
  for base_seed, value in enumerate(values):
    yield {
      "statistic": statistic,
      "regime": regime,
      "pair": pair,
      "base_seed": base_seed,
      "score": float(value),
    }


def _fold(seed: int, number: int) -> int:
  """Returns a seed of its own for each purpose."""
  key = jax.random.fold_in(jax.random.key(seed), number)
  return int(jax.random.bits(key, dtype="uint16"))
