"""The tables of one work directory, as everything else reads them."""

import dataclasses
import math

import pandas as pd

from structcomp_jax.report.workdir import Workdir
from structcomp_jax.studies.are_nets_modular.domain import CONTROL
from structcomp_jax.types import UserError, command

# Networks that are compared with, never judged: those that share weights by
# construction, and those that were never trained.
COPIES, UNTRAINED = "copy_weight", "random_init"
COMPARED = (COPIES, UNTRAINED)
# A mask, or a whole network, solves what it does at least this often.
SOLVED = 0.9
# The penalty of most published runs. Of several, the nearest one is reported.
_PUBLISHED_BETA = 1e-4
_TINY = 1e-12


@dataclasses.dataclass(frozen=True)
class Evidence:
  """What one work directory says.

  Attributes:
    title: how the page calls it.
    experiment: e.g. `add_mul`.
    model: e.g. `ff_4x800`.
    subtasks: names of the masks, without the control.
    tests: names of the test tasks.
    beta: the penalty that all tables but `every_beta` are about.
    betas: all that were searched with.
    results: rows of results.csv, with those of dense networks.
    every_beta: the same rows of every penalty.
    controls: the same of random masks of the same size, or None.
    overlaps: rows of overlaps.csv; empty if there is no such table.
    every_overlap: the same rows of every penalty.
    densities: rows of densities.csv; empty if there is no such table.
    histograms: rows of histograms.csv, likewise.
    outputs: rows of outputs.csv, likewise.
    confusions: rows of confusions.csv, likewise.
    gradients: rows of gradients.csv, likewise.
    workdir: where it comes from.
  """

  title: str
  experiment: str
  model: str
  subtasks: tuple[str, ...]
  tests: tuple[str, ...]
  beta: float
  betas: tuple[float, ...]
  results: pd.DataFrame
  every_beta: pd.DataFrame
  controls: pd.DataFrame | None
  overlaps: pd.DataFrame
  every_overlap: pd.DataFrame
  densities: pd.DataFrame
  histograms: pd.DataFrame
  outputs: pd.DataFrame
  confusions: pd.DataFrame
  gradients: pd.DataFrame
  workdir: Workdir

  @property
  def regimes(self) -> list[str]:
    """Kinds of networks, in the order of the tables."""
    return list(dict.fromkeys(self.results["regime"]))

  @property
  def masked_regimes(self) -> list[str]:
    """Kinds of networks that have masks."""
    return list(dict.fromkeys(masks_only(self.results)["regime"]))

  @property
  def judged(self) -> list[str]:
    """Kinds of networks that get verdicts of their own."""
    return [name for name in self.masked_regimes if name not in COMPARED]


def of_workdir(one: Workdir) -> Evidence:
  """Sorts the tables of a work directory.

  Raises:
    UserError: it holds several experiments or models, or no masks.
  """
  results = one.results
  names = results[["experiment", "model"]].drop_duplicates()
  if len(names) > 1:
    raise UserError(
      f"{one.path} holds more than one experiment or model; give each a work "
      "directory of its own"
    )
  masks = masks_only(results)
  if masks.empty:
    raise UserError(
      f"{one.path} has no rows of masks in results.csv; run"
      f" {command('search')} and {command('evaluate')} first"
    )
  betas = tuple(dict.fromkeys(masks["beta"]))
  beta = reported(betas)
  penalties = set(masks[masks["beta"] == beta]["penalty"])
  controls = one.tables.get("controls")
  densities = _table(one, "densities")
  if not densities.empty:
    densities = densities[densities["penalty"].isin(penalties)]
  experiment, model = (str(name) for name in names.iloc[0])
  return Evidence(
    title=f"{experiment}, {model}",
    experiment=experiment,
    model=model,
    subtasks=tuple(
      name for name in dict.fromkeys(masks["subroutine"]) if name != CONTROL
    ),
    tests=tuple(dict.fromkeys(results["test_task"])),
    beta=beta,
    betas=betas,
    results=pd.concat(
      [results.drop(masks.index), masks[masks["beta"] == beta]]
    ),
    every_beta=results,
    controls=None if controls is None else _at(controls, beta),
    overlaps=_at(_table(one, "overlaps"), beta),
    every_overlap=_table(one, "overlaps"),
    densities=densities,
    histograms=_at(_table(one, "histograms"), beta),
    outputs=_at(_table(one, "outputs"), beta),
    confusions=_at(_table(one, "confusions"), beta),
    gradients=_at(_table(one, "gradients"), beta),
    workdir=one,
  )


def reported(betas: tuple[float, ...]) -> float:
  """Returns the penalty that verdicts are about.

  >>> reported((1e-5, 2e-4, 1e-2))
  0.0002
  """
  return min(
    betas,
    key=lambda beta: abs(math.log(max(beta, _TINY) / _PUBLISHED_BETA)),
  )


def masks_only(results: pd.DataFrame) -> pd.DataFrame:
  """Returns the rows of masks, without those of dense networks."""
  return results[results["subroutine"] != ""]


def _table(one: Workdir, name: str) -> pd.DataFrame:
  return one.tables.get(name, pd.DataFrame())


def _at(table: pd.DataFrame, beta: float) -> pd.DataFrame:
  return table if table.empty else table[table["beta"] == beta]
