"""What a work directory holds, read for a report.

Only `results.csv` and `config.json` must exist; whatever else is missing is
empty or left out, and so is its section of a page. A torn file is an error,
never a smaller result.
"""

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from structcomp_jax.io import layout, metrics, tables
from structcomp_jax.io.workdir import CONFIG
from structcomp_jax.types import UserError

# Regime, base seed and subroutine.
_Which = tuple[str, int, str]


@dataclasses.dataclass(frozen=True)
class Workdir:
  """The contents of one work directory.

  Attributes:
    paths: where everything lies in it.
    tables: {name: rows} of the tables that are there, `results` among them.
    config: the resolved configuration.
    training: metrics of the base networks with columns regime and base_seed.
    searches: metrics of the final mask searches, without those of the grid,
      with columns regime, base_seed and subroutine.
    selections: {(regime, base seed, subroutine): how a setting was selected}.
    mask_files: {(regime, base seed, subroutine): file}.
    timings: {step: seconds}.
    versions: {package: version}.
  """

  paths: layout.Paths
  tables: Mapping[str, pd.DataFrame]
  config: Mapping[str, Any]
  training: pd.DataFrame
  searches: pd.DataFrame
  selections: Mapping[_Which, Mapping[str, Any]]
  mask_files: Mapping[_Which, pathlib.Path]
  timings: Mapping[str, Any]
  versions: Mapping[str, Any]

  @property
  def path(self) -> pathlib.Path:
    """The directory."""
    return self.paths.workdir

  @property
  def results(self) -> pd.DataFrame:
    """Rows of results.csv."""
    return self.tables["results"]


def read(
  path: str | pathlib.Path, schemas: Mapping[str, tables.Schema]
) -> Workdir:
  """Reads a work directory.

  Args:
    path: the directory.
    schemas: {name: columns} of the tables to read, `results` among them.

  Raises:
    UserError: it does not exist, `results.csv` or `config.json` is missing,
      a file is torn or lacks columns, or results lack base seeds of the config
      or are impossible.
  """
  path = pathlib.Path(path)
  config = read_config(path)
  declared = config.get("regimes") or ("",)
  paths = layout.Paths(path, main_regime=declared[0])
  found = {
    name: _read_table(paths.table(name), schema)
    for name, schema in schemas.items()
    if name == "results" or paths.table(name).is_file()
  }
  _check_results(paths.table("results"), found["results"], config)
  regimes = list(dict.fromkeys(found["results"]["regime"]))
  if not paths.main_regime:
    paths = dataclasses.replace(paths, main_regime=regimes[0])
  masks = {
    (regime, seed, name): directory
    for regime in regimes
    for (seed, name), directory in paths.found_masks(regime).items()
  }
  return Workdir(
    paths=paths,
    tables=found,
    config=config,
    training=_read_training(paths, regimes),
    searches=_read_searches(masks),
    selections={
      which: _read_json(directory / layout.SELECTION)
      for which, directory in masks.items()
      if (directory / layout.SELECTION).is_file()
    },
    mask_files={
      which: directory / layout.MASKS
      for which, directory in masks.items()
      if (directory / layout.MASKS).is_file()
    },
    timings=_read_json(path / layout.TIMINGS),
    versions=_read_json(path / layout.VERSIONS),
  )


def read_experiment(path: str | pathlib.Path) -> str:
  """Returns the name of the experiment of a work directory.

  Raises:
    UserError: the directory or its `config.json` is missing or torn.
  """
  return str(read_config(path).get("experiment", ""))


def read_config(path: str | os.PathLike[str]) -> dict[str, Any]:
  """Returns the resolved configuration of a work directory.

  Raises:
    UserError: the directory or its `config.json` is missing or torn.
  """
  path = pathlib.Path(path)
  if not path.is_dir():
    raise UserError(
      f"there is no work directory {str(path)!r}; check --workdir"
    )
  return _read_json(path / CONFIG, required=True)


def _read_table(path: pathlib.Path, schema: tables.Schema) -> pd.DataFrame:
  table = tables.read(path, schema)
  if table.empty and not schema.may_be_empty:
    raise tables.torn(path, schema)
  return table


def _check_results(
  path: pathlib.Path, results: pd.DataFrame, config: Mapping[str, Any]
) -> None:
  """Raises if results.csv lacks base networks, or has impossible numbers."""
  remedy = "write it again with python -m launch.evaluate"
  for regime, rows in results.groupby("regime"):
    lacking = {*config.get("base_seeds", ())} - {*rows["base_seed"]}
    if lacking:
      raise UserError(
        f"{path} lacks base seeds {', '.join(map(str, sorted(lacking)))} of "
        f"{regime}, which config.json names; {remedy}"
      )
  for is_wrong, what in (
    (results["l0"] > results["l0_max"], "more weights kept than there are"),
    (results["l0"] < 0, "a negative number of weights"),
    (~results["accuracy"].between(0, 1), "an accuracy outside of 0 to 1"),
  ):
    if is_wrong.any():
      row = int(is_wrong.to_numpy().argmax())
      raise UserError(f"{path} has {what} in row {row + 1}; {remedy}")


def _read_json(path: pathlib.Path, *, required: bool = False) -> dict[str, Any]:
  if not path.is_file() and not required:
    return {}
  try:
    content = json.loads(path.read_text())
  except (OSError, ValueError) as error:
    raise UserError(
      f"{str(path)!r} is missing or is not JSON; restore it, or start in a"
      " new work directory"
    ) from error
  if not isinstance(content, dict):
    raise UserError(f"{str(path)!r} must hold a JSON object; remove the file")
  return content


def _read_training(paths: layout.Paths, regimes: Sequence[str]) -> pd.DataFrame:
  found = []
  for regime in regimes:
    for seed, directory in paths.found_bases(regime).items():
      table = _read_metrics(directory).assign(regime=regime)
      found.append(table.assign(base_seed=table.get("seed", seed)))
  # A resumed run may repeat its last steps; the later line holds.
  return _joined(found, ["regime", "base_seed", "step"])


def _read_searches(masks: Mapping[_Which, pathlib.Path]) -> pd.DataFrame:
  found = [
    _read_metrics(directory).assign(
      regime=regime, base_seed=seed, subroutine=name
    )
    for (regime, seed, name), directory in masks.items()
  ]
  return _joined(
    found, ["regime", "base_seed", "subroutine", "candidate", "step"]
  )


def _read_metrics(directory: pathlib.Path) -> pd.DataFrame:
  path = directory / layout.METRICS
  return pd.DataFrame(metrics.read(path) if path.is_file() else [])


def _joined(found: list[pd.DataFrame], key: list[str]) -> pd.DataFrame:
  found = [table for table in found if not table.empty]
  if not found:
    return pd.DataFrame()
  table = pd.concat(found, ignore_index=True)
  key = [name for name in key if name in table]
  return table.drop_duplicates(key, keep="last", ignore_index=True)
