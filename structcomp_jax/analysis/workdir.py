"""What a work directory holds, read for the analysis.

Files and columns are those of DESIGN.md section 4. Only `results.csv` and
`config.json` must exist; whatever else is missing is None or empty, and the
report leaves its section out. A torn file is an error, never a smaller
result.
"""

import dataclasses
import json
import pathlib
from typing import Any

import pandas as pd

from structcomp_jax.analysis.task_difference import SEARCH_KEY
from structcomp_jax.types import UserError

RESULT_COLUMNS = [
  *SEARCH_KEY,
  "ablation",
  "test_task",
  "accuracy",
  "loss",
  "num_problems",
  "l0",
  "l0_max",
]
DENSITY_COLUMNS = [*SEARCH_KEY[2:], "leaf", "kept", "size"]
_MASKED_AS_TEXT = {"masked_from": str, "subroutine": str}


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
    searches: metrics of the mask searches with columns regime, base_seed and
      subroutine.
    selections: {file relative to the directory: contents of selection.json}.
    mask_files: {(regime, base_seed, subroutine, file's directory): file}.
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
  mask_files: dict[tuple[str, int, str, str], pathlib.Path]
  timings: dict[str, float]
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
  results = _read_table(path / "results.csv", RESULT_COLUMNS)
  regimes = list(dict.fromkeys(results["regime"]))
  config = _read_json(path / "config.json", required=True)
  roots = _regime_roots(path, config, regimes)
  return Workdir(
    path=path,
    results=results,
    controls=_read_optional(path / "controls.csv", RESULT_COLUMNS),
    densities=_read_optional(path / "densities.csv", DENSITY_COLUMNS),
    config=config,
    training=_read_training(roots),
    searches=_read_searches(roots),
    selections={
      str(file.relative_to(path)): _read_json(file)
      for root in roots.values()
      for file in sorted(root.glob("masks/**/selection.json"))
    },
    mask_files={
      (regime, seed, name, str(file.parent.relative_to(path))): file
      for regime, root in roots.items()
      for file in sorted(root.glob("masks/**/masks.npz"))
      for seed, name in [_seed_and_subroutine(file, root / "masks")]
    },
    timings=_read_json(path / "timings.json"),
    versions=_read_json(path / "versions.json"),
  )


def _regime_roots(
  path: pathlib.Path, config: dict, regimes: list[str]
) -> dict[str, pathlib.Path]:
  """Returns {regime: directory that holds its base/ and masks/}."""
  declared = config.get("regimes") or regimes
  first = declared[0] if declared else ""
  return {
    regime: path if regime == first else path / regime for regime in regimes
  }


def _read_table(path: pathlib.Path, columns: list[str]) -> pd.DataFrame:
  if not path.is_file():
    raise UserError(
      f"{str(path)!r} is missing; run launch.evaluate on this work directory"
    )
  try:
    text_ends = path.read_bytes()[-1:] == b"\n"
    table = pd.read_csv(path, dtype=_MASKED_AS_TEXT)
  except (OSError, ValueError) as error:
    raise UserError(
      f"{str(path)!r} cannot be read ({error}); delete it and run"
      " launch.evaluate again"
    ) from error
  missing = [name for name in columns if name not in table]
  if missing:
    raise UserError(
      f"{str(path)!r} has no column {missing[0]!r}; delete it and run"
      " launch.evaluate again"
    )
  if not text_ends or _holds_gaps(table):
    raise UserError(
      f"{str(path)!r} is torn or has empty cells; delete it and run"
      " launch.evaluate again"
    )
  return table


def _holds_gaps(table: pd.DataFrame) -> bool:
  """Returns whether a number that every row must have is missing."""
  needed = [name for name in ("accuracy", "kept", "size") if name in table]
  numeric = table[needed].apply(pd.to_numeric, errors="coerce")
  return bool(numeric.isna().any(axis=None)) or table.empty


def _read_optional(
  path: pathlib.Path, columns: list[str]
) -> pd.DataFrame | None:
  return _read_table(path, columns) if path.is_file() else None


def _read_json(path: pathlib.Path, *, required: bool = False) -> dict:
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


def _read_lines(path: pathlib.Path) -> pd.DataFrame:
  """Returns a metrics file as a table."""
  rows = []
  for number, line in enumerate(path.read_text().splitlines(), start=1):
    try:
      rows.append(json.loads(line))
    except ValueError as error:
      raise UserError(
        f"{str(path)!r} line {number} is not JSON; run the step that wrote it"
        " again"
      ) from error
  return pd.DataFrame(rows)


def _read_training(roots: dict[str, pathlib.Path]) -> pd.DataFrame:
  tables = []
  for regime, root in roots.items():
    for file in sorted(root.glob("base/**/metrics.jsonl")):
      table = _read_lines(file).assign(regime=regime)
      seed = _number_after("seed_", file.relative_to(root / "base").parts[0])
      tables.append(table.assign(base_seed=table.get("seed", seed)))
  # A resumed run may repeat its last steps; the later line holds.
  return _joined(tables, ["regime", "base_seed", "step"])


def _read_searches(roots: dict[str, pathlib.Path]) -> pd.DataFrame:
  tables = []
  for regime, root in roots.items():
    for file in sorted(root.glob("masks/**/metrics.jsonl")):
      seed, name = _seed_and_subroutine(file, root / "masks")
      table = _read_lines(file)
      tables.append(
        table.assign(
          regime=regime,
          base_seed=seed,
          subroutine=name,
          directory=str(file.parent.relative_to(root)),
        )
      )
  return _joined(tables, ["regime", "directory", "candidate", "step"])


def _joined(tables: list[pd.DataFrame], key: list[str]) -> pd.DataFrame:
  tables = [table for table in tables if not table.empty]
  if not tables:
    return pd.DataFrame()
  table = pd.concat(tables, ignore_index=True)
  key = [name for name in key if name in table]
  return table.drop_duplicates(key, keep="last", ignore_index=True)


def _seed_and_subroutine(
  file: pathlib.Path, root: pathlib.Path
) -> tuple[int, str]:
  """Returns (1, "verb") for root/seed_1/verb/.../file."""
  parts = file.relative_to(root).parts
  return _number_after("seed_", parts[0]), parts[1] if len(parts) > 2 else ""


def _number_after(prefix: str, name: str) -> int:
  digits = name.removeprefix(prefix)
  return int(digits) if digits.isdigit() else 0
