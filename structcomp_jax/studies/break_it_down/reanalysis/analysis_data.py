"""The tables of task differences that the release gave to its statistics."""

import pathlib
from collections.abc import Mapping

import pandas as pd

from structcomp_jax.io import tables
from structcomp_jax.studies.break_it_down.findings.statistics import DIFFERENCES
from structcomp_jax.studies.break_it_down.reanalysis import searches
from structcomp_jax.types import command

# Base networks that the release leaves out, by numbers typed by hand: (its
# experiment, model, regime) -> numbers.
FAILED_BY_HAND: Mapping[tuple[str, str, str], tuple[int, ...]] = {
  ("inside_contact", "resnet50", "scratch"): (2,),
  ("inside_contact", "resnet50", "pruned"): (2,),
  # In figures alone: the networks have no table.
  ("anaphora_singular", "bert_small", "lm_pretrained"): (1, 2),
}
_VISION = ("inside_contact", "inside_count", "count_contact")
_LANGUAGE = ("sv_agr", "anaphora")
# The groups of searches whose table was released.
RELEASED = frozenset(
  {
    *((name, "resnet50", "scratch", "scratch") for name in _VISION),
    *((name, "resnet50", "random_init", "scratch") for name in _VISION),
    *((name, "resnet50", "simclr", "simclr") for name in _VISION),
    *((name, "wideresnet50", "scratch", "scratch") for name in _VISION),
    ("inside_contact", "resnet50", "pruned", "scratch"),
    ("count_contact", "resnet50", "pruned", "scratch"),
    *((name, "bert_small", "scratch", "scratch") for name in _LANGUAGE),
    *((name, "bert_small", "random_init", "scratch") for name in _LANGUAGE),
  }
)
_COLUMNS: Mapping[str, type] = {
  "Base_Model": int,
  "Ablation": int,
  "Task": str,
  "Performance": float,
}
_MADE_BY = command("reanalyse")


def released(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
  """Returns {name of the group: its table}, of the groups in `RELEASED`.

  Args:
    table: see `searches.of_release`.
  """
  return {
    searches.group_name(group): analysis_data(rows[~failed_by_hand(rows)])
    for group, rows in searches.groups(table).items()
    if group in RELEASED
  }


def failed_by_hand(
  table: pd.DataFrame,
  declared: Mapping[tuple[str, str, str], tuple[int, ...]] = FAILED_BY_HAND,
) -> pd.Series:
  """Returns whether the release leaves out the base network of each search.

  Args:
    table: see `searches.of_release`.
    declared: {(experiment, model, regime): numbers of base networks}.
  """
  keys = zip(
    table["release_experiment"], table["model"], table["regime"], strict=True
  )
  return pd.Series(
    [
      number in declared.get(key, ())
      for key, number in zip(keys, table["base_model"], strict=True)
    ],
    index=table.index,
    dtype=bool,
  )


def analysis_data(rows: pd.DataFrame) -> pd.DataFrame:
  """Returns the table of one group as the release computed it.

  Args:
    rows: the searches of a group that count; see `searches.of_release`.

  Returns:
    One row per search and kind of network: Base_Model, Ablation (0: D_sub,
    1: D_abl), Task, Performance (the difference), and singular (1 or 0) in
    language, where one table holds both experiments. By result directory, in
    it D_sub before D_abl, then by search.
  """
  is_language = bool(rows["release_experiment"].isin(searches.FAMILIES).any())
  both = pd.concat(
    [
      rows.assign(Ablation=number, Performance=rows[column])
      for number, column in enumerate(DIFFERENCES.values())
    ]
  )
  singular = both["release_experiment"].str.endswith("singular").astype(int)
  both = both.assign(
    Base_Model=both["base_model"], Task=both["task"], singular=singular
  ).sort_values(
    ["singular", "directory", "Ablation", "candidate"],
    ascending=[False, True, True, True],
    ignore_index=True,
  )
  return both[[*_COLUMNS, *(["singular"] if is_language else [])]]


def write(found: Mapping[str, pd.DataFrame], directory: pathlib.Path) -> None:
  """Writes every table as a CSV file.

  Args:
    found: see `released`.
    directory: gets `<name>.csv` of every table.

  Raises:
    UserError: a file cannot be written.
  """
  for name, table in found.items():
    columns = {one: _COLUMNS.get(one, int) for one in table}
    tables.write(
      directory / f"{name}.csv",
      table.to_dict("records"),
      tables.Schema(columns, _MADE_BY),
    )
