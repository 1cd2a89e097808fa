"""Puts work directories together: what belongs on one page, and where."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pandas as pd

from structcomp_jax.report import workdir
from structcomp_jax.studies.break_it_down.findings import (
  places,
  task_difference,
)
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  UNTRAINED_REGIME,
)
from structcomp_jax.types import UserError


@dataclasses.dataclass(frozen=True)
class Evidence:
  """All tables about one architecture on one experiment.

  Attributes:
    experiment: e.g. `sv_singular`.
    model: e.g. `bert_small`.
    title: how the page calls it.
    differences: table of `task_differences`, one or several regimes.
    controls: the same for size-matched random masks, or None.
    densities: rows of densities.csv, or None.
    training: metrics of base networks.
    searches: metrics of mask searches.
    overlaps: what masks share, leaf by leaf; see `places.compare`.
    anatomy: what belongs to which mask; see `places.compare`.
    cuts: rows of cuts.csv, or None.
    workdirs: where it comes from.
  """

  experiment: str
  model: str
  title: str
  differences: pd.DataFrame
  controls: pd.DataFrame | None
  densities: pd.DataFrame | None
  training: pd.DataFrame
  searches: pd.DataFrame
  overlaps: pd.DataFrame
  anatomy: pd.DataFrame
  cuts: pd.DataFrame | None
  workdirs: tuple[workdir.Workdir, ...]

  def trained_regimes(self) -> list[str]:
    """Returns the regimes with trained base networks."""
    regimes = dict.fromkeys(self.differences["regime"])
    return [regime for regime in regimes if regime != UNTRAINED_REGIME]

  def workdir_of(self, regime: str) -> workdir.Workdir:
    """Returns the work directory that the networks of a regime come from."""
    return next(
      one for one in self.workdirs if (one.results["regime"] == regime).any()
    )


def collect(
  workdirs: Sequence[workdir.Workdir], *, base_threshold: float
) -> list[Evidence]:
  """Returns what work directories hold, in the order given.

  Work directories of one experiment and model are shown side by side unless
  they hold the same trained regime; then each gets a section of its own. The
  random-init control is the first one's.

  Raises:
    UserError: no directory is given, or one holds several experiments.
  """
  if not workdirs:
    raise UserError("there is nothing to report; name a work directory")
  found: list[Evidence] = []
  for one in workdirs:
    new = _of_workdir(one, base_threshold)
    index = next((i for i, old in enumerate(found) if _fits(old, new)), None)
    if index is None:
      found.append(new)
    else:
      found[index] = _merged(found[index], new)
  titles = [evidence.title for evidence in found]
  return [
    dataclasses.replace(
      evidence, title=f"{evidence.title} ({evidence.workdirs[0].path.name})"
    )
    if titles.count(evidence.title) > 1
    else evidence
    for evidence in found
  ]


def _of_workdir(one: workdir.Workdir, base_threshold: float) -> Evidence:
  differences = task_difference.task_differences(
    one.results, base_threshold=base_threshold
  )
  names = differences[["experiment", "model"]].drop_duplicates()
  if len(names) > 1:
    raise UserError(
      f"{one.path} holds more than one experiment or model; give each a work"
      " directory of its own"
    )
  controls = one.tables.get("controls")
  if controls is not None:
    controls = task_difference.task_differences(
      controls, base_threshold=base_threshold
    )
  overlaps, anatomy = places.compare(one, differences)
  experiment, model = (str(name) for name in names.iloc[0])
  return Evidence(
    experiment=experiment,
    model=model,
    title=f"{experiment}, {model}",
    differences=differences,
    controls=controls,
    densities=one.tables.get("densities"),
    training=one.training,
    searches=one.searches,
    overlaps=overlaps,
    anatomy=anatomy,
    cuts=one.tables.get("cuts"),
    workdirs=(one,),
  )


def _fits(old: Evidence, new: Evidence) -> bool:
  return (old.experiment, old.model) == (new.experiment, new.model) and not (
    set(old.trained_regimes()) & set(new.trained_regimes())
  )


def _merged(old: Evidence, new: Evidence) -> Evidence:
  """Returns both, without regimes of `new` that `old` has."""
  known = set(old.differences["regime"])
  tables: dict[str, Any] = {}
  for name in (
    "differences", "controls", "densities", "training", "searches", "overlaps",
    "anatomy", "cuts",
  ):  # fmt: skip
    first, second = getattr(old, name), getattr(new, name)
    if second is not None and not second.empty:
      second = second[~second["regime"].isin(known)]
    parts = [part for part in (first, second) if part is not None]
    parts = [part for part in parts if not part.empty] or parts
    tables[name] = pd.concat(parts, ignore_index=True) if parts else None
  tables["differences"] = task_difference.control_last(tables["differences"])
  workdirs = old.workdirs + new.workdirs
  return dataclasses.replace(old, **tables, workdirs=workdirs)
