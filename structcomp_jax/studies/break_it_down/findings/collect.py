"""Puts work directories together: what belongs on one page, and where."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from structcomp_jax import trees
from structcomp_jax.io import mask_files
from structcomp_jax.report import overlap, workdir
from structcomp_jax.studies.break_it_down.findings import task_difference
from structcomp_jax.studies.break_it_down.findings.task_difference import (
  UNTRAINED_REGIME,
)
from structcomp_jax.types import UserError

# {subroutine: masks}
_Groups = dict[str, list[dict[str, np.ndarray]]]


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
    overlaps: table of `overlap.pairwise` with regime and base_seed.
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
  cuts: pd.DataFrame | None
  workdirs: tuple[workdir.Workdir, ...]

  def trained_regimes(self) -> list[str]:
    """Returns the regimes with trained base networks."""
    regimes = dict.fromkeys(self.differences["regime"])
    return [regime for regime in regimes if regime != UNTRAINED_REGIME]


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
    overlaps=_overlaps(one, differences),
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
    "differences", "controls", "densities", "training", "searches", "cuts",
  ):  # fmt: skip
    first, second = getattr(old, name), getattr(new, name)
    if second is not None and not second.empty:
      second = second[~second["regime"].isin(known)]
    parts = [part for part in (first, second) if part is not None]
    parts = [part for part in parts if not part.empty] or parts
    tables[name] = pd.concat(parts, ignore_index=True) if parts else None
  tables["differences"] = task_difference.control_last(tables["differences"])
  overlaps = new.overlaps
  if not overlaps.empty:
    overlaps = overlaps[~overlaps["regime"].isin(known)]
  return dataclasses.replace(
    old,
    **tables,
    overlaps=pd.concat([old.overlaps, overlaps], ignore_index=True),
    workdirs=old.workdirs + new.workdirs,
  )


def _overlaps(one: workdir.Workdir, differences: pd.DataFrame) -> pd.DataFrame:
  """Compares the reported masks of every base network."""
  groups: dict[tuple[str, int], _Groups] = {}
  for (regime, seed, name), file in one.mask_files.items():
    reported = differences[
      (differences["regime"] == regime)
      & (differences["base_seed"] == seed)
      & (differences["subroutine"] == name)
    ]
    of_base = groups.setdefault((regime, seed), {})
    of_base[name] = _reported_masks(file, reported["candidate"])
  tables = [
    overlap.pairwise(_same_leaves(of_base)).assign(
      regime=regime, base_seed=seed
    )
    for (regime, seed), of_base in groups.items()
  ]
  return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _reported_masks(
  file: pathlib.Path, candidates: pd.Series
) -> list[dict[str, np.ndarray]]:
  """Returns the masks of a file that results.csv reports.

  Args:
    file: a mask file.
    candidates: rows of the file.

  Raises:
    UserError: the file is torn, or has no such rows.
  """
  stacked, _ = mask_files.load(file)
  rows = sorted(candidates.astype(int).unique())
  if rows and rows[-1] >= trees.num_rows(stacked):
    raise UserError(
      f"{file} lacks masks that results.csv is about; run python -m "
      "launch.evaluate again"
    )
  return [overlap.row(stacked, row) for row in rows]


def _same_leaves(groups: _Groups) -> _Groups:
  """Keeps the leaves that all masks have, which masked_from may change."""
  every = [set(masks) for of_name in groups.values() for masks in of_name]
  shared = set.intersection(*every) if every else set()
  return {
    name: [{path: masks[path] for path in sorted(shared)} for masks in of_name]
    for name, of_name in groups.items()
  }
