"""The result table of the release, read and checked.

One row per result file of the final runs of "Break It Down" (arXiv
2301.10884): for every mask search a row of its training, which is not used
here, and one per test task and ablation.
"""

import pathlib
import zlib

import pandas as pd

from structcomp_jax.studies.break_it_down import experiments
from structcomp_jax.studies.break_it_down.experiments import DESCRIPTIONS
from structcomp_jax.studies.break_it_down.regimes import REGIMES
from structcomp_jax.types import UserError, one_line

_TEXT = (
  "experiment",
  "model",
  "regime",
  "base_model",
  "mask_task",
  "search_id",
  "ablation",
  "masked_from",
  "row_type",
  "hparams_from",
)
_NUMBERS = (
  "seed",
  "eval_task",
  "accuracy",
  "loss",
  "l0",
  "l0_max",
  "lr",
  "mask_init",
)
COLUMNS = (*_TEXT, *_NUMBERS)
# What a task difference needs: the subnetwork and its complement.
_NEEDED_ABLATIONS = ("none", "zero")
_REMEDY = "give --results the whole table of the release"


def read(path: str | pathlib.Path) -> pd.DataFrame:
  """Returns the evaluations of a result table.

  Args:
    path: a CSV file, compressed if its name says so (`.csv.gz`), with at least
      `COLUMNS`. `masked_from` is text; other numbers are numbers.

  Returns:
    The rows whose `row_type` is `eval`, in the order of the file; further
    columns are kept as text.

  Raises:
    UserError: the file cannot be read, lacks columns or rows, holds a cell
      that is no number, names an unknown experiment or task, or says nothing
      or twice what a task difference needs.
  """
  table = _read_text(pathlib.Path(path))
  missing = [name for name in COLUMNS if name not in table]
  if missing:
    raise UserError(f"{path} has no column {', '.join(missing)}; {_REMEDY}")
  rows = table[table["row_type"] == "eval"].reset_index(drop=True)
  if rows.empty:
    raise UserError(f"{path} holds no row whose row_type is eval; {_REMEDY}")
  for name in _NUMBERS:
    rows[name] = _as_numbers(rows[name], path)
  _check_names(rows, path)
  _check_rows(rows, path)
  return rows


def mask_task_id(experiment: str, mask_task: str) -> int:
  """Returns the number that the release gives to the task of a mask.

  >>> mask_task_id("inside_count", "number")
  111

  Args:
    experiment: as the release names it.
    mask_task: the same.
  """
  _, names = experiments.in_release(experiment)
  ours = names.renamed.get(mask_task, mask_task)
  return names.first_test + names.tests.index(ours)


def _read_text(path: pathlib.Path) -> pd.DataFrame:
  try:
    return pd.read_csv(path, dtype=str, keep_default_na=False)
  except (ValueError, EOFError, zlib.error) as error:
    raise UserError(
      f"{path} is not a table ({one_line(error)}); {_REMEDY}"
    ) from error
  except OSError as error:
    cause = error.strerror or one_line(error)
    raise UserError(f"cannot read {path}: {cause}; {_REMEDY}") from error


def _as_numbers(cells: pd.Series, path: str | pathlib.Path) -> pd.Series:
  try:
    # Python's float, since the parser of pandas may miss the last bit.
    numbers = cells.map(float)
  except ValueError as error:
    raise UserError(
      f"{path} column {cells.name} holds a cell that is no number"
      f" ({one_line(error)}); {_REMEDY}"
    ) from error
  is_whole = cells.name in ("seed", "eval_task")
  return numbers.astype("int64") if is_whole else numbers


def _check_names(rows: pd.DataFrame, path: str | pathlib.Path) -> None:
  """Refuses experiments, regimes and tasks that the release does not have."""
  known = {
    "experiment": [one.release.name for one in DESCRIPTIONS.values()],
    "regime": list(REGIMES),
    "hparams_from": list(REGIMES),
  }
  for column, names in known.items():
    unknown = sorted(set(rows[column]) - set(names))
    if unknown:
      raise UserError(
        f"{path} holds the unknown {column} {unknown[0]}; choose rows of"
        f" {', '.join(names)}"
      )
  for experiment, part in rows.groupby("experiment"):
    _, of_one = experiments.in_release(str(experiment))
    subroutines = {
      task
      for task in part["mask_task"].unique()
      if of_one.renamed.get(task, task) in of_one.tests[1:3]
    }
    wrong = set(part["mask_task"]) - subroutines
    numbers = range(of_one.first_test, of_one.first_test + len(of_one.tests))
    wrong |= set(part["eval_task"]) - set(numbers)
    if wrong:
      raise UserError(
        f"{path}: {experiment} has no task {wrong.pop()}; {_REMEDY}"
      )


def _check_rows(rows: pd.DataFrame, path: str | pathlib.Path) -> None:
  """Refuses searches whose rows are missing or repeated."""
  key = ["search_id", "ablation", "eval_task"]
  repeated = rows[rows.duplicated(key)]
  if len(repeated):
    one = repeated.iloc[0]
    raise UserError(
      f"{path} answers twice for search {one['search_id']}, ablation"
      f" {one['ablation']}, task {one['eval_task']}; {_REMEDY}"
    )
  found = set(rows[key].itertuples(index=False, name=None))
  for (experiment, search), part in rows.groupby(["experiment", "search_id"]):
    for number in _needed_tasks(str(experiment), part["mask_task"].iloc[0]):
      for ablation in _NEEDED_ABLATIONS:
        if (search, ablation, number) not in found:
          raise UserError(
            f"{path} lacks the row of search {search}, ablation {ablation},"
            f" task {number}; {_REMEDY}"
          )


def _needed_tasks(experiment: str, mask_task: str) -> list[int]:
  """Returns the mask's own task and both single-cue tests."""
  _, names = experiments.in_release(experiment)
  single_cue = [f"odd_{name}" for name in names.tests[1:3]]
  return [
    mask_task_id(experiment, mask_task),
    *(names.first_test + names.tests.index(test) for test in single_cue),
  ]
