"""What a work directory holds, read for the analysis.

Files and columns are those of DESIGN.md section 4. Only `results.csv` and
`config.json` must exist; whatever else is missing is None or empty, and the
report leaves its section out. A torn file is an error, never a smaller
result.
"""

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import pandas as pd

from structcomp_jax.io import metrics
from structcomp_jax.io import results as tables
from structcomp_jax.types import UserError


@dataclasses.dataclass(frozen=True)
class Workdir:
  """The contents of one work directory.

  Attributes:
    path: the directory.
    results: rows of results.csv.
    controls: rows of controls.csv, or None.
    densities: rows of densities.csv, or None.
    config: the resolved configuration.
    training: metrics of the base networks with columns regime and base_seed.
    searches: metrics of the final mask searches, without those of the grid,
      with columns regime, base_seed and subroutine.
    selections: {file relative to the directory: contents of selection.json}.
    mask_files: {(regime, base_seed, subroutine): file}.
    timings: {step: seconds}.
    versions: {package: version}.
  """

  path: pathlib.Path
  results: pd.DataFrame
  controls: pd.DataFrame | None
  densities: pd.DataFrame | None
  config: dict[str, Any]
  training: pd.DataFrame
  searches: pd.DataFrame
  selections: dict[str, Any]
  mask_files: dict[tuple[str, int, str], pathlib.Path]
  timings: dict[str, Any]
  versions: dict[str, Any]


def read(path: str | pathlib.Path) -> Workdir:
  """Reads a work directory.

  Raises:
    UserError: it does not exist, `results.csv` or `config.json` is missing,
      or a file is torn or lacks columns.
  """
  path = pathlib.Path(path)
  if not path.is_dir():
    raise UserError(
      f"there is no work directory {str(path)!r}; check --workdir"
    )
  results = _read_table(path / "results.csv", tables.COLUMNS)
  regimes = list(dict.fromkeys(results["regime"]))
  config = _read_json(path / "config.json", required=True)
  roots = _regime_roots(path, config, regimes)
  return Workdir(
    path=path,
    results=results,
    controls=_read_optional(path / "controls.csv", tables.CONTROL_COLUMNS),
    densities=_read_optional(path / "densities.csv", tables.DENSITY_COLUMNS),
    config=config,
    training=_read_training(roots),
    searches=_read_searches(roots),
    selections={
      str(file.relative_to(path)): _read_json(file)
      for root in roots.values()
      for file in sorted(root.glob("masks/*/*/selection.json"))
    },
    mask_files={
      (regime, seed, name): file
      for regime, root in roots.items()
      for file in sorted(root.glob("masks/*/*/masks.npz"))
      for seed, name in [_seed_and_subroutine(file)]
    },
    timings=_read_json(path / "timings.json"),
    versions=_read_json(path / "versions.json"),
  )


def _regime_roots(
  path: pathlib.Path, config: dict[str, Any], regimes: list[str]
) -> dict[str, pathlib.Path]:
  """Returns {regime: directory that holds its base/ and masks/}."""
  declared = config.get("regimes") or regimes
  first = declared[0] if declared else ""
  return {
    regime: path if regime == first else path / regime for regime in regimes
  }


def _read_table(path: pathlib.Path, columns: Sequence[str]) -> pd.DataFrame:
  """Returns a whole table: rows that break off are refused."""
  table = tables.read(path, columns)
  numbers = [name for name in ("accuracy", "kept", "size") if name in table]
  if (
    table.empty
    or table[numbers].isna().any(axis=None)
    or not path.read_bytes().endswith(b"\n")
  ):
    raise UserError(
      f"{path} is torn or has empty cells; delete it and run"
      " python -m launch.evaluate again"
    )
  return table


def _read_optional(
  path: pathlib.Path, columns: Sequence[str]
) -> pd.DataFrame | None:
  return _read_table(path, columns) if path.is_file() else None


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


def _read_training(roots: dict[str, pathlib.Path]) -> pd.DataFrame:
  tables = []
  for regime, root in roots.items():
    for file in sorted(root.glob("base/*/metrics.jsonl")):
      table = pd.DataFrame(metrics.read(file)).assign(regime=regime)
      seed = _number_after("seed_", file.parts[-2])
      tables.append(table.assign(base_seed=table.get("seed", seed)))
  # A resumed run may repeat its last steps; the later line holds.
  return _joined(tables, ["regime", "base_seed", "step"])


def _read_searches(roots: dict[str, pathlib.Path]) -> pd.DataFrame:
  tables = []
  for regime, root in roots.items():
    for file in sorted(root.glob("masks/*/*/metrics.jsonl")):
      seed, name = _seed_and_subroutine(file)
      table = pd.DataFrame(metrics.read(file))
      tables.append(
        table.assign(regime=regime, base_seed=seed, subroutine=name)
      )
  return _joined(
    tables, ["regime", "base_seed", "subroutine", "candidate", "step"]
  )


def _joined(tables: list[pd.DataFrame], key: list[str]) -> pd.DataFrame:
  tables = [table for table in tables if not table.empty]
  if not tables:
    return pd.DataFrame()
  table = pd.concat(tables, ignore_index=True)
  key = [name for name in key if name in table]
  return table.drop_duplicates(key, keep="last", ignore_index=True)


def _seed_and_subroutine(file: pathlib.Path) -> tuple[int, str]:
  """Returns (1, "verb") for masks/seed_1/verb/<file>."""
  return _number_after("seed_", file.parts[-3]), file.parts[-2]


def _number_after(prefix: str, name: str) -> int:
  digits = name.removeprefix(prefix)
  return int(digits) if digits.isdigit() else 0
